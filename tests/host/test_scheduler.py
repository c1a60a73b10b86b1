"""Processes: they start once, outlive the page, and are found only by id."""

import errno
import os
import signal
import sys
import time
from collections.abc import Callable

import pytest

from balign import telemetry
from balign.host import processes, scheduler, status, waitlist
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.folder import Run, list_runs
from tests.conftest import Claim

CONFIG = RunConfig.parse({"erase": ["cat"]})


def wait_for(what: Callable[[], bool], seconds: float = 60) -> None:
    """Return once it holds; the queue goes on meanwhile, as it does while a server is up."""
    end = time.monotonic() + seconds
    while not what():
        scheduler.dispatch()
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.05)


def test_a_run_is_started_in_a_session_of_its_own_and_finishes() -> None:
    run = scheduler.begin(CONFIG)
    child = processes._children[0].process
    assert os.getsid(child.pid) == child.pid != os.getsid(0)
    wait_for(lambda: not processes.alive(run))
    assert status.state(run) == "done", (run.path / "log.txt").read_text()


def test_only_one_run_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0.05")
    first, second = scheduler.begin(CONFIG), scheduler.begin(CONFIG)
    scheduler.dispatch()
    assert (waitlist.place(first), waitlist.place(second)) == (0, 1)
    assert (processes.alive(first), processes.alive(second)) == (True, False)
    wait_for(lambda: processes.alive(second))
    assert status.state(first) == "done"
    assert not processes.alive(first)


def test_a_stopped_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0.05")
    run = scheduler.begin(CONFIG)
    run.request_stop()
    wait_for(lambda: not processes.alive(run))
    assert status.state(run) == "stopped"
    scheduler.resume(run)
    wait_for(lambda: not processes.alive(run))
    assert status.state(run) == "done"


def test_several_wait_in_the_order_they_were_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0.02")
    runs = scheduler.begin_all([CONFIG] * 3)
    later = scheduler.begin(CONFIG)
    assert [waitlist.place(run) for run in [*runs, later]] == [0, 1, 2, 3]
    wait_for(lambda: status.state(later) == "done")
    ends = [(run.path / "report.json").stat().st_mtime_ns for run in [*runs, later]]
    assert ends == sorted(ends)


def test_stopping_one_lets_the_next_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0.05")
    runs = scheduler.begin_all([CONFIG, CONFIG])
    runs[0].request_stop()
    wait_for(lambda: status.state(runs[1]) == "done")
    assert status.state(runs[0]) == "stopped"


def test_a_stopped_run_is_resumed_before_its_process_ends(new_run: Callable[..., Run], claim: Claim) -> None:
    run = new_run()
    telemetry.append(run.path / "telemetry.jsonl", telemetry.Phase("stopped", 0, 1, 0.0))
    leave = claim(run)
    scheduler.resume(run)
    assert waitlist.place(run) == 1
    leave()
    wait_for(lambda: status.state(run) == "done")


def test_a_run_at_work_is_not_queued(new_run: Callable[..., Run], claim: Claim) -> None:
    run = new_run()
    telemetry.append(run.path / "telemetry.jsonl", telemetry.Phase("load", 0, 1, 0.0))
    leave = claim(run)
    scheduler.resume(run)
    assert waitlist.place(run) == 0
    leave()


def test_a_process_is_known_before_it_claims_and_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", "import time; time.sleep(60)"))
    run = scheduler.begin(CONFIG)
    child = processes._children.pop().process  # as after a restart of the server
    assert not run.running()
    assert processes.alive(run)
    processes.end(run)
    child.wait()
    assert not processes.alive(run)


def test_a_run_that_cannot_start_does_not_hold_up_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "COMMAND", ("/nowhere/python",))
    run = scheduler.begin(CONFIG)
    assert waitlist.queue() == []
    assert status.state(run) == "failed"
    assert status.look(run).last.message == "The run could not be started: No such file or directory."


def test_a_run_that_the_system_refuses_keeps_its_place(
    monkeypatch: pytest.MonkeyPatch, later: Callable[[float], None]
) -> None:
    with monkeypatch.context() as refusing:
        refusing.setattr(processes.subprocess, "Popen", lambda *_, **__: _raise(OSError(errno.EAGAIN, "try again")))
        runs = scheduler.begin_all([CONFIG] * 3)
        for _ in range(5):
            scheduler.dispatch()
        assert waitlist.queue() == runs
    scheduler.dispatch()
    assert waitlist.queue() == runs, "it is not tried again at once"
    later(3600)
    scheduler.dispatch()
    assert waitlist.queue() == runs[1:]


def test_a_process_nobody_could_see_is_not_left_running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", "import time; time.sleep(60)"))
    monkeypatch.setattr(processes.RunProcess, "write", lambda *_: _raise(OSError(errno.ENOSPC, "full")))
    run = scheduler.begin(CONFIG)
    assert waitlist.queue() == [run]
    assert [child.process.wait(10) for child in processes._children] == [-signal.SIGKILL]


def _raise(error: Exception) -> None:
    raise error


def test_a_queued_run_is_deleted_with_its_place(new_run: Callable[..., Run], claim: Claim) -> None:
    busy, queued = new_run(), new_run()
    leave = claim(busy)
    scheduler.resume(queued)
    scheduler.delete(queued)
    assert (waitlist.queue(), list_runs()) == ([], [busy])
    with pytest.raises(Refusal, match="is running; stop it before deleting it"):
        scheduler.delete(busy)
    leave()
    scheduler.delete(busy)
    assert [path.name for path in busy.path.parent.iterdir()] == [".lock"]


def test_deleting_waits_for_a_process_that_has_done_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", "import time; time.sleep(1.5)"))
    run = scheduler.begin(CONFIG)
    telemetry.append(run.path / "telemetry.jsonl", telemetry.Phase("done", 1, 1, 0.0))
    assert processes.alive(run)
    scheduler.delete(run)
    assert list_runs() == []


def test_a_started_run_is_not_deleted_before_it_claims(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", "import time; time.sleep(60)"))
    run = scheduler.begin(CONFIG)
    assert not run.running()
    with pytest.raises(Refusal, match="is running; stop it before deleting it"):
        scheduler.delete(run)
    assert list_runs() == [run]


@pytest.mark.parametrize("number", scheduler.SHORTAGES)
def test_a_shortage_holds_up_all_and_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, later: Callable[[float], None], number: int
) -> None:
    why = os.strerror(number)
    with monkeypatch.context() as refusing:
        refusing.setattr(processes.subprocess, "Popen", lambda *_, **__: _raise(OSError(number, why)))
        runs = scheduler.begin_all([CONFIG] * 3)
        for _ in range(5):
            scheduler.dispatch()
            later(scheduler.LONGEST_WAIT)
    assert waitlist.queue() == runs
    assert [status.state(run) for run in runs] == ["queued"] * 3
    assert scheduler.trouble(runs[0]) == f"It could not be started yet: {why}. It keeps its place and is tried again."
    assert len(caplog.records) == 1, "the same trouble is logged once"
    scheduler.dispatch()
    assert waitlist.queue() == runs[1:]
    assert scheduler.trouble(runs[0]) == ""


def test_a_run_whose_own_folder_refuses_lets_others_pass_and_keeps_its_place(
    monkeypatch: pytest.MonkeyPatch, later: Callable[[float], None]
) -> None:
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", "pass"))
    with monkeypatch.context() as busy:
        busy.setattr(processes, "working", lambda: ["somebody"])
        runs = scheduler.begin_all([CONFIG] * 3)
    (runs[0].path / "log.txt").mkdir()
    wait_for(lambda: waitlist.queue() == runs[:1])
    wait_for(lambda: not processes.working())
    assert "keeps its place" in scheduler.trouble(runs[0])
    (runs[0].path / "log.txt").rmdir()
    later(scheduler.LONGEST_WAIT)
    scheduler.dispatch()
    assert waitlist.queue() == []


def test_what_cannot_be_noted_was_not_started(monkeypatch: pytest.MonkeyPatch, new_run: Callable[..., Run]) -> None:
    """The disk is full or the folder is shut: the process ends, the place is kept, and the run can be deleted."""
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", "import time; time.sleep(60)"))
    for place in ("write", "replace"):
        run = new_run()
        with monkeypatch.context() as full:
            if place == "write":
                full.setattr(processes.RunProcess, "write", lambda *_: _raise(OSError(errno.ENOSPC, "full")))
            else:
                full.setattr(os, "replace", lambda *_: _raise(OSError(errno.ENOSPC, "full")))
            with pytest.raises(OSError, match="full"):
                processes.start(run, "run")
        assert [child.process.wait(10) for child in processes._children] == [-signal.SIGKILL]
        assert not processes.alive(run)
        scheduler.delete(run)
        processes._children.clear()
