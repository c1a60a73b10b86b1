"""A comparison of several runs: in which settings they differ, and what that did to the same pictures.

The pictures of two runs pair by group, prompt and seed, so that the difference of two runs has an interval like the
change within one.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from pydantic import BaseModel

from balign.measure.intervals import Change, change
from balign.measure.report import GROUPS, GroupName, RunReport
from balign.method.objectives import Settings, settle
from balign.models import catalogue
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.folder import Run

MOST = 8
"""Most runs in one comparison; more cannot be distinguished in a chart."""
METHOD_SETTINGS = tuple(f.name for f in fields(Settings) if f.name not in ("method", "steps", "measure_every"))
"""Settings that a method has its own defaults for; methods that differ in them still compare fairly."""
OWN_LISTS = ("tests", "forget_pictures", "keep_pictures")
"""What may be somebody's own."""
ASIDE = (
    *("tests", "n_trained", "measure_every", "preview_every", "checkpoint_every", "device"),
    *("method", *METHOD_SETTINGS),
)
"""Settings that do not decide what is compared."""


@dataclass(frozen=True)
class ComparedRun:
    """One run of a comparison."""

    run: Run
    name: str
    """Its label, or what it erased."""
    method: str
    report: RunReport | None
    against: Mapping[GroupName, Change]
    """For each group the change of alignment from the first run's pictures to those of this run, where they pair."""


def compare(runs: Sequence[Run]) -> list[ComparedRun]:
    """The runs, each with its changes from the first. Raises Refusal for too few, too many or equal runs."""
    if len({run.path for run in runs}) != len(runs) or not 2 <= len(runs) <= MOST:
        raise Refusal(f"{len(runs)} runs were named; 2 to {MOST} different ones are accepted.")
    reports = [run.report() for run in runs]
    return [
        ComparedRun(
            run=run,
            name=run.label or ", ".join(concept.name for concept in run.config.erase),
            method=settle(run.config).method,
            report=report,
            against={} if k == 0 else _against(reports[0], report),
        )
        for k, (run, report) in enumerate(zip(runs, reports, strict=True))
    ]


def settings(config: RunConfig) -> dict[str, str]:
    """Every setting in its final value, as text."""
    values = config.model_dump(exclude={"erase", "keep", "grammar", *OWN_LISTS}) | asdict(settle(config))
    values |= {name: _told(getattr(config, name)) for name in OWN_LISTS}
    values["grammar"] = _told([config.grammar] if config.grammar else [])
    try:
        entry = catalogue.find(config.model)
    except Refusal:  # a folder that is not here any more: what it would have decided stays open
        entry = None
    for name, default in (
        ("sampling_steps", "steps"),
        ("guidance", "guidance"),
        ("size", "size_px"),
        ("scorer", "scorer"),
    ):
        if values[name] is None and entry is not None:
            values[name] = getattr(entry, default)
    erased = ", ".join(f"{c.name}={c.replace_with}" if c.replace_with else c.name for c in config.erase)
    lists = {"erase": erased, "keep": "; ".join(config.keep) or "nothing named"}
    return lists | {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in values.items()}


def _told(entries: Sequence[BaseModel]) -> str:
    """How many entries of somebody's own there are, and a word that other ones do not have."""
    if not entries:
        return "none"
    listed = "\n".join(entry.model_dump_json() for entry in entries)
    return f"{len(entries):,}, {hashlib.sha256(listed.encode()).hexdigest()[:8]}"


def differing(runs: Sequence[Run]) -> dict[str, list[str]]:
    """The settings in which the runs are not all the same: a value for each run."""
    known = [settings(run.config) | _cut_short(run) for run in runs]
    return {name: [each[name] for each in known] for name in known[0] if len({each[name] for each in known}) > 1}


def _cut_short(run: Run) -> dict[str, str]:
    """The steps of a run whose training was stopped: as many as its report is about."""
    report = run.report()
    return {"steps": report.taken} if report and report.steps < report.planned else {}


def sentence(runs: Sequence[Run]) -> str:
    """Whether the comparison is one of methods alone, and if not, in what else the runs differ."""
    differ = differing(runs)
    unfair = {name: values for name, values in differ.items() if name not in ASIDE}
    if not unfair and "method" in differ:
        defaults = ", ".join(name.replace("_", " ") for name in METHOD_SETTINGS if name in differ)
        ending = f" and its own defaults ({defaults})" if defaults else ""
        return f"Same model, lists, data, seed and steps: the runs differ only in the method{ending}."
    if not unfair:
        small = ", ".join(name.replace("_", " ") for name in differ)
        return f"The runs differ only in {small}." if small else "The runs have the same settings throughout."
    short = {name: [text if len(text) <= 60 else text[:59] + "…" for text in unfair[name]] for name in unfair}
    listed = "; ".join(f"{name.replace('_', ' ')} ({', '.join(texts)})" for name, texts in short.items())
    return f"The runs differ in more than the method, so not all that follows is due to it: {listed}."


def _against(first: RunReport | None, other: RunReport | None) -> dict[GroupName, Change]:
    """The change of alignment from the first run's pictures to the other's, for each group."""
    if not first or not other or not first.scorer or first.scorer != other.scorer:
        return {}
    changes = {}
    for name in GROUPS:
        ours, theirs = (
            {(i.prompt, i.seed): i.alignment_after for i in report.groups[name].images if i.alignment_after is not None}
            if name in report.groups
            else {}
            for report in (first, other)
        )
        pairs = [pair for pair in ours if pair in theirs]
        if pairs:
            prompts = [prompt for prompt, _ in pairs]
            changes[name] = change([ours[pair] for pair in pairs], [theirs[pair] for pair in pairs], prompts)
    return changes
