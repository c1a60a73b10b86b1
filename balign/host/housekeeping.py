"""What the server does by itself as long as it is up: the next run in line begins when the last has ended.

On a public instance it also asks runs that take too much time or room to stop, and lets old ones expire. It holds
nothing between two rounds; whatever it decides follows from the folders.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

from balign.host import disk, limits, scheduler, visitors
from balign.runs.folder import Run

log = logging.getLogger(__name__)
PAUSE = 1.0
"""Seconds between two looks at the line."""
ROUNDS = 30
"""Looks at the line between two looks at the size of what is running."""
SWEEPS = 900
"""Looks at the line between two sweeps."""
GRACE = 120.0
"""Seconds a run that was asked to stop has for it before its process is ended."""


@contextlib.asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Keep the house from the server's start to its end."""
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
            for run in scheduler.working():
                if visitors.of_a_visitor(run):
                    restrain(run)
        if number % SWEEPS == 0:
            scheduler.sweep()
    except Exception:
        log.exception("a round of the keeper failed")


def restrain(run: Run, now: float | None = None) -> None:
    """Ask a run to stop that takes longer or more room than a visitor's may; end it if it does not."""
    over = (time.time() if now is None else now) - scheduler.since(run) - limits.LIMITS.seconds
    heavy = disk.size(run.path) > limits.LIMITS.run_bytes
    if over > GRACE:
        scheduler.end(run)
    elif (over > 0 or heavy) and run.stop_requested() is None:
        run.request_stop(keep=not heavy)
