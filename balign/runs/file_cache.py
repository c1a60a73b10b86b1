"""What was read from a run's folder, kept in memory until the files that it was read from change."""

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from balign.plain_file import raise_shortage
from balign.runs.folder import Run

Reader = TypeVar("Reader", bound=Callable[..., Any])


def until_changed(*names: str, most: int) -> Callable[[Reader], Reader]:
    """Decorate a reader of a run, or of a tuple of runs: it reads again only when one of these files has changed."""

    def decorate(read: Reader) -> Reader:
        @functools.lru_cache(maxsize=most)
        def read_at(changed: object, runs: Run | tuple[Run, ...], *args: Any) -> Any:
            return read(runs, *args)

        @functools.wraps(read)
        def cached(runs: Run | tuple[Run, ...], *args: Any) -> Any:
            return read_at(stamp(runs if isinstance(runs, tuple) else (runs,), names), runs, *args)

        return cached  # type: ignore[return-value]

    return decorate


def stamp(runs: Sequence[Run], names: Sequence[str]) -> tuple[tuple[int, int, int], ...]:
    """What changes when one of these files of the runs does: its date, its size, or which file it is."""
    stamps = []
    for run in runs:
        folder = str(run.path)  # strings, since a list of hundreds of runs is looked at every second
        for name in names:
            try:
                facts = os.stat(os.path.join(folder, name))
                stamps.append((facts.st_mtime_ns, facts.st_size, facts.st_ino))
            except OSError as error:
                raise_shortage(error)
                stamps.append((0, 0, 0))
    return tuple(stamps)
