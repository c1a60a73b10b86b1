"""Background tasks of the server: start the next run in the queue, enforce a visitor's limits, delete expired runs."""

import asyncio
import contextlib
import gc
import logging
import time
from collections.abc import AsyncIterator
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
    """One round. What goes wrong in it is logged and tried again in the next."""
    try:
        scheduler.dispatch()
        if limits.public() and number % ROUNDS == 0:
            for run in processes.working():
                if visitors.of_a_visitor(run):
                    restrain(run)
        if number % ROUNDS == 0:
            disk.sweep_uploads()
        if number % SWEEPS == 0:
            scheduler.sweep()
        if number == 0 and limits.public():
            disk.used()  # now, so that no visitor waits until all runs are counted
    except Exception:
        log.exception("a round of housekeeping failed")


def restrain(run: Run, now: float | None = None) -> None:
    """Ask a run to stop that takes more time or disk than a visitor's may; kill its process if it does not."""
    over = (time.time() if now is None else now) - processes.since(run) - limits.LIMITS.seconds
    heavy = disk.size(run.path) > limits.LIMITS.run_bytes
    if over > GRACE:
        processes.end(run)
    elif (over > 0 or heavy) and run.stop_requested() is None:
        run.request_stop(keep=not heavy)
