"""The list of runs: every run in the root with its state and what its files say, and the search in it."""

import calendar
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from balign import telemetry
from balign.host import status, visitors
from balign.host.visitors import NOBODY, Visitor
from balign.measure.headline import headline
from balign.measure.report import RunReport
from balign.method.objectives import settle
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.file_cache import until_changed
from balign.runs.folder import Run, example_runs, list_runs
from balign.runs.outcome import bundle, reproduce
from balign.runs.run_folders import MOMENT
from balign.runs.tryout import attack_store

MAX_SEARCH = 200
REMEMBERED = 2_000
"""Runs of which the list keeps in memory what it reads; of those beyond, it reads again."""


class _Texts(NamedTuple):
    """What is read of a run to find it: its label, what is erased, the method, the id of the run it reproduces."""

    label: str
    erased: str
    method: str
    original: str
    searched: str


class _Outcome(NamedTuple):
    """The report, of its test images only the first of each group, or why it cannot be read; the outcome in words."""

    report: RunReport | None
    unreadable: str
    headline: str


@dataclass(frozen=True)
class ListedRun:
    """A run in the list. What its files say is read when it is asked for: most runs of a long list are only counted."""

    run: Run
    state: status.State = "new"

    @cached_property
    def _texts(self) -> _Texts:
        return _texts(self.run)

    @property
    def label(self) -> str:
        return self._texts.label

    @property
    def erased(self) -> str:
        return self._texts.erased

    @property
    def title(self) -> str:
        return self.label or self.erased

    @property
    def method(self) -> str:
        """The name of the method; empty if the config cannot be read."""
        return self._texts.method

    @property
    def original(self) -> str:
        """The id of the run it reproduces, if it does."""
        return self._texts.original

    @property
    def searched(self) -> str:
        """The text in which words are searched."""
        return self._texts.searched

    @cached_property
    def config(self) -> RunConfig | None:
        """None if it cannot be read."""
        return _config(self.run)

    @property
    def made(self) -> float:
        """When it was begun, in seconds since 1970: by its name, or else the date of the config."""
        if (said := MOMENT.match(self.run.id)) and said[3]:  # older names are in the time of a place
            return calendar.timegm(time.strptime(said[1] + said[2], "%Y%m%d%H%M%S"))
        try:
            return (self.run.path / "config.json").stat().st_mtime
        except OSError:
            return 0.0

    @property
    def last(self) -> telemetry.Phase | None:
        """The last phase it recorded."""
        return status.last_phase(self.run)

    @property
    def report(self) -> RunReport | None:
        """The report, of its test images only the first of each group; None if there is none or it cannot be read."""
        return _outcome(self.run).report

    @property
    def unreadable(self) -> str:
        """Why the report cannot be read, if there is one that cannot."""
        return _outcome(self.run).unreadable

    @property
    def headline(self) -> str:
        """The outcome in words, to stand after what was erased; empty without a report."""
        return _outcome(self.run).headline

    @property
    def ready(self) -> bool:
        """Whether it can be downloaded as a bundle."""
        return bundle.ready(self.run)


def entries(visitor: Visitor = NOBODY) -> list[ListedRun]:
    """Every run, newest first, wherever it was started; on a public instance those of the visitor."""
    runs = [run for run in list_runs() if visitors.owns(run, visitor)]
    return list(map(ListedRun, runs, status.states(runs)))


def examples() -> list[ListedRun]:
    """The finished runs that ship with the project."""
    return [ListedRun(run, "done") for run in example_runs()]


def entry(run: Run) -> ListedRun:
    """The run at this moment. Its state comes first: a run that ends in between is read to its end the next time."""
    return ListedRun(run, status.state(run))


def matching(listed: Sequence[ListedRun], search: object, state: object, method: object) -> list[ListedRun]:
    """The entries in which every word of the search occurs, of this state and method; empty stands for any."""
    words = search[:MAX_SEARCH].casefold().split() if isinstance(search, str) else []
    return [
        entry
        for entry in listed
        if state in (None, "", entry.state)
        and (method in (None, "") or method == entry.method)
        and (not words or all(word in entry.searched for word in words))
    ]


def by_forgotten(entry: ListedRun) -> tuple[bool, float]:
    """Where a run stands among those that forgot most; without a report last."""
    share = entry.report.ua if entry.report else None
    return share is None, -(share or 0.0)


def by_kept(entry: ListedRun) -> tuple[bool, float]:
    """Where a run stands among those whose kept pictures changed least for the worse."""
    kept = entry.report.groups.get("kept") if entry.report else None
    change = kept.change.mean if kept else None
    return change is None, -(change or 0.0)


def by_time(entry: ListedRun) -> tuple[bool, float]:
    """Where a run stands among the quickest."""
    return entry.report is None, entry.report.seconds if entry.report else 0.0


ORDERS: dict[str, Callable[[ListedRun], tuple[bool, float]] | None] = {
    "newest first": None,
    "forgot most": by_forgotten,
    "kept best": by_kept,
    "quickest": by_time,
}
"""How a list may be sorted."""


def ordered(listed: Sequence[ListedRun], order: object) -> list[ListedRun]:
    """The entries in this order; as they are for one that is not known."""
    key = ORDERS.get(order) if isinstance(order, str) else None
    return sorted(listed, key=key) if key else list(listed)


@until_changed("config.json", "label", reproduce.NOTE, most=REMEMBERED)
def _texts(run: Run) -> _Texts:
    config, source = _config(run), reproduce.original(run)
    label, original = run.label, source.run if source else ""
    erased = ", ".join(c.name for c in config.erase) if config else "a config that cannot be read"
    method = settle(config).method if config else ""
    parts = [label, run.id, original]
    if config:
        parts += [*(f"{c.name} {c.replace_with or ''}" for c in config.erase), *config.keep, config.model, method]
    return _Texts(label, erased, method, original, " ".join(parts).casefold())


@until_changed("report.json", "report.html", most=REMEMBERED)  # an attack writes the second anew
def _outcome(run: Run) -> _Outcome:
    report, unreadable = status.readable_report(run)
    words = str(headline(report, attack_store.attacked(run))) if report is not None else ""
    if report is not None:
        groups = {name: group.model_copy(update={"images": group.images[:1]}) for name, group in report.groups.items()}
        report = report.model_copy(update={"groups": groups})
    return _Outcome(report, unreadable, words)


def _config(run: Run) -> RunConfig | None:
    try:
        return run.config
    except Refusal:
        return None
