"""The records of one run, read from its folder a little at a time."""

from dataclasses import dataclass, field

from balign import telemetry
from balign.measure.pace import Pace
from balign.runs.folder import Run


@dataclass
class Tail:
    """The records of one run read so far, and where to read on."""

    inode: int = 0
    offset: int = 0
    phases: dict[str, telemetry.Phase] = field(default_factory=dict)
    last: telemetry.Phase | None = None
    steps: dict[int, telemetry.Step] = field(default_factory=dict)
    previews: dict[int, telemetry.Preview] = field(default_factory=dict)
    conflicts: dict[tuple[int, int], telemetry.Conflict] = field(default_factory=dict)
    drawn: dict[str, telemetry.Drawn] = field(default_factory=dict)
    pace: Pace = field(default_factory=Pace)

    def read(self, run: Run) -> None:
        """Read on. Raises OSError if the system cannot read at this moment."""
        records, self.offset = run.telemetry(self.offset)
        for record in records:
            match record:
                case telemetry.Phase():
                    self.last = self.phases[record.name] = record
                    self.pace.take(record)
                case telemetry.Step():
                    self.steps[record.step] = record
                case telemetry.Preview():
                    self.previews[record.step] = record
                case telemetry.Drawn():
                    self.drawn[record.image] = record
                case telemetry.Conflict():
                    self.conflicts[record.step, record.quarter] = record
