"""What is known of a run at this moment, read from its folder a little at a time. It writes nothing."""

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from balign import telemetry
from balign.host import scheduler, waitlist
from balign.runs.folder import Run

State = Literal["queued", "starting", "running", "stopping", "stopped", "failed", "done"]
SHARES = {"load": 4, "check": 4, "data": 35, "unlearn": 37, "evaluate": 18, "save": 2}
"""Roughly what share of a first run each phase takes, in percent."""
ENDS = ("done", "failed", "stopped")
"""The last words of a process."""
REMEMBERED = 64
"""How many runs' records are kept in memory at once."""


@dataclass
class _Tail:
    """The records of one run read so far, and where to read on."""

    offset: int = 0
    inode: int = 0
    phases: dict[str, telemetry.Phase] = field(default_factory=dict)
    last: telemetry.Phase | None = None
    working: telemetry.Phase | None = None
    steps: dict[int, telemetry.Step] = field(default_factory=dict)
    previews: dict[int, telemetry.Preview] = field(default_factory=dict)
    conflicts: dict[tuple[int, int], telemetry.Conflict] = field(default_factory=dict)

    def read(self, run: Run) -> None:
        inode = _stat(run.path / "telemetry.jsonl").st_ino
        if inode != self.inode:  # a resumed run writes the file anew, without what it will tell again
            self.phases, self.steps, self.previews, self.conflicts = {}, {}, {}, {}
            self.offset, self.inode = 0, inode
        records, self.offset = run.telemetry(self.offset)
        for record in records:
            match record:
                case telemetry.Phase():
                    self.last = self.phases[record.name] = record
                    self.working = record if record.name in SHARES else self.working
                case telemetry.Step():
                    self.steps[record.step] = record
                case telemetry.Preview():
                    self.previews[record.step] = record
                case telemetry.Conflict():
                    self.conflicts[record.step, record.quarter] = record


_tails: OrderedDict[Path, _Tail] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True)
class View:
    """A run as the page shows it."""

    run: Run
    state: State
    last: telemetry.Phase | None
    """The last word of the run."""
    working: telemetry.Phase | None
    """The last of its phases in which something is done."""
    phases: dict[str, telemetry.Phase]
    steps: list[telemetry.Step]
    previews: list[telemetry.Preview]
    report: dict[str, Any] | None
    conflicts: list[telemetry.Conflict] = field(default_factory=list)
    place: int = 0
    """Where it stands in the line; 0 if it does not wait."""
    own: bool = True
    """Whether who looks may change it."""

    @property
    def live(self) -> bool:
        return self.state in ("queued", "starting", "running", "stopping")

    @property
    def partial(self) -> bool:
        """Whether there are weights that nothing has been said about yet."""
        return self.report is None and (self.run.path / "erased.safetensors").is_file()

    @property
    def last_step(self) -> int:
        """How many steps are planned, as far as that is known."""
        phase = self.phases.get("unlearn")
        return max(phase.total if phase else 0, self.run.config.steps or 0, self.steps[-1].step if self.steps else 0)

    @property
    def fraction(self) -> float:
        """How much of the whole run is behind it, 0 to 1."""
        if self.state == "done":
            return 1.0
        if self.working is None:
            return 0.0
        names = list(SHARES)
        before = sum(SHARES[name] for name in names[: names.index(self.working.name)])
        within = min(self.working.done / self.working.total, 1.0) if self.working.total > 0 else 0.0
        return (before + SHARES[self.working.name] * within) / 100

    @property
    def seconds_left(self) -> float | None:
        """A guess at the time left, once there is anything to guess from."""
        spent = sum(phase.seconds for name, phase in self.phases.items() if name in SHARES)
        if self.fraction < 0.06 or spent < 3:
            return None
        return spent * (1 - self.fraction) / self.fraction


def look(run: Run) -> View:
    """Read on in the run's folder and say what is known now."""
    place = waitlist.place(run)
    alive = scheduler.alive(run)  # asked first: a run that ends in between is then read to its end next time
    with _lock:
        tail = _tails.setdefault(run.path, _Tail())
        _tails.move_to_end(run.path)
        while len(_tails) > REMEMBERED:
            _tails.popitem(last=False)
        tail.read(run)
        steps = [tail.steps[k] for k in sorted(tail.steps)]
        previews = [tail.previews[k] for k in sorted(tail.previews)]
        conflicts = [tail.conflicts[k] for k in sorted(tail.conflicts)]
        phases, last, working = dict(tail.phases), tail.last, tail.working
    over = last is not None and last.name in ENDS  # it waits to go on, though the process before may not have left yet
    state: State = "queued" if place and (over or not alive) else _state(run, alive, last)
    return View(run, state, last, working, phases, steps, previews, _report(run), conflicts, place)


def _state(run: Run, alive: bool, last: telemetry.Phase | None) -> State:
    if alive and (last is None or scheduler.started(run) > _last_word(run)):
        return "starting"
    if last is not None and last.name in ("done", "failed"):
        return "done" if last.name == "done" else "failed"
    if alive and last is not None and last.name != "stopped":
        return "stopping" if run.stop_requested() else "running"
    return "failed" if scheduler.died_early(run) else "stopped"


def _last_word(run: Run) -> float:
    """When the run last wrote a record."""
    return _stat(run.path / "telemetry.jsonl").st_mtime


def _stat(path: Path) -> os.stat_result:
    """The file's facts; all zero if it is not there."""
    try:
        return path.stat()
    except OSError:
        return os.stat_result((0,) * 10)


def _report(run: Run) -> dict[str, Any] | None:
    facts = _stat(run.path / "report.json")
    return _parsed_report(run, facts.st_mtime, facts.st_ino) if facts.st_ino else None


@lru_cache(maxsize=16)
def _parsed_report(run: Run, changed: float, inode: int) -> dict[str, Any] | None:
    """The report as of this change of the file; None while it cannot be read."""
    try:
        return run.report()
    except (OSError, ValueError):
        return None
