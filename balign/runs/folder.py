"""A run's folder on disk: create, find, list, read, claim, stop, delete. Trainer and watcher share nothing else."""

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from balign import locks, plain_text, telemetry
from balign.atomic import atomic, write
from balign.measure.report import RunReport
from balign.plain_file import expanded, is_file, raise_shortage, read_plain
from balign.refusal import Refusal
from balign.runs import examples
from balign.runs.claims import RunProcess, records_of
from balign.runs.config import RunConfig
from balign.runs.leftovers import LOCK, remove_folder
from balign.runs.run_folders import RUN_ID, next_moment, run_folders
from balign.telemetry import Phase, Record

MAX_LABEL = 80
PICTURES = "pictures"
"""The folder of somebody's own pictures in a run's folder."""
TAILS = (1_024, 65_536)
"""Bytes at the end of the telemetry in which the last phase is looked for; mostly it is the last line."""


def runs_root() -> Path:
    """Where runs live: BALIGN_RUNS, or ./runs."""
    return expanded(os.environ.get("BALIGN_RUNS") or "runs")


@dataclass(frozen=True)
class Run:
    """The folder `runs/<id>/`. Two objects on one folder see the same run."""

    path: Path

    @classmethod
    def create(cls, config: RunConfig, root: Path | None = None, pictures: Mapping[str, bytes] | None = None) -> Self:
        """A new folder with its config. Its name is the time and a secret; nothing a visitor wrote is in it.

        pictures: somebody's own, which the config names by the sha256 that is their key here.

        Raises OSError if the disk refuses.
        """
        root = Path(root or runs_root())
        named = {picture.sha256 for picture in (*config.forget_pictures, *config.keep_pictures)}
        if not named <= (pictures or {}).keys():
            raise Refusal("The config names pictures that were not given; give the pictures themselves, too.")
        root.mkdir(parents=True, exist_ok=True)
        name = f"{next_moment(entry.name for entry in root.iterdir())}-{secrets.token_urlsafe(16)}"
        hidden = root / f".{name}"
        hidden.mkdir(mode=0o700)
        try:
            with locks.hold(hidden / LOCK, "", 0.0):  # else it is taken for what a kill left behind
                write(hidden / "config.json", config.to_json())
                for sha in named:
                    (hidden / PICTURES).mkdir(exist_ok=True)
                    write(hidden / PICTURES / f"{sha}.png", (pictures or {})[sha])
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
        if folder.is_symlink():
            raise Refusal(f"{str(path)[:200]!r} is a symbolic link; name the folder that it leads to.")
        if folder.name in ("", ".", "..") or folder.resolve().parent != root.resolve():
            raise Refusal(f"{str(path)[:200]!r} is not a run in {root}; give the name of a folder there.")
        config = folder / "config.json"
        if config.is_symlink() or not is_file(config):
            raise Refusal(f"{str(path)[:200]!r} is not a run; a run is a folder with a config.json in it.")
        return cls(folder)

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def example(self) -> bool:
        """Whether it ships with the project, to be looked at and not changed."""
        return self.path.parent == examples.FOLDER

    def _refuse_for_example(self) -> None:
        if self.example:
            raise Refusal(examples.READ_ONLY.format(self.id))

    @cached_property
    def config(self) -> RunConfig:
        try:
            return RunConfig.parse(read_plain(self.path / "config.json"))
        except ValueError as error:
            raise Refusal(f"The config.json of run {self.id} is not a valid config: {error}") from None
        except OSError as error:
            raise_shortage(error)
            raise Refusal(f"The config.json of run {self.id} is unreadable: {error.strerror}.") from None

    def file(self, name: str) -> Path | None:
        """The plain file of this name in the folder, or in one below; None if there is none, or if a link leads out."""
        try:
            path = Path(os.path.realpath(self.path / name))
        except ValueError:  # a name that no file can have
            return None
        return path if path.is_relative_to(os.path.realpath(self.path)) and is_file(path) else None

    def pictures(self) -> dict[str, bytes]:
        """Somebody's own pictures that the run learns from, by their sha256. Raises Refusal if one is missing."""
        named = [picture.sha256 for picture in (*self.config.forget_pictures, *self.config.keep_pictures)]
        try:
            return {sha: read_plain(self.path / PICTURES / f"{sha}.png") for sha in named}
        except OSError as error:
            raise_shortage(error)
            raise Refusal(f"A picture that run {self.id} learnt from is not in its folder any more.") from None

    @property
    def label(self) -> str:
        """The name somebody gave the run; empty if nobody did."""
        try:
            text = read_plain(self.path / "label").decode(errors="replace")
        except OSError as error:
            raise_shortage(error)
            return ""
        return " ".join(text.split())[:MAX_LABEL]

    def rename(self, label: str) -> None:
        """Give the run a name to be found by, beside its id, which stays; an empty one takes it away."""
        self._refuse_for_example()
        text = " ".join(label.split())
        if len(text) > MAX_LABEL:
            raise Refusal(f"A name of {len(text):,} characters was given; at most {MAX_LABEL} are accepted.")
        if text:
            try:
                plain_text.check(text)
            except ValueError as error:
                raise Refusal(f"The name {error}.") from None
            write(self.path / "label", text)
        else:
            (self.path / "label").unlink(missing_ok=True)

    def telemetry(self, offset: int = 0) -> tuple[list[Record], int]:
        """The events from a byte offset on, and the offset to ask from next time."""
        return telemetry.read(self.path / "telemetry.jsonl", offset)

    def report(self) -> RunReport | None:
        """The report, or None if there is none. Raises Refusal if it is unreadable."""
        try:
            return RunReport.parse(read_plain(self.path / "report.json"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise_shortage(error)
            raise Refusal(f"The report of run {self.id} is unreadable: {error.strerror}.") from None

    def last_phase(self) -> Phase | None:
        """The phase the run recorded last; None if it recorded none yet."""
        path = self.path / "telemetry.jsonl"
        for tail in TAILS:
            try:
                start = max(path.stat().st_size - tail, 0)
            except OSError as error:
                raise_shortage(error)
                return None
            for record in reversed(telemetry.read(path, start)[0]):
                if isinstance(record, Phase):
                    return record
        return None

    def logged(self) -> bool:
        """Whether log.txt, which holds the traces of errors, says anything."""
        try:
            return (self.path / "log.txt").stat().st_size > 0
        except OSError:
            return False

    def running(self) -> bool:
        """Whether the process that claimed this folder is still alive."""
        return RunProcess.read(self.path / "pid") is not None

    @contextlib.contextmanager
    def claim(self, drawing: bool = False) -> Iterator[None]:
        """Be the one process that works on the folder; raises Refusal while another one does.

        The system frees the locks however this process ends. `pid` names the process, for who watches or ends it.
        """
        with self._locked(f"Run {self.id} is already running; stop it first or wait for it to end."):
            pid = self.path / "pid"
            with contextlib.ExitStack() as end:
                with atomic(pid) as draft:
                    note = end.enter_context(open(draft, "xb"))
                    locks.lock(note)
                    RunProcess(pid, os.getpid(), time.monotonic(), records_of(self.path), drawing).write(note)
                end.callback(locks.unlock, note)
                end.callback(pid.unlink, missing_ok=True)
                yield

    @contextlib.contextmanager
    def _locked(self, refusal: str) -> Iterator[None]:
        """Hold the lock of the folder; raises Refusal while another process holds it, or if the run was deleted."""
        self._refuse_for_example()
        gone = Refusal(f"Run {self.id} is not here any more.")
        with contextlib.ExitStack() as lock:
            try:
                lock.enter_context(locks.hold(self.path / LOCK, refusal))
            except FileNotFoundError:
                raise gone from None
            if not is_file(self.path / "config.json"):  # deleted a moment before
                raise gone
            if self.running():  # for a balign of before, which held no lock
                raise Refusal(refusal)
            yield

    def request_stop(self, now: bool = False) -> None:
        """Ask the run to stop at its next batch. It keeps what there is and compares it, unless it is to stop now.

        Asked again while it compares, it ends the comparison.
        """
        write(self.path / "stop", "now" if now else "asked")

    def begin_last_comparison(self) -> None:
        """Say that the run has stopped training, as it was asked to, and compares what there is."""
        write(self.path / "stop", f"comparing {time.monotonic()}")

    def comparing_since(self) -> float | None:
        """When it began to, in seconds of time.monotonic; None if it does not."""
        try:
            word, moment = read_plain(self.path / "stop").decode().split()
            return float(moment) if word == "comparing" else None
        except (OSError, ValueError):
            return None

    def stop_requested(self) -> Literal["asked", "now", "comparing"] | None:
        """What the stop flag says, if there is one; `comparing` if the run has obeyed and compares what there is."""
        try:
            text = read_plain(self.path / "stop").decode(errors="replace").partition(" ")[0].strip()
        except FileNotFoundError:
            return None
        return text if text in ("now", "comparing") else "asked"  # type: ignore[return-value]

    def clear_stop(self) -> None:
        (self.path / "stop").unlink(missing_ok=True)

    def delete(self) -> None:
        """Remove the folder and everything in it; raises Refusal while a process works on it."""
        hidden = self.path.with_name(f".{self.id}.deleted")
        with self._locked(f"{self.label or f'Run {self.id}'} is running; stop it before deleting it."):
            self.path.rename(hidden)
        remove_folder(hidden)


def list_runs(root: Path | None = None) -> list[Run]:
    """Every run in the root, newest first."""
    return [Run(folder.path) for folder in run_folders(Path(root or runs_root())).values()]


def example_runs() -> list[Run]:
    """The finished runs that ship with the project."""
    return [Run(path) for path in examples.paths()]


def find(run_id: object) -> Run | None:
    """The run or example of this id, or None: for an id no folder has, for a path, for anything that is not an id."""
    if not isinstance(run_id, str) or not RUN_ID.fullmatch(run_id):
        return None
    try:
        return Run.open(run_id, examples.FOLDER if (examples.FOLDER / run_id).is_dir() else None)
    except (Refusal, OSError) as error:
        raise_shortage(error)
        return None
