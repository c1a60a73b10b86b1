"""Processes: started in a session of their own, known from the folder, forgotten when they end."""

import os
import sys
from collections.abc import Callable

import pytest

from balign.host import processes, status
from balign.runs.claims import RunProcess
from balign.runs.folder import Run
from tests.host.test_scheduler import wait_for

New = Callable[..., Run]


def commands(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Start this instead of a run."""
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", code))


def test_a_process_has_a_session_of_its_own(new_run: New, monkeypatch: pytest.MonkeyPatch) -> None:
    commands(monkeypatch, "import time; time.sleep(60)")
    run = new_run()
    processes.start(run, "run")
    (process,) = processes.living(run)
    assert os.getsid(process.pid) == process.pid != os.getsid(0)
    assert processes.working() == [run]
    assert 0 < processes.worked(run) < 60
    processes.end(run)
    wait_for(lambda: not processes.alive(run))
    assert processes.worked(run) == 0


def test_ended_processes_are_forgotten(new_run: New, monkeypatch: pytest.MonkeyPatch) -> None:
    for code in ("pass", "raise SystemExit(1)"):
        commands(monkeypatch, code)
        run = new_run()
        processes.start(run, "run")
        wait_for(lambda run=run: not processes.alive(run))
    assert processes._children == []


def test_a_process_that_dies_at_once_is_noticed(new_run: New, monkeypatch: pytest.MonkeyPatch) -> None:
    commands(monkeypatch, "raise SystemExit('no torch here')")
    run = new_run()
    assert not processes.ended_early(run)
    processes.start(run, "run")
    wait_for(lambda: processes.ended_early(run))
    processes._children.clear()  # as for another server
    assert processes.ended_early(run)
    assert status.state(run) == status.look(run).state == "failed"
    assert "no torch here" in (run.path / "log.txt").read_text()


def test_a_failed_drawing_is_known_until_the_next(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    commands(monkeypatch, "raise SystemExit(1)")
    processes.start(finished, "probe", drawing=True)
    wait_for(lambda: not processes.alive(finished))
    assert processes.drawing_failed(finished)
    commands(monkeypatch, "pass")
    processes.start(finished, "probe", drawing=True)
    wait_for(lambda: not processes.alive(finished))
    assert not processes.drawing_failed(finished)
    assert processes._children == []


def test_of_a_deleted_run_nothing_is_remembered(finished: Run, new_run: New, monkeypatch: pytest.MonkeyPatch) -> None:
    commands(monkeypatch, "raise SystemExit(1)")
    processes.start(finished, "probe", drawing=True)
    wait_for(lambda: processes.drawing_failed(finished))
    finished.delete()
    assert not processes.alive(new_run())
    assert processes._children == []


def test_a_drawing_does_not_change_the_state(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    commands(monkeypatch, "import time; time.sleep(60)")
    processes.start(finished, "strength", drawing=True)
    assert processes.alive(finished)
    assert status.state(finished) == "done"
    with finished.claim(drawing=True):
        assert all(process.drawing for process in processes.living(finished))
        assert status.state(finished) == status.look(finished).state == "done"
    processes.end(finished)


@pytest.mark.parametrize("text", ["", "x", "1", "1 2 3 4", "-1 0.0", f"{10**30} 1.0", "1 nan", "\x00", "é" * 99])
def test_a_file_that_was_tampered_with_names_no_living_process(new_run: New, text: str) -> None:
    run = new_run()
    (run.path / "pid").write_text(text)
    assert RunProcess.read(run.path / "pid") is None
    assert not run.running()
    assert status.state(run) == "new"
