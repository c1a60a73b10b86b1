"""Processes: started in a session of their own, known from the folder, forgotten when they end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
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


def test_a_process_reads_and_writes_utf8_whatever_the_servers_locale(
    new_run: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}.items():
        monkeypatch.setenv(name, value)
    commands(monkeypatch, "import sys; open(sys.argv[2] + '/said', 'w').write('猫'); print('猫')")
    run = new_run()
    processes.start(run, "run")
    wait_for(lambda: not processes.alive(run))
    assert (run.path / "said").read_text("utf-8") == "猫"
    assert "猫" in (run.path / "log.txt").read_text("utf-8")


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
    for child in processes._children:
        child.process.wait()
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


def test_a_run_that_an_older_balign_began_has_a_limit_and_can_be_killed(new_run: New) -> None:
    run = new_run()
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as older:
        began = psutil.Process(older.pid).create_time()
        (run.path / "pid").write_text(f"{older.pid} {began:.3f}")
        time.sleep(0.5)
        assert processes.working() == [run]
        assert 0.5 <= processes.worked(run) < 5
        (run.path / "pid").write_text(f"{older.pid} {began - 100:.3f}")  # another process of this number
        assert processes.working() == []
        processes.end(run)
        assert older.poll() is None
        (run.path / "pid").write_text(f"{older.pid} {began:.3f}")
        processes.end(run)
        assert older.wait(10) == -signal.SIGKILL


@pytest.mark.parametrize("outlived", [False, True])
def test_ending_a_run_ends_what_its_process_has_started(
    new_run: New, monkeypatch: pytest.MonkeyPatch, outlived: bool
) -> None:
    commands(monkeypatch, f"import os, time; os.system('sleep 60 &'); time.sleep({0 if outlived else 60})")
    run = new_run()
    processes.start(run, "run")
    pid = processes._children[0].process.pid
    wait_for(lambda: any(p.name() == "sleep" and os.getsid(p.pid) == pid for p in psutil.process_iter()))
    if outlived:
        processes._children[0].process.wait(10)
    assert processes.alive(run)
    processes.end(run)
    wait_for(lambda: not processes.alive(run), 5)


def test_nobody_who_only_reads_the_note_is_killed(new_run: New, monkeypatch: pytest.MonkeyPatch) -> None:
    commands(monkeypatch, "import time; time.sleep(60)")
    run = new_run()
    processes.start(run, "run")
    reading = "import sys, time; file = open(sys.argv[1]); print(flush=True); time.sleep(60)"
    note = str(run.path / processes.STARTER)
    with subprocess.Popen([sys.executable, "-c", reading, note], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        server.stdout.readline()
        processes.end(run)
        wait_for(lambda: not processes.alive(run))
        assert server.poll() is None
        server.kill()
