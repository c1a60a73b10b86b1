"""What a soak holds the studio to: counts, breaches, and the checks of its folders, processes, sizes and log."""

import re
import shutil
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from balign.host import limits, status, waitlist
from balign.refusal import Refusal
from balign.runs.folder import Run

MOST_MEMORY, MOST_FILES, MOST_SESSIONS = 700_000_000, 200, 128
"""Bytes that the server may hold, files it may have open, sessions that gradio may keep."""
PER_START = 12
"""Lines of the log at each start of a server."""
FINAL = ("done", "stopped", "failed")
SHOWN = 4
"""Examples that are printed of each kind of breach."""
TRACE = re.compile(r"Traceback \(most recent call last\):\n((?:[ |].*\n|\n)*)(\S.*)")
PLACE = re.compile(r'File "(\S+)", line (\d+), in (\S+)')


class Book:
    """What was done how often, how much of it was refused, and every breach."""

    def __init__(self) -> None:
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.breaches: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = defaultdict(list)
        self.deed, self.since = "", 0.0
        """What went wrong on the machine last, and when."""
        self._lock = threading.Lock()

    def happened(self, deed: str) -> None:
        self.count(f"chaos: {deed}")
        self.deed, self.since = deed, time.monotonic()

    def count(self, what: str, refused: bool = False) -> None:
        with self._lock:
            self.done[what] += 1
            self.refused[what] += refused

    def breach(self, rule: str, detail: str, times: int = 1) -> None:
        with self._lock:
            self.breaches[rule] += times
            if len(self.examples[rule]) < SHOWN:
                after = f"; {time.monotonic() - self.since:.0f} s after {self.deed}" if self.deed else ""
                self.examples[rule].append(" ".join(detail.split())[:400] + after)

    def table(self) -> str:
        lines = [f"{'what':<34}{'times':>9}{'refused':>9}"]
        lines += [f"{what:<34}{self.done[what]:>9,}{self.refused[what]:>9,}" for what in sorted(self.done)]
        lines += [f"{'breaches':<34}{self.breaches.total():>9,}"]
        for rule, times in self.breaches.most_common():
            lines += [f"  {rule:<32}{times:>9,}", *(f"      {example}" for example in self.examples[rule])]
        return "\n".join(lines)


@dataclass
class Known:
    """A run that a start answered, and what may have happened to it since."""

    id: str
    secret: str
    """Its owner's."""
    config: dict[str, Any]
    stopped: bool = False
    """Whether its owner asked it to stop."""
    deleted: bool = False
    """Whether its owner asked for it to be deleted."""
    excused: bool = False
    """Whether its process was killed or the disk was full meanwhile, so that it need not be done at the end."""


@dataclass
class World:
    """What visitors, chaos and checks share."""

    root: Path
    book: Book = field(default_factory=Book)
    runs: dict[str, Known] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    """Secrets of visitors and keys of their downloads, each with the secret of whose it is."""
    epoch: int = 0
    """Grows whenever the server goes, and when it is back."""
    up: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    """Set when visitors are to leave."""
    full: bool = False
    """Whether the disk is full, or was a moment ago."""
    bad: int = 0
    """Calls that may cost a line of the log."""
    url: str = ""
    pid: int = 0

    def living(self) -> list[Known]:
        return [known for known in list(self.runs.values()) if not known.deleted]

    def excuse(self) -> None:
        """What is not finished at this moment need not be done at the end."""
        for known in self.living():
            known.excused |= not (self.root / known.id / "report.json").exists()


class Watch(threading.Thread):
    """Looks at journal, queue and server all the time."""

    def __init__(self, world: World, journal: Path, sessions: Path) -> None:
        super().__init__(daemon=True)
        self.world, self.journal, self.sessions = world, journal, sessions
        self.offset = 0
        self.working: dict[int, tuple[str, str]] = {}
        """By process: what it does, and the run it does it with."""
        self.waiting: dict[str, int] = {}
        """The runs in the queue at the last look, each with its number."""
        self.passed: dict[str, set[str]] = {}
        """For each run that left the queue, those with lower numbers that were in it before and after."""
        self.most: Counter[str] = Counter()
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.2):
            self.look()

    def look(self) -> None:
        begun = list(self._begun())
        queued = {path.parent.name: waitlist.ticket(Run(path.parent)) for path in self.world.root.glob("*/queued")}
        waiting = {run: ticket.number for run, ticket in queued.items() if ticket and run in self.world.runs}
        still = {run for run in self.waiting.keys() & waiting.keys() if self.waiting[run] == waiting[run]}
        for run in self.waiting.keys() - waiting.keys():
            self.passed[run] = {other for other in still if self.waiting[other] < self.waiting[run]}
        for run in begun:
            for other in self.passed.pop(run, set()) & waiting.keys():
                self.world.book.breach("begun out of turn", f"{run} before {other}")
        self.waiting = waiting
        self.most["runs in the queue"] = max(self.most["runs in the queue"], len(queued))
        try:
            process = psutil.Process(self.world.pid)
            sizes = {"bytes of memory": process.memory_info().rss, "open files": process.num_fds()}
        except psutil.Error:
            return
        for what, size in sizes.items():
            self.most[what] = max(self.most[what], size)

    def _begun(self) -> Iterator[str]:
        """Runs that were begun since the last look; two processes on one run, or two runs at once, are breaches."""
        if not self.journal.exists():
            return
        with open(self.journal) as file:
            file.seek(self.offset)
            lines = file.readlines()
            self.offset = file.tell()
        for what, kind, run, number in (line.split() for line in lines):
            if what in ("end", "killed"):
                self.working.pop(int(number), None)
                continue
            for other in self.working.values():
                if other[1] == run:
                    self.world.book.breach("two processes on one run", f"{kind} of {run} beside a {other[0]} of it")
                elif kind == other[0] == "run":
                    self.world.book.breach("two runs at once", f"{run} beside {other[1]}")
            self.working[int(number)] = (kind, run)
            self.world.book.count(f"(processes: {kind})")
            if kind == "run":
                yield run

    def bounds(self) -> None:
        """Hold the highest figures against what may be."""
        if self.sessions.exists():
            self.most["sessions"] = max((int(line) for line in self.sessions.read_text().split()), default=0)
        bounds = {"bytes of memory": MOST_MEMORY, "open files": MOST_FILES, "sessions": MOST_SESSIONS}
        bounds["runs in the queue"] = limits.LIMITS.queued
        for what, most in bounds.items():
            self.world.book.done[f"(most {what})"] = self.most[what]
            if self.most[what] > most:
                self.world.book.breach("a bound", f"{self.most[what]:,} {what}; at most {most:,}")


def moving(world: World) -> list[str]:
    """The runs that have not come to an end, each with its state."""
    states = {known.id: status.state(Run(world.root / known.id)) for known in world.living() if _there(world, known)}
    return [f"{run} is {state}" for run, state in states.items() if state in status.LIVE]


def nothing_lost(world: World) -> None:
    """Hold every run that was promised against its folder."""
    book = world.book
    for known in list(world.runs.values()):
        run = Run(world.root / known.id)
        if not _there(world, known):
            if not known.deleted:
                book.breach("a run is lost", known.id)
            continue
        book.count("(runs at the end)")
        try:
            config = run.config.model_dump()
        except (Refusal, OSError) as error:
            book.breach("a config is unreadable", f"{known.id}: {error}")
            continue
        if unlike := [name for name, value in known.config.items() if config[name] != value]:
            book.breach("a config is not as asked", f"{known.id}: {', '.join(unlike)}")
        state, last = status.state(run), run.last_phase()
        book.count(f"(runs at the end: {state})")
        if state == "new":
            book.breach("lost from the queue", known.id)
        elif state in FINAL and state != "done" and not (known.stopped or known.excused):
            book.breach("a run is not done", f"{known.id} is {state}: {last.message if last else 'no word'}")
        weights = run.path / "erased.safetensors"
        if last and "the weights are kept" in last.message and not weights.is_file():
            book.breach("a stop kept no weights", known.id)
        if state == "done" and (run.report() is None or not weights.is_file()):
            book.breach("a finished run has no report or weights", known.id)


def _there(world: World, known: Known) -> bool:
    return (world.root / known.id / "config.json").exists()


def uploads_gone(world: World, folder: Path, age: float) -> None:
    """No upload may be left that is older than this."""
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []
    old = [path for path in files if time.time() - path.stat().st_mtime > age]
    if old:
        size = sum(path.stat().st_size for path in old)
        world.book.breach("uploads are left", f"{len(old)} files of {size:,} bytes in {shutil.disk_usage(folder)}")


def log_is_short(world: World, log: Path, starts: int) -> None:
    """No traceback, and no more lines than starts and bad calls account for."""
    text = log.read_text(errors="replace")
    for trace, error in TRACE.findall(text):
        places = PLACE.findall(trace)
        ours = [place for place in places if "/balign/" in place[0] and "site-packages" not in place[0]] or places
        file, line, name = ours[-1] if ours else ("?", "?", "?")
        place = f"{'/'.join(Path(file).parts[-3:])}:{line} in {name}"
        world.book.breach("a traceback in the log", f"{error[:150]} at {place}")
    lines, most = text.count("\n"), PER_START * starts + world.bad
    world.book.done["(lines of the log)"] = lines
    if lines > most:
        world.book.breach("a bound", f"{lines:,} lines of the log; at most {most:,}")
