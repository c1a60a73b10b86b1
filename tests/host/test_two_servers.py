"""Two servers over the same runs: what one decides the other knows, and none that dies or hangs holds up the other."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from balign import locks
from balign.host import housekeeping, listing, processes, scheduler, waitlist
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.folder import Run, list_runs, runs_root

New = Callable[..., Run]
CONFIG = RunConfig.parse({"erase": ["cat"]})
ROUNDS = 30
SERVER = """
import sys, time
from balign.host import processes, scheduler
processes.COMMAND = ("/bin/sh", "-c", 'echo "$2" >> "$0"; sleep 0.3', sys.argv[1])
print("ready", flush=True)
for line in sys.stdin:
    verb, moment = line.split()
    time.sleep(max(0.0, float(moment) - time.monotonic()))
    if verb == "hold":
        scheduler.processes.working = lambda: print("held", flush=True) or time.sleep(600)
    scheduler.dispatch()
    print("done", flush=True)
"""


class OtherServer:
    """A process that dispatches when it is asked to."""

    def __init__(self, journal: Path) -> None:
        command = [sys.executable, "-c", SERVER, str(journal)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.answer() == "ready"

    def ask(self, verb: str, moment: float = 0.0) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{verb} {moment}\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[OtherServer]]:
    with ExitStack() as stack:
        pair = [OtherServer(tmp_path / "journal") for _ in range(2)]
        for server in pair:
            stack.enter_context(server.process)
            stack.callback(server.process.kill)
        yield pair


def test_a_run_is_started_by_one_of_two_servers_that_look_at_once(
    new_run: New, servers: list[OtherServer], tmp_path: Path
) -> None:
    runs = [new_run() for _ in range(ROUNDS)]
    for run in runs:
        waitlist.join(run)
        moment = time.monotonic() + 0.02
        for server in servers:
            server.ask("dispatch", moment)
        assert [server.answer() for server in servers] == ["done", "done"]
        while processes.alive(run):
            time.sleep(0.02)
    started = Counter((tmp_path / "journal").read_text().splitlines())
    assert started == Counter(str(run.path) for run in runs)
    assert waitlist.queue() == []


def test_a_server_that_is_killed_while_it_decides_holds_up_nobody(new_run: New, servers: list[OtherServer]) -> None:
    run = new_run()
    waitlist.join(run)
    servers[0].ask("hold")
    assert servers[0].answer() == "held"
    os.kill(servers[0].process.pid, signal.SIGKILL)
    servers[0].process.wait()
    scheduler.dispatch()
    assert processes.alive(run)


def test_a_server_that_hangs_while_it_decides_is_waited_for_only_so_long(
    new_run: New, servers: list[OtherServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run()
    waitlist.join(run)
    servers[0].ask("hold")
    assert servers[0].answer() == "held"
    monkeypatch.setattr(scheduler, "PATIENCE", 0.2)
    with pytest.raises(Refusal, match=r"^These runs are being worked on; try again"):
        scheduler.begin(CONFIG)
    assert list_runs() == [run]


def test_a_fork_of_the_server_keeps_no_lock(new_run: New) -> None:
    """As one that a borrowed device works in."""
    runs_root().mkdir(exist_ok=True)
    with locks.hold(runs_root() / ".lock", "held"):
        child = os.fork()
        if not child:
            time.sleep(60)
            os._exit(0)
    try:
        with locks.hold(runs_root() / ".lock", "held"):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def no_locks(file: object) -> bool:
    raise OSError(errno.ENOLCK, "No locks available")


@pytest.mark.parametrize("damage", ["folder", "link", "pipe", "none"])
def test_a_root_that_cannot_be_locked_is_said_once(
    damage: str, new_run: New, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing hangs, nothing is begun twice, and what can be read is still shown."""
    run = new_run()
    lock = runs_root() / ".lock"
    if damage == "folder":
        lock.mkdir()
    elif damage == "link":
        lock.symlink_to(runs_root() / "nowhere")
    elif damage == "pipe":
        os.mkfifo(lock)
    else:
        monkeypatch.setattr(locks, "lock", no_locks)
    for number in range(5):
        housekeeping.round_of(number)
    assert len(caplog.records) == 2, "once that nothing was started, once that nothing was swept"
    with pytest.raises(OSError, match=r"Is a directory|symbolic links|plain file|No such device|No locks"):
        scheduler.begin(CONFIG)
    assert [entry.run for entry in listing.entries()] == [run]
