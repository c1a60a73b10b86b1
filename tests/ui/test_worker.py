"""Processes: they start once, outlive the page, and are found only by id."""

import os
import sys
import time
from collections.abc import Callable

import pytest

from balign.run.config import RunConfig
from balign.run.folder import Run
from balign.ui import worker

CONFIG = RunConfig.parse({"erase": ["cat"]})


def wait_for(what: Callable[[], bool], seconds: float = 60) -> None:
    """Return once it holds."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.05)


def test_a_run_is_started_in_a_session_of_its_own_and_finishes() -> None:
    run = worker.begin(CONFIG)
    child = worker._children[run.id]
    assert os.getsid(child.pid) == child.pid != os.getsid(0)
    wait_for(lambda: not worker.alive(run))
    assert run.status() == "done", (run.path / "log.txt").read_text()


def test_only_one_run_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "5")
    first = worker.begin(CONFIG)
    with pytest.raises(worker.Busy, match="Another run is using this machine"):
        worker.begin(CONFIG)
    assert [path.name for path in first.path.parent.iterdir()] == [first.id]


def test_a_stopped_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0.05")
    run = worker.begin(CONFIG)
    run.request_stop(keep=True)
    wait_for(lambda: not worker.alive(run))
    assert run.status() == "stopped"
    worker.resume(run)
    wait_for(lambda: not worker.alive(run))
    assert run.status() == "done"


def test_several_are_done_in_turn_and_none_can_be_started_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0.05")
    runs = worker.begin_all([CONFIG, CONFIG])
    assert all(worker.alive(run) for run in runs)
    with pytest.raises(worker.Busy):
        worker.begin(CONFIG)
    wait_for(lambda: not worker.alive(runs[1]))
    assert [run.status() for run in runs] == ["done", "done"]


def test_a_stopped_run_ends_those_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0.05")
    runs = worker.begin_all([CONFIG, CONFIG])
    runs[0].request_stop(keep=False)
    wait_for(lambda: not worker.alive(runs[1]))
    assert [run.status() for run in runs] == ["stopped", "new"]


def test_a_process_that_dies_at_once_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "COMMAND", (sys.executable, "-c", "raise SystemExit('no torch here')"))
    run = worker.begin(CONFIG)
    wait_for(lambda: worker.died_early(run))
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
    assert worker.find(name) is None


def test_a_run_is_found_by_its_id_and_by_nothing_else(new_run: Callable[..., Run]) -> None:
    run = new_run()
    assert worker.find(run.id) == run
    assert worker.find(str(run.path)) is None
    assert worker.find(run.id[:-1]) is None
