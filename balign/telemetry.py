"""The six records a run leaves behind, and the file of json lines they are kept in.

A run appends, anyone may read along: the studio, the command line, a test. Nothing here knows torch, or what a run
does; it knows only how a record becomes a line and a line becomes a record.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Self

from balign.plain_file import MOST, plain, raise_shortage

PHASES = ("load", "check", "data", "unlearn", "evaluate", "save", "done")
"""The phases of a run in order; it may also end in ``stopped`` or ``failed``."""
LARGEST = 1e12
"""No number of a run is as large as this, except in a damaged file or a loss that has lost all meaning."""


class _Record:
    """What the six records share: to a dictionary and back."""

    kind: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """The record as plain json values, its kind first; a number json cannot hold (nan, inf) becomes null."""
        values = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}  # type: ignore[arg-type]
        return {"kind": self.kind} | values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The record of these values; names it does not have are ignored, a null where a number belongs is nan."""
        known = {f.name: f.type for f in fields(cls)}  # type: ignore[arg-type]
        return cls(**{name: _restored(value, known[name]) for name, value in values.items() if name in known})


@dataclass(frozen=True)
class Phase(_Record):
    """Where the run is: ``done`` of ``total`` in the phase called ``name``, after ``seconds`` of it."""

    kind: ClassVar[str] = "phase"
    name: str
    done: int
    total: int
    seconds: float
    message: str = ""


@dataclass(frozen=True)
class Step(_Record):
    """One unlearning step: what was lost, what the step promised to first order, and what was measured of it."""

    kind: ClassVar[str] = "step"
    step: int
    forget_loss: float
    retain_loss: float
    forget_norm: float
    retain_norm: float
    cosine: float
    projected: bool
    kept_fraction: float
    forget_change: float
    retain_change: float
    measured_forget_change: float | None
    measured_retain_change: float | None
    seconds: float


@dataclass(frozen=True)
class Preview(_Record):
    """Images drawn on the way: a strip (a path inside the run's folder) and the mean alignment of each group.

    ``margin`` is half the 95 % interval of that mean, as far as these few images tell.
    """

    kind: ClassVar[str] = "preview"
    step: int
    image: str
    alignment: dict[str, float] = field(default_factory=dict)
    margin: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Drawn(_Record):
    """A strip of the first pictures that were drawn, for who watches: ``count`` of them, to forget or to keep.

    ``image`` is a path inside the run's folder; ``after`` one of what the same words and noise give with the weights
    of the run, if they are pairs.
    """

    kind: ClassVar[str] = "drawn"
    side: str
    image: str
    count: int
    after: str = ""


@dataclass(frozen=True)
class Conflict(_Record):
    """Where erasing and keeping pulled against each other at a step: the gradients' cosine in each group of weights.

    ``quarter`` 1 is for the fourth of the batch with the least noise, 4 for that with the most, 0 for all of it.
    """

    kind: ClassVar[str] = "conflict"
    step: int
    cosines: dict[str, float] = field(default_factory=dict)
    quarter: int = 0


@dataclass(frozen=True)
class Report(_Record):
    """What came of the run, as in its ``report.json``."""

    kind: ClassVar[str] = "report"
    summary: dict[str, Any] = field(default_factory=dict)


Record = Phase | Step | Preview | Report | Conflict | Drawn

KINDS: dict[str, type[Record]] = {record.kind: record for record in (Phase, Step, Preview, Report, Conflict, Drawn)}


def from_dict(values: Mapping[str, Any]) -> Record:
    """The record these values describe, by their ``kind``."""
    kind = values.get("kind")
    if kind not in KINDS:
        raise ValueError(f"a record of kind {kind!r} is not known; the kinds are {', '.join(KINDS)}")
    return KINDS[kind].from_dict(values)


def append(path: str | Path, record: Record) -> None:
    """Add one line. A line torn by an earlier crash is closed first, so that it spoils only itself."""
    line = json.dumps(record.to_dict(), allow_nan=False, ensure_ascii=False).encode() + b"\n"
    with open(path, "a+b", opener=plain) as file:
        if file.seek(0, os.SEEK_END) > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                line = b"\n" + line
        file.write(line)
        file.flush()


def read(path: str | Path, offset: int = 0) -> tuple[list[Record], int]:
    """The records after ``offset`` and the offset to go on from.

    A last line without its newline is still being written: it is left for the next call. A line that is no record is
    passed over. A file that is not there yet holds no records; one shorter than ``offset`` was begun anew and is read
    from its start. Raises OSError if the system cannot read it at this moment.
    """
    try:
        with open(path, "rb", opener=plain) as file:
            if offset > file.seek(0, os.SEEK_END):
                offset = 0
            file.seek(offset)
            data = file.read(MOST)
    except OSError as error:  # not there yet, or nothing that can be read
        raise_shortage(error)
        return [], 0
    whole = data[: data.rfind(b"\n") + 1]
    records = [record for record in map(_parse, whole.splitlines()) if record is not None]
    return records, offset + len(whole)


def _parse(line: bytes) -> Record | None:
    try:
        return from_dict(json.loads(line))
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):  # no json, or not that of a record
        return None


def _plain(value: Any) -> Any:
    """``value`` with every number json cannot hold replaced by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _restored(value: Any, annotation: Any) -> Any:
    """``value``, with nan for null, and for what no run measures, where the field says that a number stands there.

    Raises TypeError, ValueError or OverflowError for a value that the field cannot have.
    """
    if annotation == dict[str, float] and isinstance(value, dict):
        return {key: _restored(item, float) for key, item in value.items()}
    if annotation is float or (annotation == float | None and value is not None):
        value = math.nan if value is None else value
        if isinstance(value, int | float) and not isinstance(value, bool) and not math.isinf(value):
            return float(value) if abs(value) < LARGEST else math.nan
    elif annotation is int:
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
            return value
    elif isinstance(value, dict if annotation == dict[str, Any] else annotation):
        return value
    raise TypeError(f"{str(value)[:40]!r} is no {annotation}")
