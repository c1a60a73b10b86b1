"""The record a run keeps of itself while it goes: every event appended to telemetry.jsonl, and the stop flag obeyed.

It knows phases and steps as records only, not what is done in them.
"""

import contextlib
import errno
import itertools
import json
import queue
import threading
import time
import traceback
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

from balign import telemetry
from balign.atomic import write
from balign.runs.folder import Run
from balign.telemetry import Conflict, Phase, Preview, Record, Step

Event = TypeVar("Event", bound=Record)
Result = TypeVar("Result")


class Stopped(Exception):
    """Somebody asked the run to stop; `keep` says whether the weights so far are wanted."""

    def __init__(self, wish: Literal["keep", "discard"]) -> None:
        super().__init__(wish)
        self.keep = wish == "keep"
        self.words = "Stopped before the training began; running the folder again goes on from here."


class Recorder:
    """Appends events to a run's telemetry and times its phases."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.path = run.path / "telemetry.jsonl"
        self.name = "load"
        self.quiet = False  # events are passed on but not written down
        self._since = time.monotonic()

    def say(self, event: Event) -> Event:
        """Write the event down and return it, to be yielded."""
        if not self.quiet:
            telemetry.append(self.path, event)
        return event

    def phase(self, name: str, done: int, total: int, message: str = "") -> Phase:
        """Where the run is now; the clock starts anew with a phase's first mention."""
        if name != self.name:
            self.name, self._since = name, time.monotonic()
        return self.say(Phase(name, done, total, round(time.monotonic() - self._since, 3), message))

    def obey(self) -> None:
        """Raise Stopped if the stop flag is up. Called at least once a batch, in every phase."""
        wish = self.run.stop_requested()
        if wish is not None:
            raise Stopped(wish)

    def follow(self, name: str, work: Callable[[Callable[[int, int], None]], Result]) -> Generator[Phase, None, Result]:
        """Do work that reports its progress to a callback, and yield that progress as phases while it goes.

        The work runs in a thread; if this generator is closed, or the run is stopped, it ends at its next report.
        """
        news: queue.SimpleQueue[tuple[int, int] | None] = queue.SimpleQueue()
        abandoned = threading.Event()

        def progress(done: int, total: int) -> None:
            if abandoned.is_set():
                raise Stopped("keep")
            self.obey()
            news.put((done, total))

        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(work, progress)
            future.add_done_callback(lambda _: news.put(None))
            try:
                while (item := news.get()) is not None:
                    yield self.phase(name, *item)
            finally:
                abandoned.set()
        return future.result()

    def rewind(self, step: int) -> None:
        """Take back what was recorded after this step, so that nothing is told twice; -1 takes back all training.

        What came after the last step left is retold too, and a torn last line goes.
        """
        records, _ = telemetry.read(self.path)
        training = [k for k, record in enumerate(records) if isinstance(record, Step | Preview | Conflict)]
        within = list(itertools.takewhile(lambda k: getattr(records[k], "step", 0) <= step, training))
        end = within[-1] + 1 if within else training[0] if training else len(records)
        if self.path.exists():
            lines = (json.dumps(record.to_dict(), ensure_ascii=False) + "\n" for record in records[:end])
            write(self.path, "".join(lines))

    def final(self, name: Literal["stopped", "failed"], message: str) -> Phase:
        """The last word of a run that did not finish. A disk too full to hold it does not hide it from the caller."""
        event = Phase(name, 0, 1, round(time.monotonic() - self._since, 3), message)
        with contextlib.suppress(OSError):
            self.say(event)
        return event


def log(run: Run, error: Exception) -> None:
    """Add the error with its traceback to the run's log.txt, if the disk has room for it."""
    with contextlib.suppress(OSError), open(run.path / "log.txt", "a", encoding="utf-8") as file:
        file.write("".join(traceback.format_exception(error)))


def sentence(error: Exception) -> str:
    """What went wrong, for people: one sentence without a traceback."""
    text = " ".join(str(error).split()) or type(error).__name__
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left on device" in text:
        return "The disk is full; what was written before is intact, so free some room and run the folder again."
    if isinstance(error, MemoryError) or "out of memory" in text.lower():
        return "The memory is full; use smaller batches, train fewer weights, or take a smaller model."
    if isinstance(error, ValueError | OSError | RuntimeError):
        return text if len(text) <= 500 else text[:499] + "…"
    return (
        f"Something unexpected happened ({type(error).__name__}: {text[:300]}); log.txt in the run's folder says more."
    )
