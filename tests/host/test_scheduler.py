"""Processes: they start once, outlive the page, and are found only by id."""

import os
import sys
import time
from collections.abc import Callable

import pytest

from balign import telemetry
from balign.host import scheduler, waitlist
from balign.runs.config import RunConfig
from balign.runs.folder import Run

CONFIG = RunConfig.parse({"erase": ["cat"]})


def wait_for(what: Callable[[], bool], seconds: float = 60) -> None:
    """Return once it holds; the line goes on meanwhile, as it does while a server is up."""
    end = time.monotonic() + seconds
    while not what():
        scheduler.dispatch()
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.05)


def test_a_run_is_started_in_a_session_of_its_own_and_finishes() -> None:
    run = scheduler.begin(CONFIG)
    child = scheduler._children[run.id]
    assert os.getsid(child.pid) == child.pid != os.getsid(0)
    wait_for(lambda: not scheduler.alive(run))
    assert run.status() == "done", (run.path / "log.txt").read_text()


def test_only_one_run_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0.05")
    first, second = scheduler.begin(CONFIG), scheduler.begin(CONFIG)
    scheduler.dispatch()
    assert (waitlist.place(first), waitlist.place(second)) == (0, 1)
    assert (scheduler.alive(first), scheduler.alive(second)) == (True, False)
    wait_for(lambda: scheduler.alive(second))
    assert first.status() == "done"
    assert not scheduler.alive(first)


def test_a_stopped_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0.05")
    run = scheduler.begin(CONFIG)
    run.request_stop(keep=True)
    wait_for(lambda: not scheduler.alive(run))
    assert run.status() == "stopped"
    scheduler.resume(run)
    wait_for(lambda: not scheduler.alive(run))
    assert run.status() == "done"


def test_several_wait_in_the_order_they_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0.02")
    runs = scheduler.begin_all([CONFIG] * 3)
    later = scheduler.begin(CONFIG)
    assert [waitlist.place(run) for run in [*runs, later]] == [0, 1, 2, 3]
    wait_for(lambda: later.status() == "done")
    ends = [(run.path / "report.json").stat().st_mtime_ns for run in [*runs, later]]
    assert ends == sorted(ends)


def test_stopping_one_lets_the_next_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0.05")
    runs = scheduler.begin_all([CONFIG, CONFIG])
    runs[0].request_stop(keep=False)
    wait_for(lambda: runs[1].status() == "done")
    assert runs[0].status() == "stopped"


def test_a_stopped_run_can_be_resumed_before_its_process_has_left(new_run: Callable[..., Run]) -> None:
    run = new_run()
    telemetry.append(run.path / "telemetry.jsonl", telemetry.Phase("stopped", 0, 1, 0.0))
    run.claim()
    scheduler.resume(run)
    assert waitlist.place(run) == 1
    run.release()
    wait_for(lambda: run.status() == "done")


def test_a_run_at_work_is_not_put_into_the_line(new_run: Callable[..., Run]) -> None:
    run = new_run()
    telemetry.append(run.path / "telemetry.jsonl", telemetry.Phase("load", 0, 1, 0.0))
    run.claim()
    scheduler.resume(run)
    assert waitlist.place(run) == 0
    run.release()


def test_a_process_is_known_before_it_claims_its_folder_and_by_another_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "COMMAND", (sys.executable, "-c", "import time; time.sleep(60)"))
    run = scheduler.begin(CONFIG)
    child = scheduler._children.pop(run.id)  # as after a restart of the server
    assert not run.running()
    assert scheduler.alive(run)
    scheduler.end(run)
    child.wait()
    assert not scheduler.alive(run)


def test_a_run_that_cannot_be_started_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "COMMAND", ("/nowhere/python",))
    with pytest.raises(FileNotFoundError):
        scheduler.begin(CONFIG)
    assert waitlist.line() == []


def test_a_process_that_dies_at_once_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "COMMAND", (sys.executable, "-c", "raise SystemExit('no torch here')"))
    run = scheduler.begin(CONFIG)
    wait_for(lambda: scheduler.died_early(run))
    assert "no torch here" in (run.path / "log.txt").read_text()


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "/etc",
        "a/b",
        "x" * 500,
        "a\x00bcdefgh",
        None,
        7,
        ["a"],
        {"run": 1},
        "%2e%2e%2f",
        "nobodyhere",
    ],
)
def test_what_is_not_an_id_finds_nothing(name: object) -> None:
    assert scheduler.find(name) is None


def test_a_run_is_found_by_its_id_and_by_nothing_else(new_run: Callable[..., Run]) -> None:
    run = new_run()
    assert scheduler.find(run.id) == run
    assert scheduler.find(str(run.path)) is None
    assert scheduler.find(run.id[:-1]) is None
