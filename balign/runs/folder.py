"""A run's folder on disk: create, list, open, tail, stop, delete. The only thing that passes from trainer to watcher.

It reads and writes files and asks whether a process lives; it never loads a model.
"""

import os
import secrets
import shutil
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

import psutil

from balign import telemetry
from balign.measure.report import RunReport
from balign.refusal import Refusal
from balign.runs.config import RunConfig

Status = Literal["new", "running", "stopped", "failed", "done"]
MAX_LABEL = 80


def runs_root() -> Path:
    """Where runs live: BALIGN_RUNS, or ./runs."""
    return Path(os.environ.get("BALIGN_RUNS") or "runs")


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all; a full disk leaves what was there before."""
    data = content.encode() if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def stamp(pid: int) -> str:
    """A process as it stands in a file: its number, and when it began, since numbers are given out again."""
    return f"{pid} {psutil.Process(pid).create_time():.3f}"


def process_in(path: Path) -> tuple[int, float] | None:
    """The process that stands in this file, if one does."""
    try:
        pid, started = path.read_text().split()
        return int(pid), float(started)
    except (OSError, ValueError):
        return None


def lives(process: tuple[int, float] | None) -> bool:
    """Whether this very process is still there, and not only its entry in the table."""
    if process is None:
        return False
    pid, started = process
    try:
        found = psutil.Process(pid)
        return abs(found.create_time() - started) < 2.0 and found.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ValueError, OverflowError):
        return False


@dataclass(frozen=True)
class Run:
    """The folder `runs/<id>/`. Two objects on one folder see the same run."""

    path: Path

    @classmethod
    def create(cls, config: RunConfig, root: Path | None = None) -> Self:
        """A new folder with its config. Its name is the time and a secret; nothing a visitor wrote is in it."""
        root = Path(root or runs_root())
        root.mkdir(parents=True, exist_ok=True)
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_urlsafe(16)}"
        hidden = root / f".{name}"
        hidden.mkdir(mode=0o700)
        try:
            write_atomic(hidden / "config.json", config.to_json())
            hidden.rename(root / name)
        except OSError:
            shutil.rmtree(hidden, ignore_errors=True)
            raise
        return cls((root / name).absolute())

    @classmethod
    def open(cls, path: str | Path, root: Path | None = None) -> Self:
        """The run of this id or folder, which must lie directly in the root and be no symbolic link."""
        root = Path(root or runs_root()).absolute()
        given = Path(path)
        folder = given if given.is_absolute() else root / given if given.name == str(given) else given.absolute()
        if folder.name in ("", ".", "..") or folder.is_symlink() or folder.resolve().parent != root.resolve():
            raise Refusal(f"{str(path)[:200]!r} is not a run in {root}; give the name of a folder there.")
        config = folder / "config.json"
        if config.is_symlink() or not config.is_file():
            raise Refusal(f"{str(path)[:200]!r} is not a run; a run is a folder with a config.json in it.")
        return cls(folder)

    @property
    def id(self) -> str:
        return self.path.name

    @cached_property
    def config(self) -> RunConfig:
        try:
            return RunConfig.parse((self.path / "config.json").read_bytes())
        except ValueError as error:
            raise Refusal(f"{self.path / 'config.json'} is not a valid config: {error}") from None

    @property
    def label(self) -> str:
        """The name somebody gave the run; empty if nobody did."""
        try:
            text = (self.path / "label").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return " ".join(text.split())[:MAX_LABEL]

    def rename(self, label: str) -> None:
        """Give the run a name to be found by, beside its id, which stays; an empty one takes it away."""
        text = " ".join(label.split())
        if len(text) > MAX_LABEL:
            raise Refusal(f"A name of {len(text):,} characters was given; at most {MAX_LABEL} are accepted.")
        if not text.isprintable():
            raise Refusal(f"The name {text!r} contains control characters; plain text is accepted.")
        if text:
            write_atomic(self.path / "label", text)
        else:
            (self.path / "label").unlink(missing_ok=True)

    def telemetry(self, offset: int = 0) -> tuple[list[telemetry.Record], int]:
        """The events from a byte offset on, and the offset to ask from next time."""
        path = self.path / "telemetry.jsonl"
        return telemetry.read(path, offset) if path.exists() else ([], 0)

    def report(self) -> RunReport | None:
        """The report, or None if there is none. Raises Refusal if it is unreadable."""
        try:
            return RunReport.parse((self.path / "report.json").read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Refusal(f"The report of run {self.id} is unreadable: {error.strerror}.") from None

    def status(self) -> Status:
        """Running while its process lives; otherwise what the last phase said. A killed run counts as stopped."""
        if self.running():
            return "running"
        phases = [record for record in self.telemetry()[0] if isinstance(record, telemetry.Phase)]
        if not phases:
            return "new"
        last = phases[-1].name
        return "done" if last == "done" else "failed" if last == "failed" else "stopped"

    def running(self) -> bool:
        """Whether the process that claimed this folder is still alive."""
        return lives(self._owner())

    def claim(self) -> None:
        """Mark this process as the one that runs the folder; refuse while another does."""
        if self.running():
            raise Refusal(f"Run {self.id} is already running; stop it first or wait for it to end.")
        path = self.path / "pid"
        path.unlink(missing_ok=True)
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            raise Refusal(f"Run {self.id} is already running; stop it first or wait for it to end.") from None
        with os.fdopen(handle, "w") as file:
            file.write(stamp(os.getpid()))

    def release(self) -> None:
        """Undo `claim`, if this process made it."""
        owner = self._owner()
        if owner is not None and owner[0] == os.getpid():
            (self.path / "pid").unlink(missing_ok=True)

    def _owner(self) -> tuple[int, float] | None:
        return process_in(self.path / "pid")

    def request_stop(self, keep: bool) -> None:
        """Ask the run to stop at its next batch, keeping the weights so far or throwing them away."""
        write_atomic(self.path / "stop", "keep" if keep else "discard")

    def stop_requested(self) -> Literal["keep", "discard"] | None:
        """What the stop flag says, if there is one."""
        try:
            return "discard" if (self.path / "stop").read_text().strip() == "discard" else "keep"
        except FileNotFoundError:
            return None

    def clear_stop(self) -> None:
        (self.path / "stop").unlink(missing_ok=True)

    def delete(self) -> None:
        """Remove the folder and everything in it; refused while it runs."""
        if self.running():
            raise Refusal(f"Run {self.id} is running; stop it before deleting it.")
        hidden = self.path.with_name(f".{self.id}.deleted")
        self.path.rename(hidden)
        shutil.rmtree(hidden)


def list_runs(root: Path | None = None) -> list[Run]:
    """Every run in the root, newest first."""
    root = Path(root or runs_root()).absolute()
    if not root.is_dir():
        return []
    folders = (entry for entry in root.iterdir() if not entry.name.startswith(".") and not entry.is_symlink())
    return [Run(folder) for folder in sorted(folders, reverse=True) if (folder / "config.json").is_file()]
