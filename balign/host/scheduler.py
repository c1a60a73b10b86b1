"""Decides which run has the machine: begins and resumes runs, starts the next in the queue, admits drawings."""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Sequence
from types import SimpleNamespace

from balign import telemetry
from balign.host import discard as discarding
from balign.host import disk, limits, processes, visitors, waitlist
from balign.host.status import ENDS
from balign.host.visitors import NOBODY, Visitor
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.folder import Run

LEAVING = 10.0
"""Seconds a process may take to end after the last phase it recorded."""
LONGEST_WAIT = 60.0
"""Seconds at most until a start that failed is tried again."""

log = logging.getLogger(__name__)
_lock = threading.Lock()
_trouble = SimpleNamespace(times=0, until=0.0)  # how often the system refused to start a process, and when to try again


def begin(config: RunConfig, visitor: Visitor = NOBODY) -> Run:
    """Create a run for this config; it starts at once if the machine is free, and else is queued."""
    return begin_all([config], visitor)[0]


def begin_all(configs: Sequence[RunConfig], visitor: Visitor = NOBODY) -> list[Run]:
    """Create a run for each config and queue them in this order. Raises Refusal for all if one is not possible."""
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
    """Queue a run that was stopped or killed, to go on or to score the weights it has."""
    limits.check(run.config)
    with _lock:
        if waitlist.ticket(run) or (processes.alive(run) and not _leaving(run)):
            return
        waitlist.admit(1, visitor, _free())
        run.clear_stop()
        waitlist.join(run, verb)
        _next()


def draw(run: Run, verb: str, *options: str, visitor: Visitor = NOBODY) -> None:
    """Draw with a finished run's weights in a process that leaves the run as it is.

    A drawing is never queued: raises Refusal while a run works or is queued.
    """
    limits.check(run.config)
    if inline():
        raise Refusal("This instance has a device for runs only; take the weights and try them on another machine.")
    _let_leave()
    with _lock:
        if processes.working() or waitlist.queue():
            raise Refusal("Another run is using this machine or waits for it; try again when it has finished.")
        disk.check()
        _count(visitor, "drawings", limits.LIMITS.drawings)
        run.clear_stop()
        processes.start(run, verb, *options, drawing=True)


def cancel(run: Run) -> bool:
    """Take a run out of the queue; whether it was queued."""
    with _lock:
        if not waitlist.ticket(run):
            return False
        waitlist.leave(run)
    if run.last_phase() is None:
        message = "Taken out of the queue before it began; Resume puts it back at the end."
        telemetry.append(run.path / "telemetry.jsonl", telemetry.Phase("stopped", 0, 1, 0.0, message))
    return True


def delete(run: Run) -> None:
    """Delete a run, taking it out of the queue. Raises Refusal while a process works on it."""
    _let_leave(run)
    with _lock:
        if processes.alive(run):
            raise Refusal(f"{run.label or f'Run {run.id}'} is running; stop it before deleting it.")
        run.delete()


def discard(run: Run) -> None:
    """Throw away a run's weights and what was made with them. Raises Refusal while it works or is queued."""
    _let_leave(run)
    with _lock:
        if processes.alive(run) or waitlist.ticket(run):
            raise Refusal(
                f"{run.label or f'Run {run.id}'} is running or queued; stop it before discarding its weights."
            )
        discarding.discard(run)


def dispatch() -> None:
    """Start the next run in the queue if the machine is free. Housekeeping calls this all the time."""
    with _lock:
        _next()


def sweep() -> None:
    """Delete runs that have expired, but none that is queued or worked on."""
    with _lock:
        _sweep()


def inline() -> bool:
    """Whether a run goes on within a visitor's call, since the device exists only there, and no process is started."""
    return bool(os.environ.get("SPACES_ZERO_GPU"))


def _sweep() -> None:
    disk.sweep([*waitlist.queue(), *processes.working()])


def _free() -> bool:
    """Whether the machine is free for the process of a run."""
    return not inline() and not processes.working()


def _count(visitor: Visitor, what: str, most: int) -> None:
    """Refuse who begins too often; a new secret costs nothing, so addresses are counted too."""
    if limits.public():
        keys = {f"{what} of {visitor.secret}": most}
        keys |= {f"{what} from {visitor.address}": 3 * most} if visitor.address else {}
        limits.RATE.admit(keys, f"{what} were begun")


def _leaving(run: Run) -> bool:
    """Whether the run has recorded its end, though its process may still be there."""
    last = run.last_phase()
    return last is not None and last.name in ENDS


def _let_leave(run: Run | None = None) -> None:
    """Wait for processes that are about to end, of this run or of all, as one is when its outcome is on the page."""
    until = time.monotonic() + LEAVING
    while time.monotonic() < until:
        working = processes.working() if run is None else [run] if processes.alive(run) else []
        if not working or not all(_leaving(r) and not any(p.drawing for p in processes.living(r)) for r in working):
            return
        time.sleep(0.1)


def _next() -> None:
    queue = waitlist.queue()
    ticket = waitlist.ticket(queue[0]) if queue else None
    if ticket is None or inline() or time.monotonic() < _trouble.until or processes.working():
        return
    try:
        processes.start(queue[0], ticket.verb)
    except FileNotFoundError as error:  # the run has gone, or there is no Python to start: waiting helps neither
        log.exception("run %s cannot be started and leaves the queue", queue[0].id)
        failed = telemetry.Phase("failed", 0, 1, 0.0, f"The run could not be started: {error.strerror}.")
        with contextlib.suppress(OSError):
            telemetry.append(queue[0].path / "telemetry.jsonl", failed)
    except OSError as error:  # no memory, no process, a full disk: it keeps its place and is tried again
        _trouble.times += 1
        _trouble.until = time.monotonic() + min(2.0**_trouble.times, LONGEST_WAIT)
        log.warning("run %s could not be started and stays in the queue: %s", queue[0].id, error)
        return
    _trouble.times = 0
    waitlist.leave(queue[0])
