"""The list of runs: every run in the root with its state and what its files say, and the search in it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from balign import telemetry
from balign.host import status, visitors
from balign.host.visitors import NOBODY, Visitor
from balign.measure.report import RunReport
from balign.method.objectives import settle
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.file_cache import until_changed
from balign.runs.folder import RUN_ID, Run, list_runs
from balign.runs.outcome import bundle, reproduce

FILES = ("config.json", "label", "telemetry.jsonl", "report.json", "erased.safetensors", reproduce.NOTE)
MAX_SEARCH = 200


@dataclass(frozen=True)
class ListedRun:
    """A run in the list: its state, and what its files say."""

    run: Run
    label: str
    config: RunConfig | None
    """None if it cannot be read."""
    made: float
    """The date of the config, in seconds since 1970."""
    last: telemetry.Phase | None
    report: RunReport | None
    """The report, of its test images only the first of each group; None if there is none or it cannot be read."""
    unreadable: str
    """Why the report cannot be read, if there is one that cannot."""
    original: str
    """The id of the run it reproduces, if it does."""
    ready: bool
    """Whether it can be downloaded as a bundle."""
    state: status.State = "new"

    @property
    def erased(self) -> str:
        return ", ".join(c.name for c in self.config.erase) if self.config else "a config that cannot be read"

    @property
    def title(self) -> str:
        return self.label or self.erased

    @property
    def method(self) -> str:
        return settle(self.config).method if self.config else ""


def entries(visitor: Visitor = NOBODY) -> list[ListedRun]:
    """Every run, newest first, wherever it was started; on a public instance those of the visitor."""
    return [entry(run) for run in list_runs() if RUN_ID.fullmatch(run.id) and visitors.owns(run, visitor)]


def entry(run: Run) -> ListedRun:
    """The run at this moment. Its state comes first: a run that ends in between is read to its end the next time."""
    state = status.state(run)
    return replace(_stateless(run), state=state)


def matching(listed: Sequence[ListedRun], search: object, state: object, method: object) -> list[ListedRun]:
    """The entries in which every word of the search occurs, of this state and method; empty stands for any."""
    words = search[:MAX_SEARCH].casefold().split() if isinstance(search, str) else []
    return [
        entry
        for entry in listed
        if state in (None, "", entry.state)
        and method in (None, "", entry.method)
        and all(word in _searched(entry) for word in words)
    ]


def _searched(entry: ListedRun) -> str:
    """The text of an entry that is searched."""
    parts = [entry.label, entry.run.id, entry.original]
    if config := entry.config:
        parts += [*(f"{c.name} {c.replace_with or ''}" for c in config.erase), *config.keep, config.model, entry.method]
    return " ".join(parts).casefold()


@until_changed(*FILES, most=2_000)
def _stateless(run: Run) -> ListedRun:
    try:
        config = run.config
    except (Refusal, OSError):
        config = None
    try:
        made = (run.path / "config.json").stat().st_mtime
    except OSError:
        made = 0.0
    report, unreadable = status.readable_report(run)
    if report is not None:
        groups = {name: group.model_copy(update={"images": group.images[:1]}) for name, group in report.groups.items()}
        report = report.model_copy(update={"groups": groups})
    source = reproduce.original(run)
    original = source.run if source else ""
    last = status.last_phase(run)
    return ListedRun(run, run.label, config, made, last, report, unreadable, original, bundle.ready(run))
