"""What was read from a run's folder, kept in memory until the files that it was read from change."""

import functools
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Concatenate, ParamSpec, TypeVar

from balign.runs.folder import Run

Runs = TypeVar("Runs", Run, tuple[Run, ...])
More = ParamSpec("More")
Value = TypeVar("Value")
Stamp = tuple[tuple[int, int, int], ...]


def until_changed(
    *names: str, most: int
) -> Callable[[Callable[Concatenate[Runs, More], Value]], Callable[Concatenate[Runs, More], Value]]:
    """Decorate a reader of a run, or of a tuple of runs: it reads again only when one of these files has changed.

    most: how many values are kept; the one that was not asked for the longest goes first.
    """

    def decorate(read: Callable[Concatenate[Runs, More], Value]) -> Callable[Concatenate[Runs, More], Value]:
        kept: OrderedDict[Hashable, tuple[Stamp, Value]] = OrderedDict()
        lock = threading.Lock()

        @functools.wraps(read)
        def cached(runs: Runs, *args: More.args, **options: More.kwargs) -> Value:
            key = (runs, args, tuple(options.items()))
            now = stamp(runs if isinstance(runs, tuple) else (runs,), names)
            with lock:
                known = kept.get(key)
                if known is not None and known[0] == now:
                    kept.move_to_end(key)
                    return known[1]
            value = read(runs, *args, **options)
            with lock:
                kept[key] = now, value
                kept.move_to_end(key)
                while len(kept) > most:
                    kept.popitem(last=False)
            return value

        return cached

    return decorate


def stamp(runs: Sequence[Run], names: Sequence[str]) -> Stamp:
    """What changes when one of these files of the runs does: its date, its size, or which file it is."""
    stamps = []
    for run in runs:
        folder = str(run.path)  # strings, since a list of hundreds of runs is looked at every second
        for name in names:
            try:
                facts = os.stat(os.path.join(folder, name))
                stamps.append((facts.st_mtime_ns, facts.st_size, facts.st_ino))
            except OSError:
                stamps.append((0, 0, 0))
    return tuple(stamps)
