"""ZeroGPU, where a device exists only within a call: the same run, gone on with from its folder a chunk at a time.

The decorated generator works in a forked process: of what it does only the folder is seen here, and only plain values
cross. A chunk ends before its time is up; a second click goes on from what it left. `spaces` is there only on such a
Space, and nothing here is used anywhere else.
"""

import contextlib
import functools
import importlib
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from balign.host import waitlist
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.ui.page import Answer, Caller, notice

Chunk = Callable[[str, waitlist.Verb, float], Generator[dict[str, Any], None, None]]
CHUNK = 60
"""Seconds of the visitor's quota that one click asks for."""
MARGIN = 15
"""Seconds before their end at which the run is stopped: a batch and a checkpoint fit in."""
PAUSED = "The device was lent for a minute and the run is not finished; press Resume to go on from here."
TROUBLES = {
    "illegal duration": "Your quota of the device does not allow a minute at once; sign in to the Hub, or come later.",
    "quota": "Your quota of the device is used up for now; press Resume when you have some again.",
    "queue": "The device was busy for too long; press Resume to ask for it again.",
    "no gpu": "The device was busy for too long; press Resume to ask for it again.",
    "aborted": "The device was taken back before the run could stop; press Resume to go on from its last checkpoint.",
}
"""What ZeroGPU says when it does not lend the device, or took it back, and what that means to a visitor."""


@functools.cache
def borrowed() -> Chunk:
    """`chunk` with a device around it. Torch is imported once, here, after `spaces` and before any fork."""
    spaces = importlib.import_module("spaces")
    importlib.import_module("balign.runs.engine.execute")
    return spaces.GPU(duration=CHUNK)(chunk)


def chunk(folder: str, verb: waitlist.Verb, seconds: float) -> Generator[dict[str, Any], None, None]:
    """Go on with a run and yield its events as plain values; when the time is up it stops, and keeps what it has."""
    from balign.runs.engine import execute

    run, until, stopping = Run.open(folder, Path(folder).parent), time.monotonic() + seconds, False
    for event in execute.run(run) if verb == "run" else execute.evaluate(run):
        waitlist.leave(run)
        yield event.to_dict()
        if not stopping and time.monotonic() >= until:
            run.request_stop(now=True)  # a comparison would use up what the visitor may have of the device
            stopping = True
    if stopping:
        run.clear_stop()  # left over if the run came to its end by itself
        end = run.last_phase()
        if end is not None and end.name == "stopped":
            yield {"kind": "paused"}


def drive(caller: Caller) -> Generator[Answer, None, None]:
    """Go on with the visitor's run for a chunk; a message at the end if one is needed. The page reads the folder."""
    run = caller.owned
    ticket = waitlist.ticket(run) if run else None
    if run is None or ticket is None:
        return
    kind = ""
    try:
        with contextlib.closing(borrowed()(str(run.path), ticket.verb, CHUNK - MARGIN)) as events:
            for event in events:
                kind = event["kind"]
                yield {}
    except Exception as error:
        trouble = explain(error)
        if trouble is None:
            raise
        raise Refusal(trouble) from error
    finally:
        waitlist.leave(run)
    if kind == "paused":
        yield {"notice": notice(PAUSED, "remark")}


def explain(error: Exception) -> str | None:
    """What went wrong with the device, for people; None if it is none of ZeroGPU's known answers."""
    text = f"{error} {getattr(error, 'message', '')}".lower()
    return next((trouble for sign, trouble in TROUBLES.items() if sign in text), None)
