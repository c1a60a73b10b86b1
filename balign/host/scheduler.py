"""Starts the process of the run that is next in line, or of a drawing with a finished one, and says whether it lives.

The studio owns no training: the process is its own session, and closing the tab or killing the server does not end it.
It knows nothing of the page.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

import balign
from balign import telemetry
from balign.host import disk, limits, visitors, waitlist
from balign.host.visitors import Visitor
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.folder import Run, list_runs, lives, process_in, runs_root, stamp, write_atomic

COMMAND = (sys.executable, "-m", "balign")
"""What is started, followed by a verb such as `run`, the folder of the run, and options."""
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{7,79}")
STARTER = "starter"
"""The file that names the process started on a run, until that process claims the folder itself."""
LEAVING = 10.0
"""Seconds a process may take to leave after its last word."""
NOBODY = Visitor()

_children: dict[str, subprocess.Popen[bytes]] = {}
_visitors: dict[str, subprocess.Popen[bytes]] = {}
_started: dict[str, float] = {}
_lock = threading.Lock()


def find(run_id: object) -> Run | None:
    """The run of this id, or None: for an id no folder has, for a path, for anything that is not an id."""
    if not isinstance(run_id, str) or not RUN_ID.fullmatch(run_id):
        return None
    try:
        return Run.open(run_id)
    except (ValueError, OSError):
        return None


def alive(run: Run) -> bool:
    """Whether a process works on the run: one started here, or any that has claimed the folder."""
    return _at_work(_children.get(run.id)) or bool(_processes(run))


def started(run: Run) -> float:
    """When a process last began on the run, as far as that is known."""
    try:
        claimed = (run.path / "pid").stat().st_mtime
    except OSError:
        claimed = 0.0
    return max(claimed, _started.get(run.id, 0.0))


def since(run: Run) -> float:
    """When the process that works on the run now began, be it only to draw with its weights."""
    return max([started(run), *(began for _, began in _processes(run))])


def _processes(run: Run) -> list[tuple[int, float]]:
    """The living processes that the folder names: the one that has claimed it, the one that was started on it."""
    named = (process_in(run.path / name) for name in ("pid", STARTER))
    return [process for process in named if process and lives(process)]


def _at_work(child: subprocess.Popen[bytes] | None) -> bool:
    return child is not None and child.poll() is None


def died_early(run: Run) -> bool:
    """Whether the process started here ended without a word in the run's folder."""
    child = _children.get(run.id)
    return child is not None and child.poll() is not None and not run.telemetry()[0]


def begin(config: RunConfig, visitor: Visitor = NOBODY) -> Run:
    """Create a folder for this config; its run starts at once if the machine is free, and waits in line if not."""
    return begin_all([config], visitor)[0]


def begin_all(configs: Sequence[RunConfig], visitor: Visitor = NOBODY) -> list[Run]:
    """Create a folder for each config and put them into the line, in this order; all of them or none."""
    for config in configs:
        limits.check(config)
    with _lock:
        waitlist.admit(len(configs), visitor, _free())
        _count(visitor, "runs", limits.LIMITS.starts)
        _sweep()
        disk.check()
        runs = [Run.create(config) for config in configs]
        for run in runs:
            visitors.sign(run, visitor)
            waitlist.join(run)
        _next()
    return runs


def resume(run: Run, verb: waitlist.Verb = "run", visitor: Visitor = NOBODY) -> None:
    """Put a run that was stopped or killed into the line again, to go on or to score the weights it has."""
    limits.check(run.config)
    with _lock:
        if waitlist.ticket(run) or (alive(run) and not _leaving(run)):
            return
        waitlist.admit(1, visitor, _free())
        run.clear_stop()
        waitlist.join(run, verb)
        _next()


def visit(run: Run, verb: str, *options: str, visitor: Visitor = NOBODY) -> None:
    """Draw with a finished run's weights in a process that leaves the run as it is.

    It never stands in the line: while another run works or waits it is refused.
    """
    limits.check(run.config)
    if inline():
        raise Refusal("This instance has a device for runs only; take the weights and try them on another machine.")
    _let_leave()
    with _lock:
        if working() or waitlist.line():
            raise waitlist.Busy("Another run is using this machine or waits for it; try again when it has finished.")
        disk.check()
        _count(visitor, "drawings", limits.LIMITS.drawings)
        run.clear_stop()
        _visitors[run.id] = _launch(run, verb, *options)


def failed(run: Run) -> bool:
    """Whether the last such process that was started here ended with an error."""
    child = _visitors.get(run.id)
    return child is not None and child.poll() not in (None, 0)


def _let_leave() -> None:
    """Wait for processes that have said their last, as one has by the time its outcome is on the page."""
    until = time.monotonic() + LEAVING
    while (there := working()) and time.monotonic() < until:
        if not all(_leaving(run) and not _at_work(_visitors.get(run.id)) for run in there):
            return
        time.sleep(0.1)


def cancel(run: Run) -> bool:
    """Take a run out of the line; whether it stood in it."""
    with _lock:
        if not waitlist.ticket(run):
            return False
        waitlist.leave(run)
    if not run.telemetry()[0]:
        words = "Taken out of the line before it began; Resume puts it back at the end."
        telemetry.append(run.path / "telemetry.jsonl", telemetry.Phase("stopped", 0, 1, 0.0, words))
    return True


def end(run: Run) -> None:
    """End the process that works on the run, which goes on from its last checkpoint if it is resumed."""
    for pid, _ in _processes(run):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def dispatch() -> None:
    """Start the next run in line if the machine is free. Asked again and again by whatever keeps the house."""
    with _lock:
        _next()


def sweep() -> None:
    """Let what is too old expire, but nothing that waits or is worked on."""
    with _lock:
        _sweep()


def _sweep() -> None:
    disk.sweep([*waitlist.line(), *working()])


def working() -> list[Run]:
    """The runs that a process works on."""
    return [run for run in list_runs() if alive(run)]


def inline() -> bool:
    """Whether there is no machine for processes, since the device exists only within a call of a visitor."""
    return bool(os.environ.get("SPACES_ZERO_GPU"))


def _free() -> bool:
    """Whether the machine is free for the process of a run."""
    return not inline() and not working()


def _count(visitor: Visitor, what: str, most: int) -> None:
    """Refuse who begins too often; a new secret costs nothing, so that addresses are counted too."""
    if limits.public():
        keys = {f"{what} of {visitor.secret}": most}
        keys |= {f"{what} from {visitor.address}": 3 * most} if visitor.address else {}
        limits.RATE.admit(keys, what)


def _leaving(run: Run) -> bool:
    """Whether the run has told its end, though its process may still be there."""
    phases = [record for record in run.telemetry()[0] if isinstance(record, telemetry.Phase)]
    return bool(phases) and phases[-1].name in ("done", "stopped", "failed")


def _next() -> None:
    waiting = waitlist.line()
    ticket = waitlist.ticket(waiting[0]) if waiting else None
    if ticket is None or inline() or working():
        return
    try:
        _start(waiting[0], ticket.verb)
    finally:  # also if it could not be started: the others are not to wait for it
        waitlist.leave(waiting[0])


def _start(run: Run, verb: waitlist.Verb) -> None:
    _started[run.id] = time.time()
    _launch(run, verb)


def _launch(run: Run, verb: str, *options: str) -> subprocess.Popen[bytes]:
    source = str(Path(balign.__file__).parents[1])
    path = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONPATH": path, "BALIGN_RUNS": str(runs_root().absolute())}
    with open(run.path / "log.txt", "ab") as log:
        child = subprocess.Popen(
            [*COMMAND, verb, str(run.path), *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    _children[run.id] = child
    with contextlib.suppress(psutil.Error):  # it has ended already
        write_atomic(run.path / STARTER, stamp(child.pid))
    return child
