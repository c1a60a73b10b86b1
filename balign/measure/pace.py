"""How far a run is and how long it will take yet, from the phases it has recorded, over all its sessions.

A session is what one process did; a resumed run has several. The share of the run that is behind it never falls. Each
phase is timed by itself: by this session, by earlier ones until then, and before any by the speed of the others.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from balign.telemetry import PHASES, Phase

SHARES = {"load": 4.0, "check": 4.0, "data": 35.0, "unlearn": 37.0, "evaluate": 18.0, "save": 2.0}
"""Roughly what share of a run each phase takes, in percent, where its config does not tell."""
FIXED = ("load", "save")
DRAWN = ("data", "check")
"""Phases that draw pictures and nothing else, so that their speed is that of any picture; the better known first."""
GUESSED, MEASURED = 0.01, 0.02
"""Share of a phase after which its own speed counts as much as a guessed one, or as one that an earlier session had."""


@dataclass
class _Timed:
    """Units of work that were timed, and the seconds they took."""

    units: float = 0.0
    seconds: float = 0.0

    def add(self, units: float, seconds: float) -> None:
        self.units += units
        self.seconds += seconds


@dataclass
class Pace:
    """Takes a run's phases in order; knows at any time how far the run is and what is left of it."""

    shares: Mapping[str, float] = field(default_factory=lambda: SHARES)
    fraction: float = 0.0
    """How much of the whole run is behind it, 0 to 1."""
    spent: float = 0.0
    """Seconds of all sessions."""
    last: Phase | None = None
    _ends: dict[str, Phase] = field(default_factory=dict)
    """The last record of each phase, in whichever session."""
    _timed: dict[str, _Timed] = field(default_factory=dict)
    """What this session timed of each phase."""
    _earlier: dict[str, float] = field(default_factory=dict)
    """Seconds for a unit of each phase, by the last session before this one that timed it."""
    _drawn: int = 0
    """Pictures of the data phase that earlier sessions drew, and that later ones only read."""
    _read: _Timed = field(default_factory=_Timed)
    """How fast this session reads them."""

    @classmethod
    def of(cls, records: Iterable[object]) -> Self:
        """The pace after all these records."""
        pace = cls()
        for record in records:
            if isinstance(record, Phase):
                pace.take(record)
        return pace

    def take(self, phase: Phase) -> None:
        """The next phase that was recorded; the end of a session is none."""
        if phase.name not in SHARES:
            return
        last = self.last
        if last is not None and _begins_session(last, phase):
            self._begin_session()
            last = None
        if last is None or last.name != phase.name:  # what is done at its first record was done before
            last = replace(phase, seconds=0.0)
        read = phase.name == "data" and phase.done <= self._drawn
        timed = self._read if read else self._timed.setdefault(phase.name, _Timed())
        timed.add(phase.done - last.done, phase.seconds - last.seconds)
        self.spent += phase.seconds - last.seconds
        self.last = self._ends[phase.name] = phase
        self.fraction = max(self.fraction, self._position(phase))

    def seconds_left(self, stopping: bool = False) -> float | None:
        """Seconds to the end, or until a run that is stopping has compared its weights; None if nothing tells yet."""
        if self.last is None or self._speed() is None:
            return None
        names = list(SHARES)[_place(self.last) :]
        return sum(self._left(name) for name in names if not (stopping and name == "unlearn"))

    def _begin_session(self) -> None:
        self._earlier |= {name: t.seconds / t.units for name, t in self._timed.items() if t.units > 0}
        self._drawn = max(self._drawn, self._ends["data"].done if "data" in self._ends else 0)
        self._timed, self._read = {}, _Timed()

    def _left(self, name: str) -> float:
        """Seconds that this phase will take yet."""
        end = self._ends.get(name)
        if end is None:
            return 0.0 if name in FIXED else self.shares[name] * (self._speed() or 0.0)
        going_on = self.last is not None and self.last.name == name
        done = end.done if going_on or name == "unlearn" else 0
        left = end.total - done
        if name != "data":
            return left * (self._rate(name) or 0.0)
        to_read = max(self._drawn - done, 0)
        reading = to_read * self._read.seconds / self._read.units if self._read.units > 0 else 0.0
        return reading + (left - to_read) * (self._rate(name) or 0.0)

    def _rate(self, name: str) -> float | None:
        """Seconds for a unit of this phase: what was expected of it, and more and more what this session measures."""
        timed, end = self._timed.get(name, _Timed()), self._ends.get(name)
        expected, doubt = self._earlier.get(name), MEASURED
        speed = self._speed(DRAWN[DRAWN.index(name) + 1 :] if name in DRAWN else DRAWN)
        if expected is None and end is not None and speed is not None:
            expected, doubt = self.shares[name] * speed / max(end.total, 1), GUESSED
        units = doubt * end.total if end is not None else 0.0
        if expected is None or timed.units + units <= 0:  # a phase of nothing has no rate
            return timed.seconds / timed.units if timed.units > 0 else None
        return (timed.seconds + units * expected) / (timed.units + units)

    def _speed(self, by: Sequence[str] = DRAWN) -> float | None:
        """Seconds for a percent of the run, by how fast pictures are drawn."""
        rates = ((name, rate) for name in by if (rate := self._rate(name)) is not None)
        return next((rate * self._ends[name].total / self.shares[name] for name, rate in rates), None)

    def _position(self, phase: Phase) -> float:
        """How far into the run this phase is; a comparison counts only when the training before it is complete."""
        names, trained = list(SHARES), self._ends.get("unlearn")
        if _place(phase) > names.index("unlearn") and (trained is None or trained.done < trained.total):
            return 0.0
        before = sum(self.shares[name] for name in names[: _place(phase)])
        return (before + self.shares[phase.name] * min(phase.done / max(phase.total, 1), 1.0)) / 100


def _place(phase: Phase) -> int:
    return PHASES.index(phase.name)


def _begins_session(last: Phase, phase: Phase) -> bool:
    """Whether another process recorded this phase than the last one."""
    if phase.name != last.name:
        return _place(phase) < _place(last)
    return phase.seconds < last.seconds or phase.done < last.done
