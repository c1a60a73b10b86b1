"""A run's folder on disk: create, find, list, read, claim, stop, delete. Trainer and watcher share nothing else."""

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, Self

import psutil
from filelock import FileLock, Timeout

from balign import telemetry
from balign.atomic import write
from balign.measure.report import RunReport
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.run_folders import run_folders
from balign.telemetry import Phase, Record

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{7,79}")
MAX_LABEL = 80
TAILS = (1_024, 65_536)
"""Bytes at the end of the telemetry in which the last phase is looked for; mostly it is the last line."""


def runs_root() -> Path:
    """Where runs live: BALIGN_RUNS, or ./runs."""
    return Path(os.environ.get("BALIGN_RUNS") or "runs")


class RunProcess(NamedTuple):
    """A process that works on a run, as a file in the run's folder names it."""

    pid: int
    began: float
    """When the process was created, since the system gives out its number again."""
    drawing: bool = False
    """Whether it only draws with the weights and leaves the run as it is."""
    since: float = 0.0
    """When it took up the run: the date of the file."""

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """The process that this file names; None if it names none."""
        try:
            pid, began, *purpose = path.read_text().split()
            return cls(int(pid), float(began), purpose == ["draw"], path.stat().st_mtime)
        except (OSError, ValueError):
            return None

    @staticmethod
    def note(path: Path, pid: int, drawing: bool = False) -> None:
        """Name the process of this number in a file. Raises psutil.Error if there is none."""
        write(path, f"{pid} {psutil.Process(pid).create_time():.3f}" + " draw" * drawing)

    @property
    def alive(self) -> bool:
        """Whether this very process still runs; one that ended but was not reaped by its parent does not."""
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.began) < 2.0 and process.status() != psutil.STATUS_ZOMBIE
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
            write(hidden / "config.json", config.to_json())
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
            raise Refusal(f"The config.json of run {self.id} is not a valid config: {error}") from None

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
            write(self.path / "label", text)
        else:
            (self.path / "label").unlink(missing_ok=True)

    def telemetry(self, offset: int = 0) -> tuple[list[Record], int]:
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

    def last_phase(self) -> Phase | None:
        """The phase the run recorded last; None if it recorded none yet."""
        path = self.path / "telemetry.jsonl"
        for tail in TAILS:
            try:
                start = max(path.stat().st_size - tail, 0)
            except OSError:
                return None
            for record in reversed(telemetry.read(path, start)[0]):
                if isinstance(record, Phase):
                    return record
        return None

    def running(self) -> bool:
        """Whether the process that claimed this folder is still alive."""
        process = RunProcess.read(self.path / "pid")
        return process is not None and process.alive

    @contextlib.contextmanager
    def claim(self, drawing: bool = False) -> Iterator[None]:
        """Be the one process that works on the folder; raises Refusal while another one does.

        The system frees the lock however this process ends. `pid` names the process, for who watches or ends it.
        """
        with self._locked(f"Run {self.id} is already running; stop it first or wait for it to end."):
            pid = self.path / "pid"
            RunProcess.note(pid, os.getpid(), drawing)
            try:
                yield
            finally:
                pid.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self, refusal: str) -> Iterator[None]:
        """Hold the lock of the folder; raises Refusal while another process holds it, or if the run was deleted."""
        gone = Refusal(f"Run {self.id} is not here any more.")
        if not self.path.is_dir():
            raise gone
        path = self.path / ".lock"
        lock = FileLock(path, timeout=0, thread_local=False)  # a generator may end in another thread
        try:
            lock.acquire()
        except Timeout:
            raise Refusal(refusal) from None
        except FileNotFoundError:  # deleted at this moment
            raise gone from None
        try:
            if not (self.path / "config.json").is_file():  # deleted a moment before; FileLock has made the folder again
                with contextlib.suppress(OSError):
                    path.unlink()
                    self.path.rmdir()
                raise gone
            if self.running():  # for an older balign, which took no lock
                raise Refusal(refusal)
            yield
        finally:
            lock.release()

    def request_stop(self, keep: bool) -> None:
        """Ask the run to stop at its next batch, keeping the weights so far or throwing them away."""
        write(self.path / "stop", "keep" if keep else "discard")

    def stop_requested(self) -> Literal["keep", "discard"] | None:
        """What the stop flag says, if there is one."""
        try:
            return "discard" if (self.path / "stop").read_text().strip() == "discard" else "keep"
        except FileNotFoundError:
            return None

    def clear_stop(self) -> None:
        (self.path / "stop").unlink(missing_ok=True)

    def delete(self) -> None:
        """Remove the folder and everything in it; raises Refusal while a process works on it."""
        hidden = self.path.with_name(f".{self.id}.deleted")
        with self._locked(f"{self.label or f'Run {self.id}'} is running; stop it before deleting it."):
            self.path.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)
        if hidden.exists():  # a process that was about to claim it has put its lock there meanwhile
            shutil.rmtree(hidden)


def list_runs(root: Path | None = None) -> list[Run]:
    """Every run in the root, newest first."""
    return [Run(folder.path) for folder in run_folders(Path(root or runs_root())).values()]


def find(run_id: object) -> Run | None:
    """The run of this id, or None: for an id no folder has, for a path, for anything that is not an id."""
    if not isinstance(run_id, str) or not RUN_ID.fullmatch(run_id):
        return None
    try:
        return Run.open(run_id)
    except (Refusal, OSError):
        return None
