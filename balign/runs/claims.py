"""The notes in a run's folder of which process works on it; as long as that lives, it holds the lock of its note."""

import contextlib
import os
import time
from pathlib import Path
from typing import IO, NamedTuple, Self

import psutil

from balign import locks
from balign.plain_file import raise_shortage, read_plain


class RunProcess(NamedTuple):
    """A living process that works on a run, as a note in the run's folder says. It holds the lock of the note."""

    path: Path
    """The note."""
    pid: int
    since: float
    """When it took up the run, in seconds of the clock that no one sets (time.monotonic), which all processes share."""
    records: str
    """What `records_of` said of the run's telemetry then; empty in a note of a balign of before."""
    drawing: bool = False
    """Whether it only draws with the weights and leaves the run as it is."""

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The process that holds the lock of this note; None if none does. An unreadable note still has a holder.

        Raises OSError if the system cannot tell at this moment.
        """
        alive = locks.held(path)
        try:
            pid, since, *more = read_plain(path).decode().split()
            if alive and len(more) == 2:
                return cls(path, int(pid), float(since), more[0], more[1] == "draw")
            if not alive and len(more) < 2 and _of_old(int(pid), float(since)):
                return cls(path, int(pid), float(since) - _since_1970(), "", more == ["draw"])
        except (OSError, ValueError, OverflowError) as error:
            raise_shortage(error)
        return cls(path, 0, time.monotonic(), "") if alive else None

    def write(self, file: IO[bytes]) -> None:
        """Write the note into an open file and wait until the disk has it."""
        purpose = "draw" if self.drawing else "work"
        file.write(f"{self.pid} {self.since} {self.records} {purpose}".encode())
        file.flush()
        os.fsync(file.fileno())

    def kill(self) -> None:
        """Kill the process of this number and what is in its session, if one of them here has the note open."""
        if self.pid in (0, os.getpid()):
            return
        session = [process for process in psutil.process_iter() if self.pid in (process.pid, _session(process.pid))]
        if any(map(self._opened, session)) or (not self.records and _of_old(self.pid, self.since + _since_1970())):
            for process in session:
                with contextlib.suppress(psutil.Error):
                    process.kill()

    def _opened(self, process: psutil.Process) -> bool:
        """Whether this process has the note open."""
        with contextlib.suppress(psutil.Error):
            return os.path.realpath(self.path) in [file.path for file in process.open_files()]
        return False


def records_of(folder: Path) -> str:
    """Which file the records of a run are in and how long it is: this changes whenever one is added or removed."""
    try:
        facts = os.stat(folder / "telemetry.jsonl")
        return f"{facts.st_ino}:{facts.st_size}"
    except OSError as error:
        raise_shortage(error)
        return "none"


def _since_1970() -> float:
    """What the date is ahead of the clock that no one sets, in seconds."""
    return time.time() - time.monotonic()


def _session(pid: int) -> int:
    """The number of the process that began the session of this one; 0 if it has gone."""
    try:
        return os.getsid(pid)
    except OSError:
        return 0


def _of_old(pid: int, began: float) -> bool:
    """Whether the process lives that a balign of before noted, by its number and the date when it was created."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - began) < 2.0 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
