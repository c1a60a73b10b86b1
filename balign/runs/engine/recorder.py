"""Record every event of a run in its telemetry.jsonl, time its phases, and obey its stop flag."""

import contextlib
import errno
import itertools
import json
import queue
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

from balign import telemetry
from balign.atomic import write
from balign.plain_file import plain
from balign.plain_text import without_folders
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.judged_again import UNJUDGED
from balign.telemetry import PHASES, Conflict, Phase, Preview, Record, Step

HALTED = "It was stopped; the report stays as it was, and what was drawn is kept."
Event = TypeVar("Event", bound=Record)
Result = TypeVar("Result")


class Stopped(Exception):
    """Somebody asked the run to stop. Its text says what is kept, and what resuming does."""

    def __init__(self, message: str = "Stopped while getting ready; resuming goes on from here.") -> None:
        super().__init__(message)


class Recorder:
    """Appends events to a run's telemetry and times its phases."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.path = run.path / "telemetry.jsonl"
        self.name = "load"
        self.quiet = False  # events are returned but not written
        self.shown: Counter[str] = Counter()  # how many of the first pictures of each side were told
        self._since = time.monotonic()

    def record(self, event: Event) -> Event:
        """Write the event and return it, to be yielded."""
        if not self.quiet:
            telemetry.append(self.path, event)
        return event

    def phase(self, name: str, done: int, total: int, message: str = "") -> Phase:
        """Record how far the run is; the clock starts again with the first record of each phase."""
        if name != self.name:
            self.name, self._since = name, time.monotonic()
        return self.record(Phase(name, done, total, round(time.monotonic() - self._since, 3), message))

    def obey(self) -> None:
        """Raise Stopped if the stop flag asks for it. Called at least once a batch, in every phase but the training."""
        if self.run.stop_requested() in ("asked", "now"):
            raise Stopped

    def follow(self, name: str, work: Callable[[Callable[..., None]], Result]) -> Generator[Record, None, Result]:
        """Do work that reports its progress to a callback, and yield that progress as phases; return its result.

        The callback takes how much is done and how much there is, and records to be told before. The work runs in a
        thread; if this generator is closed, or the run is stopped, it ends at its next report.
        """
        reports: queue.SimpleQueue[tuple[int, int, tuple[Record, ...]] | None] = queue.SimpleQueue()
        abandoned = threading.Event()

        def progress(done: int, total: int, *told: Record) -> None:
            if abandoned.is_set():
                raise Stopped
            self.obey()
            reports.put((done, total, told))

        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(work, progress)
            future.add_done_callback(lambda _: reports.put(None))
            try:
                while (item := reports.get()) is not None:
                    done, total, told = item
                    yield from map(self.record, told)
                    yield self.phase(name, done, total)
            finally:
                abandoned.set()
        return future.result()

    def rewind(self, step: int) -> None:
        """Remove the training after this step, so that nothing is recorded twice; -1 removes all of it.

        Reports, ends and a torn last line are removed too. The phases stay: they tell how far the run has been, and how
        long it took.
        """
        records, _ = telemetry.read(self.path)
        training = [record for record in records if isinstance(record, Step | Preview | Conflict)]
        kept = list(itertools.takewhile(lambda record: record.step <= step, training))
        stays = {id(record) for record in kept}
        stays |= {id(record) for record in records if isinstance(record, Phase) and record.name in PHASES[:-1]}
        if self.path.exists():
            told = (record for record in records if id(record) in stays)
            write(self.path, "".join(json.dumps(record.to_dict(), ensure_ascii=False) + "\n" for record in told))

    def final(self, name: Literal["stopped", "failed"], message: str) -> Phase:
        """The last event of a run that did not finish. It reaches the caller even if the disk is full."""
        event = Phase(name, 0, 1, round(time.monotonic() - self._since, 3), message)
        with contextlib.suppress(OSError):
            self.record(event)
            if self.quiet:  # a finished run stays that, and its page says why it was not judged again
                write(self.run.path / UNJUDGED, HALTED if name == "stopped" else message)
        return event


def log(run: Run, error: Exception) -> None:
    """Add the error with its traceback to the run's log.txt, if there is space on the disk."""
    with contextlib.suppress(OSError), open(run.path / "log.txt", "a", encoding="utf-8", opener=plain) as file:
        file.write("".join(traceback.format_exception(error)))


def sentence(error: Exception) -> str:
    """What went wrong in one sentence that strangers may read: without a traceback, without folders of this machine."""
    text = without_folders(" ".join(str(error).split())) or type(error).__name__
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left on device" in text:
        return "The disk is full; what was written before is intact, so free some room and run the folder again."
    if isinstance(error, MemoryError) or "out of memory" in text.lower():
        return (
            "The memory is full; resume with fewer pictures at a time (--micro-batch 1, or --gradient-checkpointing), "
            "or train fewer weights."
        )
    if isinstance(error, Refusal | OSError | RuntimeError):
        return text if len(text) <= 500 else text[:499] + "…"
    return f"Something unexpected happened ({type(error).__name__}: {text[:300]}); see log.txt in the run's folder."
