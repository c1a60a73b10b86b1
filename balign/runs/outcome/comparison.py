"""Several runs side by side: in what they differ, and what that did to the same pictures.

The pictures of two runs pair by group, prompt and seed, so that the difference of two runs has an interval like the
change within one. It reads what runs left, scores nothing, and needs no torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from balign.measure.intervals import Change, change
from balign.measure.report import RunReport
from balign.method.objectives import settle
from balign.models import catalogue
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.folder import Run

MOST = 8
"""Runs in one comparison; more cannot be told apart on a plot."""
GROUPS = ("erased", "kept", "neighbours")
OWN = ("train", "learning_rate", "retain_weight", "truncation", "negative_guidance", "batch_forget", "batch_retain")
"""The numbers a method brings along; two methods may differ in them and still be compared fairly."""
ASIDE = ("method", *OWN, "measure_every", "preview_every", "checkpoint_every", "device")
"""Settings that do not decide what is compared."""


@dataclass(frozen=True)
class Row:
    """One run of a comparison."""

    run: Run
    name: str
    """Its label, or what it erased."""
    method: str
    report: RunReport | None
    against: Mapping[str, Change]
    """For each group how much better its pictures match their words than the first run's, where they pair."""


def compare(runs: Sequence[Run]) -> list[Row]:
    """A row for each run; the first is the one the others are held against."""
    if len({run.path for run in runs}) != len(runs) or not 2 <= len(runs) <= MOST:
        raise Refusal(f"{len(runs)} runs were named; 2 to {MOST} different ones are accepted.")
    reports = [run.report() for run in runs]
    return [
        Row(
            run=run,
            name=run.label or ", ".join(concept.name for concept in run.config.erase),
            method=settle(run.config).method,
            report=report,
            against={} if k == 0 else _against(reports[0], report),
        )
        for k, (run, report) in enumerate(zip(runs, reports, strict=True))
    ]


def settings(config: RunConfig) -> dict[str, str]:
    """Every setting as it comes out in the end, as words."""
    known = config.model_dump(exclude={"erase", "keep"}) | asdict(settle(config))
    try:
        entry = catalogue.find(config.model)
    except ValueError:  # a folder that is not here any more: what it would have decided stays open
        entry = None
    for name, own in (("sampling_steps", "steps"), ("guidance", "guidance"), ("scorer", "scorer")):
        if known[name] is None and entry is not None:
            known[name] = getattr(entry, own)
    erased = ", ".join(f"{c.name}={c.replace_with}" if c.replace_with else c.name for c in config.erase)
    words = {"erase": erased, "keep": "; ".join(config.keep) or "nothing named"}
    return words | {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in known.items()}


def differing(runs: Sequence[Run]) -> dict[str, list[str]]:
    """The settings in which the runs are not all the same: a value for each run."""
    known = [settings(run.config) for run in runs]
    return {name: [each[name] for each in known] for name in known[0] if len({each[name] for each in known}) > 1}


def sentence(runs: Sequence[Run]) -> str:
    """Whether the comparison is one of methods alone, and if not, in what else the runs differ."""
    differ = differing(runs)
    unfair = {name: values for name, values in differ.items() if name not in ASIDE}
    if not unfair and "method" in differ:
        own = [name.replace("_", " ") for name in OWN if name in differ]
        brought = f" and the numbers it brings along ({', '.join(own)})" if own else ""
        return f"Same model, lists, data, seed and steps: the runs differ only in the method{brought}."
    if not unfair:
        small = ", ".join(name.replace("_", " ") for name in differ)
        return f"The runs differ only in {small}." if small else "The runs have the same settings throughout."
    told = "; ".join(f"{name.replace('_', ' ')} ({', '.join(_short(v) for v in unfair[name])})" for name in unfair)
    return f"The runs differ in more than the method, so not all that follows is due to it: {told}."


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


def _against(first: RunReport | None, other: RunReport | None) -> dict[str, Change]:
    """The change of alignment from the first run's pictures to the other's, group by group."""
    if not first or not other or first.scorer != other.scorer:
        return {}
    ours, theirs = _scores(first), _scores(other)
    found = {}
    for name in GROUPS:
        pairs = [key for key in ours if key[0] == name and key in theirs]
        if pairs:
            prompts = [key[1] for key in pairs]
            found[name] = change([ours[key] for key in pairs], [theirs[key] for key in pairs], prompts)
    return found


def _scores(report: RunReport) -> dict[tuple[str, str, int], float]:
    """Each picture's alignment after erasing, by group, prompt and seed."""
    return {
        (name, image.prompt, image.seed): image.alignment_after
        for name, group in report.groups.items()
        for image in group.images
    }
