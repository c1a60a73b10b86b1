"""Background tasks of the server: start the next run in the queue, enforce a visitor's limits, delete expired runs."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

from balign.host import disk, limits, processes, scheduler, visitors
from balign.runs.folder import Run

log = logging.getLogger(__name__)
PAUSE = 1.5
"""Seconds between two rounds; each looks at the queue."""
ROUNDS = 20
"""Rounds between two checks of how large the running runs are."""
SWEEPS = 600
"""Rounds between two sweeps of expired runs."""
GRACE = 120.0
"""Seconds that a run has for stopping when asked to, before its process is killed."""
_failures: dict[object, str] = {}  # what went wrong when a task was done last


@contextlib.asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Do the rounds from the server's start to its end."""
    gc.collect()
    gc.freeze()  # the page and its libraries stay: a collection that looked through them would hold up a tick by 0.1 s
    rounds = asyncio.create_task(_forever())
    try:
        yield
    finally:
        rounds.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await rounds


async def _forever() -> None:
    number = 0
    while True:
        await asyncio.to_thread(round_of, number)
        number += 1
        await asyncio.sleep(PAUSE)


def round_of(number: int) -> None:
    """One round. What goes wrong in one task holds up no other, and is tried again in the next round."""
    _attempt(scheduler.dispatch)
    if limits.public() and number % ROUNDS == 0:
        _attempt(restrain_all)
    if number % ROUNDS == 0:
        _attempt(disk.sweep_uploads)
    if number % SWEEPS == 0:
        _attempt(scheduler.sweep)
        _attempt(disk.sweep_cache)
    if number == 0 and limits.public():
        _attempt(disk.used)  # now, so that no visitor waits until all runs are counted


def _attempt(task: Callable[..., object], *about: Run) -> None:
    """Do a task; what goes wrong is logged, unless it went wrong in the same way before."""
    try:
        task(*about)
        _failures.pop((task, about), None)
    except Exception as error:
        if _failures.get((task, about)) != repr(error):
            log.exception("a round of housekeeping failed")
        _failures[task, about] = repr(error)


def restrain_all() -> None:
    """Restrain every run of a visitor that is worked on."""
    for run in processes.working():
        if visitors.of_a_visitor(run):
            _attempt(restrain, run)


def restrain(run: Run) -> None:
    """Ask a run to stop that takes more time or disk than a visitor's may; kill its process if it does not.

    It keeps what there is. One that takes too much disk is not compared, since that draws more.
    """
    over = processes.worked(run) - limits.LIMITS.seconds
    heavy = disk.size(run.path) > limits.LIMITS.run_bytes
    if over > GRACE:
        processes.end(run)
    elif heavy and run.stop_requested() != "now":
        run.request_stop(now=True)
    elif over > 0 and run.stop_requested() is None:
        run.request_stop()
