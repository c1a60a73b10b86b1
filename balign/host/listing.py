"""Every run in the root as a list that can be searched, and what is known of each.

Facts are read from a folder once, and again only when its files change. It changes nothing and knows no html.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from balign import telemetry
from balign.host import scheduler, visitors, waitlist
from balign.host.status import ENDS
from balign.method.objectives import settle
from balign.runs.config import RunConfig
from balign.runs.folder import Run, list_runs
from balign.runs.outcome import bundle, reproduce

FILES = ("config.json", "label", "telemetry.jsonl", "report.json", "erased.safetensors", reproduce.NOTE)
TAIL = 65_536
"""Bytes at the end of the telemetry in which a run's last word is looked for."""
STATES = {
    "running": "Running",
    "waiting": "Waiting",
    "done": "Done",
    "stopped": "Stopped",
    "failed": "Failed",
    "new": "Not started",
}
MAX_SEARCH = 200


@dataclass(frozen=True)
class Facts:
    """What a run's files say of it."""

    label: str
    config: RunConfig | None
    made: float
    last: telemetry.Phase | None
    report: Mapping[str, Any]
    """The report without its pictures but the first of each group."""
    original: str
    """The id of the run it reproduces, if it does."""
    ready: bool
    """Whether it can be downloaded as a bundle."""


@dataclass(frozen=True)
class Entry:
    """A run in the list."""

    run: Run
    state: str
    facts: Facts

    @property
    def erased(self) -> str:
        config = self.facts.config
        return ", ".join(concept.name for concept in config.erase) if config else "a config that cannot be read"

    @property
    def title(self) -> str:
        return self.facts.label or self.erased

    @property
    def method(self) -> str:
        return settle(self.facts.config).method if self.facts.config else ""


def entries(visitor: visitors.Visitor = scheduler.NOBODY) -> list[Entry]:
    """Every run there is, newest first, wherever it was started; on a public instance those of the visitor."""
    return [entry(run) for run in list_runs() if scheduler.RUN_ID.fullmatch(run.id) and visitors.owns(run, visitor)]


def entry(run: Run) -> Entry:
    """What is known of a run at this moment."""
    alive = scheduler.alive(run)  # asked first: one that ends in between is then read to its end next time
    facts = _facts(run, tuple(signature(run.path / name) for name in FILES))
    last = facts.last.name if facts.last else ""
    if waitlist.ticket(run) and (not alive or last in ENDS):
        return Entry(run, "waiting", facts)
    if alive and last not in ENDS:
        return Entry(run, "running" if run.running() else "waiting", facts)
    state = last if last in ("done", "failed") else "stopped" if last else "new"
    return Entry(run, "running" if run.running() else state, facts)


def matching(found: Sequence[Entry], search: object, state: object, method: object) -> list[Entry]:
    """The entries in which every word of the search occurs, of this state and method; empty stands for any."""
    words = search[:MAX_SEARCH].casefold().split() if isinstance(search, str) else []
    return [
        entry
        for entry in found
        if state in (None, "", entry.state)
        and method in (None, "", entry.method)
        and all(word in _haystack(entry) for word in words)
    ]


def _haystack(entry: Entry) -> str:
    config = entry.facts.config
    parts = [entry.facts.label, entry.run.id, entry.facts.original]
    if config:
        parts += [*(f"{c.name} {c.replace_with or ''}" for c in config.erase), *config.keep, config.model, entry.method]
    return " ".join(parts).casefold()


def signature(path: Path) -> tuple[int, int]:
    """What changes when the file does."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=2_000)
def _facts(run: Run, changed: tuple[tuple[int, int], ...]) -> Facts:
    """The facts as of this change of the files."""
    try:
        config = run.config
    except (ValueError, OSError):
        config = None
    wanted = reproduce.original(run)
    return Facts(
        label=run.label,
        config=config,
        made=changed[0][0] / 1e9,
        last=_last_phase(run.path / "telemetry.jsonl", changed[2][1]),
        report=_short(run),
        original=str(wanted.get("run")) if wanted else "",
        ready=bundle.ready(run),
    )


def _last_phase(path: Path, size: int) -> telemetry.Phase | None:
    records, _ = telemetry.read(path, max(size - TAIL, 0))
    phases = [record for record in records if isinstance(record, telemetry.Phase)]
    return phases[-1] if phases else None


def _short(run: Run) -> dict[str, Any]:
    try:
        report = run.report() or {}
        groups = {
            name: {key: value for key, value in group.items() if key != "images"} | {"images": group["images"][:1]}
            for name, group in report.get("groups", {}).items()
        }
    except (OSError, ValueError, TypeError, AttributeError, KeyError):  # half a file, or one that was tampered with
        return {}
    return report | {"groups": groups} if report else {}
