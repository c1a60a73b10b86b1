"""Decides which run has the machine: begins and resumes runs, starts the next in the queue, admits drawings.

Whatever is decided is decided under a lock in the folder of the runs, so that several servers may share it.
"""

import contextlib
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from balign import locks, telemetry
from balign.host import borrowing, charges, disk, limits, processes, visitors, waitlist
from balign.host import discard as discarding
from balign.host.status import ENDS
from balign.host.visitors import NOBODY, Visitor
from balign.plain_file import SHORTAGES
from balign.refusal import Refusal
from balign.runs import leftovers
from balign.runs.config import RunConfig
from balign.runs.engine import more_steps
from balign.runs.folder import Run, runs_root

LEAVING = 10.0
"""Seconds a process may take to end after the last phase it recorded."""
LONGEST_WAIT = 60.0
"""Seconds at most until a start that failed is tried again."""

UNSEEN = 2.0
"""Seconds after which every page shows that a run compares what it has."""
PATIENCE = 20.0
"""Seconds that a decision waits while another one is made."""
BUSY = "These runs are being worked on; try again in a moment."
log = logging.getLogger(__name__)


class _Trouble(NamedTuple):
    """Why a queued run could not be started, how often that was tried, and when it is tried again."""

    error: OSError
    times: int
    until: float


_troubles: dict[Run, _Trouble] = {}


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Be the only one who decides, in this server and in others that have the same runs.

    Raises Refusal if another one is at it for too long, and OSError if the folder cannot be locked.
    """
    root = runs_root()
    root.mkdir(parents=True, exist_ok=True)
    with locks.hold(root / ".lock", BUSY, PATIENCE):
        yield


def begin(config: RunConfig, visitor: Visitor = NOBODY, pictures: Mapping[str, bytes] | None = None) -> Run:
    """Create a run for this config; it starts at once if the machine is free, and else is queued."""
    return begin_all([config], visitor, pictures)[0]


def begin_all(
    configs: Sequence[RunConfig], visitor: Visitor = NOBODY, pictures: Mapping[str, bytes] | None = None
) -> list[Run]:
    """Create a run for each config and queue them in this order.

    pictures: somebody's own, by the sha256 that the configs name them by.

    Raises Refusal for all if one is not possible, and OSError if the disk refuses one of them.
    """
    for config in configs:
        limits.check(config)
    with _alone():
        waitlist.admit(len(configs), visitor, _free())
        _sweep()
        disk.check()
        charges.count_runs(visitor, configs)
        runs = waitlist.create(configs, visitor, pictures)
        _begin_next()
    return runs


def go_on(run: Run, steps: int, visitor: Visitor = NOBODY) -> Run:
    """Queue a new run that gives a finished one so many steps more. Raises Refusal if that one has none to give."""
    config = more_steps.planned(run, steps)
    limits.check(config)
    with _alone():
        waitlist.admit(1, visitor, _free())
        _sweep()
        disk.check()
        charges.count_runs(visitor, [config])
        new = more_steps.begin(run, steps)
        try:
            visitors.sign(new, visitor)
            waitlist.join(new, "run", visitor)
        except OSError:
            new.delete()
            raise
        _begin_next()
    return new


def resume(
    run: Run,
    verb: waitlist.Verb = "run",
    visitor: Visitor = NOBODY,
    options: tuple[str, ...] = (),
    config: RunConfig | None = None,
) -> None:
    """Queue a run that was stopped or killed, to go on or to score the weights it has.

    options: of the command. config: what it then comes to, where that is not the run's own.
    """
    config = config or run.config
    limits.check(config)
    with _alone():
        if waitlist.ticket(run) or (processes.alive(run) and not _leaving(run)):
            return
        waitlist.admit(1, visitor, _free())
        disk.check()
        charges.count_runs(visitor, [config])
        run.clear_stop()
        waitlist.join(run, verb, visitor, options)
        _begin_next()


def draw(run: Run, verb: str, *options: str, visitor: Visitor = NOBODY, charge: int = 1) -> None:
    """Draw with a finished run's weights in a process that leaves the run as it is.

    charge: as how many drawings it counts. It is never queued: raises Refusal while a run works or is queued.
    """
    limits.check(run.config)
    if inline():
        return _ask_to_draw(run, verb, *options, visitor=visitor, charge=charge)
    _let_leave()
    with _alone():
        if processes.working() or waitlist.queue():
            raise Refusal("Another run is using this machine or waits for it; try again when it has finished.")
        disk.check()
        charges.count_drawing(visitor, charge)
        run.clear_stop()
        processes.start(run, verb, *options, drawing=True)


def take_away(run: Run, verb: str, *options: str, visitor: Visitor = NOBODY, secret: str = "") -> None:
    """Export or push a finished run's weights in a process that leaves the run as it is; it needs no device.

    secret: a line for its standard input, which stands nowhere else. Raises Refusal while anything else is done here.
    """
    limits.check(run.config)
    _let_leave()
    with _alone():
        at_work = processes.working()
        if run in at_work or (
            at_work if not inline() else any(p.drawing for r in at_work for p in processes.living(r))
        ):
            raise Refusal("This machine is being used; try again when that has ended.")
        if waitlist.queue() and not inline():
            raise Refusal("Another run waits for this machine; try again when it has finished.")
        disk.check()
        charges.count_drawing(visitor)
        run.clear_stop()
        processes.start(run, verb, *options, drawing=True, secret=secret)


def _ask_to_draw(run: Run, verb: str, *options: str, visitor: Visitor, charge: int) -> None:
    """The same where the device comes with a call: each visitor has their own, so only the run must be free."""
    with _alone():
        if processes.alive(run) or waitlist.ticket(run) or borrowing.pending(run):
            raise Refusal("This run is being worked on; try again when that has ended.")
        disk.check()
        charges.count_drawing(visitor, charge)
        run.clear_stop()
        borrowing.ask(run, verb, *options)


def cancel(run: Run) -> bool:
    """Take a run out of the queue; whether it was queued. For one that is not, as one at work, nobody is waited for."""
    if not waitlist.ticket(run):
        return False
    with _alone():
        if not waitlist.ticket(run):
            return False
        waitlist.leave(run)
    if run.last_phase() is None:
        message = "Taken out of the queue before it began; Resume puts it back at the end."
        with contextlib.suppress(OSError):
            telemetry.append(run.path / "telemetry.jsonl", telemetry.Phase("stopped", 0, 1, 0.0, message))
    return True


def stop(run: Run) -> None:
    """Ask a run to stop and compare what there is, or to end that comparison.

    Who asks in the seconds in which it begins asked the training to stop, like others before.
    """
    since = run.comparing_since()
    if since is None or time.monotonic() - since >= UNSEEN:
        run.request_stop()


def delete(run: Run) -> None:
    """Delete a run, taking it out of the queue. Raises Refusal while a process works on it."""
    _let_leave(run)
    with _alone():
        if processes.alive(run):
            raise Refusal(f"{run.label or f'Run {run.id}'} is running; stop it before deleting it.")
        run.delete()


def discard(run: Run) -> None:
    """Throw away what a run that stopped has so far. Raises Refusal for one that works, is queued or has finished."""
    _let_leave(run)
    with _alone():
        if processes.alive(run) or waitlist.ticket(run):
            raise Refusal(
                f"{run.label or f'Run {run.id}'} is running or queued; stop it before discarding its weights."
            )
        if (last := run.last_phase()) is not None and last.name == "done":
            raise Refusal(f"{run.label or f'Run {run.id}'} has finished meanwhile; nothing was discarded.")
        discarding.discard(run)


def dispatch() -> None:
    """Start the next run in the queue if the machine is free. Housekeeping calls this all the time."""
    with _alone():
        _next()


def sweep() -> None:
    """Delete runs that have expired, but none that is queued or worked on, and what a killed process left behind."""
    with _alone():
        _sweep()


def inline() -> bool:
    """Whether a run goes on within a visitor's call, since the device exists only there, and no process is started."""
    return bool(os.environ.get("SPACES_ZERO_GPU"))


def _sweep() -> None:
    leftovers.clear_root(runs_root())
    disk.sweep([*waitlist.queue(), *processes.working()])


def _free() -> bool:
    """Whether the machine is free for the process of a run."""
    return not inline() and not processes.working()


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


def trouble(run: Run) -> str:
    """Why this server could not start a queued run yet, in a sentence; empty if it has not failed to."""
    known = _troubles.get(run)
    if known is None or not waitlist.ticket(run):
        return ""
    return f"It could not be started yet: {known.error.strerror}. It keeps its place and is tried again."


def _begin_next() -> None:
    """Start the first run in the queue for who has just put one there, and who has got what was asked for already."""
    with contextlib.suppress(OSError):  # the next round tries again, and logs it
        _next()


def _next() -> None:
    """Start the first run in the queue that can be started.

    One that cannot keeps its place. Others pass it only if the trouble is its own.
    """
    queue = waitlist.queue()
    for run in _troubles.keys() - queue:
        del _troubles[run]
    if inline() or not queue or processes.working():  # an empty queue spares the second look at all folders
        return
    for run in queue:
        known = _troubles.get(run)
        if known is None or time.monotonic() >= known.until:
            known = _start(run)
        if known is None or known.error.errno in SHORTAGES:
            return


def _start(run: Run) -> _Trouble | None:
    """Start a run and take it out of the queue. What the system refuses is returned, and remembered."""
    before = _troubles.pop(run, None)
    try:
        ticket = waitlist.ticket(run)
        if ticket is None:  # it left the queue meanwhile
            return None
        processes.start(run, ticket.verb, *ticket.options)
    except FileNotFoundError as error:  # the run has gone, or there is no Python to start: waiting helps neither
        log.exception("run %s cannot be started and leaves the queue", run.id)
        failed = telemetry.Phase("failed", 0, 1, 0.0, f"The run could not be started: {error.strerror}.")
        with contextlib.suppress(OSError):
            telemetry.append(run.path / "telemetry.jsonl", failed)
    except OSError as error:
        if before is None or before.error.errno != error.errno:
            log.warning("run %s could not be started and stays in the queue: %s", run.id, error)
        times = before.times + 1 if before else 1
        _troubles[run] = _Trouble(error, times, time.monotonic() + min(2.0**times, LONGEST_WAIT))
        return _troubles[run]
    waitlist.leave(run)
    return None
