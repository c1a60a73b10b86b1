"""Drawings that wait for a device lent within a visitor's call, as on ZeroGPU: what was asked for, run by run.

It is kept in memory: the call that brings the device ends with this server at the latest.
"""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

from balign.runs.folder import Run

SOON = 60.0
"""Seconds within which the page that asked brings the device; after that it has gone."""


class AskedDrawing(NamedTuple):
    """A command of the command line that draws with a run's weights, and when it was asked for."""

    verb: str
    options: tuple[str, ...]
    moment: float


_asked: dict[Run, AskedDrawing] = {}
_begun: set[Run] = set()
_lock = threading.Lock()


def ask(run: Run, verb: str, *options: str) -> None:
    """Note what is to be drawn as soon as a call brings the device."""
    with _lock:
        _asked[run] = AskedDrawing(verb, options, time.monotonic())


def pending(run: Run) -> bool:
    """Whether a drawing waits for its device or has it."""
    with _lock:
        asked = _asked.get(run)
        return run in _begun or (asked is not None and time.monotonic() - asked.moment < SOON)


@contextlib.contextmanager
def taken(run: Run) -> Iterator[AskedDrawing | None]:
    """What was asked for, for the one call that takes it; None if there is nothing."""
    with _lock:
        asked = _asked.pop(run, None)
        if asked is not None:
            _begun.add(run)
    try:
        yield asked
    finally:
        if asked is not None:
            with _lock:
                _begun.discard(run)
