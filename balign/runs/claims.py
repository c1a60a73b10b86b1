"""The notes in a run's folder of which process works on it; as long as that lives, it holds the lock of its note."""

import contextlib
import os
import time
from pathlib import Path
from typing import IO, NamedTuple, Self

import psutil

from balign import locks
from balign.plain_file import read_plain


class RunProcess(NamedTuple):
    """A living process that works on a run, as a note in the run's folder says. It holds the lock of the note."""

    path: Path
    """The note."""
    pid: int
    since: float
    """When it took up the run, in seconds of the clock that no one sets (time.monotonic), which all processes share."""
    records: str
    """What `records_of` said of the run's telemetry then."""
    drawing: bool = False
    """Whether it only draws with the weights and leaves the run as it is."""

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The process that holds the lock of this note; None if none does. An unreadable note still has a holder."""
        alive = locks.held(path)
        with contextlib.suppress(OSError, ValueError, OverflowError):
            pid, since, *more = read_plain(path).decode().split()
            if alive and len(more) == 2:
                return cls(path, int(pid), float(since), more[0], more[1] == "draw")
            if not alive and len(more) < 2 and _of_old(int(pid), float(since)):
                return cls(path, int(pid), time.monotonic(), "", more == ["draw"])
        return cls(path, 0, time.monotonic(), "") if alive else None

    def write(self, file: IO[bytes]) -> None:
        """Write the note into an open file and wait until the disk has it."""
        purpose = "draw" if self.drawing else "work"
        file.write(f"{self.pid} {self.since} {self.records} {purpose}".encode())
        file.flush()
        os.fsync(file.fileno())

    def kill(self) -> None:
        """Kill the process, if it is the one of this number here that has the note open."""
        with contextlib.suppress(psutil.Error, ValueError, OverflowError):
            process = psutil.Process(self.pid)
            opened = [file.path for file in process.open_files()] if self.pid != os.getpid() else []
            if os.path.realpath(self.path) in opened:
                process.kill()


def records_of(folder: Path) -> str:
    """Which file the records of a run are in and how long it is: this changes whenever one is added or removed."""
    try:
        facts = os.stat(folder / "telemetry.jsonl")
        return f"{facts.st_ino}:{facts.st_size}"
    except OSError:
        return "none"


def _of_old(pid: int, began: float) -> bool:
    """Whether the process lives that a balign of before noted, by its number and the date when it was created."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - began) < 2.0 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
