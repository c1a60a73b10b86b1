"""ZeroGPU, where a device exists only within a call: runs and drawings, gone on with from their folder by chunks.

The decorated generator works in a forked process: of what it does only the folder is seen here, and only plain values
cross. A chunk ends before its time is up; a second click goes on from what it left. `spaces` is there only on such a
Space, and nothing here is used anywhere else.
"""

import contextlib
import functools
import importlib
import re
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from balign.host import borrowing, waitlist
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.ui.page import Answer, Caller, notice

Chunk = Callable[[str, str, tuple[str, ...], float], Generator[dict[str, Any], None, None]]
CHUNK = 60
"""Seconds of the visitor's quota that one click asks for."""
LEAST = 30
"""Seconds of it with which something can still be done."""
MARGIN = 15
"""Seconds before their end at which the work is stopped: a batch and a checkpoint fit in."""
LOOK = 0.5
"""Seconds between two looks at a drawing."""
LEFT = re.compile(r"requested vs\. (\d+)s left")
PAUSED = "The device was lent for a minute and the run is not finished; press Resume to go on from here."
DRAWING_PAUSED = "The device was lent for a minute; what is drawn is kept, and pressing again goes on from here."
TROUBLES = {
    "illegal duration": "Your quota of the device does not allow a minute at once; sign in to the Hub, or come later.",
    "quota": "Your quota of the device is used up for now; go on when you have some again.",
    "queue": "The device was busy for too long; press again to ask for it again.",
    "no gpu": "The device was busy for too long; press again to ask for it again.",
    "aborted": "The device was taken back before the work could stop; press again to go on from what is kept.",
}
"""What ZeroGPU says when it does not lend the device, or took it back, and what that means to a visitor."""


@functools.cache
def borrowed() -> Chunk:
    """`chunk` with a device around it. Torch is imported once, here, after `spaces` and before any fork."""
    spaces = importlib.import_module("spaces")
    importlib.import_module("balign.runs.engine.execute")
    return spaces.GPU(duration=_duration)(chunk)


def _duration(folder: str, verb: str, options: tuple[str, ...], seconds: float) -> int:
    """The seconds that a call of `chunk` asks for."""
    return round(seconds) + MARGIN


def chunk(folder: str, verb: str, options: tuple[str, ...], seconds: float) -> Generator[dict[str, Any], None, None]:
    """Go on with a run or a drawing and yield plain values; when the time is up it stops, and keeps what it has."""
    run, until = Run.open(folder, Path(folder).parent), time.monotonic() + seconds
    whole = verb in ("run", "evaluate") and not options
    work = _run(run, verb, until) if whole else _drawing(run, verb, options, until)
    with contextlib.closing(work):
        yield from work


def _run(run: Run, verb: str, until: float) -> Generator[dict[str, Any], None, None]:
    """The events of the run, and `paused` at the end if it is to be gone on with."""
    from balign.runs.engine import execute

    stopping = False
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


def _drawing(run: Run, verb: str, options: tuple[str, ...], until: float) -> Generator[dict[str, Any], None, None]:
    """The command of this name on the run, asked to stop when the time is up or the visitor has left."""
    command = importlib.import_module("balign.cli").main  # which opens the page, too
    stopping = False
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(command, [verb, str(run.path), *options])
        try:
            while not work.done():
                wait([work], LOOK)
                if not stopping and time.monotonic() >= until and not work.done():
                    run.request_stop()
                    stopping = True
                yield {"kind": "drawing"}
        finally:
            if not work.done():
                run.request_stop()
        work.result()  # what it refused stands in the folder; anything else is raised here
    if stopping:
        run.clear_stop()
        yield {"kind": "paused"}


def drive(caller: Caller) -> Generator[Answer, None, None]:
    """Go on with the visitor's run for a chunk; a message at the end if one is needed. The page reads the folder."""
    run = caller.owned
    ticket = waitlist.ticket(run) if run else None
    if run is None or ticket is None:
        return
    paused = False
    try:
        for kind in _lent(run, ticket.verb, ticket.options):
            paused = kind == "paused"
            yield {}
    finally:
        waitlist.leave(run)
    if paused:
        yield {"notice": notice(DRAWING_PAUSED if ticket.options else PAUSED, "remark")}


def draw(caller: Caller) -> Generator[Answer, None, None]:
    """Draw what was asked for with the visitor's run for a chunk; the page reads the folder."""
    run = caller.owned
    if run is None:
        return
    paused = False
    with borrowing.taken(run) as asked:
        if asked is None:
            return
        for kind in _lent(run, asked.verb, asked.options):
            paused = kind == "paused"
            yield {}
    if paused:
        yield {"say": notice(DRAWING_PAUSED, "remark")}


def _lent(run: Run, verb: str, options: tuple[str, ...]) -> Iterator[str]:
    """The kinds of what a chunk yields. A visitor who has less than a minute left is asked for what there is.

    Raises Refusal if the device is not lent, or taken back.
    """
    seconds = CHUNK
    while True:
        begun = False
        try:
            with contextlib.closing(borrowed()(str(run.path), verb, options, seconds - MARGIN)) as events:
                for event in events:
                    begun = True
                    yield event["kind"]
            return
        except Exception as error:
            left = LEFT.search(_words(error))
            if left and not begun and LEAST <= int(left[1]) < seconds:
                seconds = int(left[1])
                continue
            trouble = explain(error)
            if trouble is None:
                raise
            raise Refusal(trouble) from error


def explain(error: Exception) -> str | None:
    """What went wrong with the device, for people; None if it is none of ZeroGPU's known answers."""
    text = _words(error).lower()
    return next((trouble for sign, trouble in TROUBLES.items() if sign in text), None)


def _words(error: Exception) -> str:
    return f"{error} {getattr(error, 'message', '')}"
