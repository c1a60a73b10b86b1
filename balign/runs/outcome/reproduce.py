"""Repeat a run from a bundle, and compare the weights of the two runs.

The bundle's config begins a new run, and only the hash of its weights stays, in that run's folder. `bundle` makes such
a zip, and `zip_check` reads it.
"""

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from balign import atomic
from balign.measure.report import Reproduction
from balign.plain_file import raise_shortage, read_plain
from balign.runs.folder import Run
from balign.runs.outcome.bundle import WEIGHTS
from balign.runs.outcome.zip_check import Bundle, Fact, MadeWith, digest

NOTE = "reproduces.json"
MAX_NOTE = 100_000
"""Most bytes of reproduces.json; what `note` writes is less."""


class Original(MadeWith):
    """The run that another one repeats (reproduces.json in the folder of that one)."""

    run: Fact
    weights: Fact
    """The hash of its tensors."""


def begin(bundle: Bundle, root: Path | None = None) -> Run:
    """A new run folder with the bundle's config and a note of what it repeats."""
    run = Run.create(bundle.config, root, bundle.pictures)
    note(run, bundle)
    return run


def note(run: Run, bundle: Bundle) -> None:
    """Note in the run's folder what its outcome is to be compared with."""
    repeated = Original(run=bundle.run, weights=bundle.weights, **bundle.made_with.model_dump())
    atomic.write(run.path / NOTE, repeated.model_dump_json(indent=1) + "\n")


def original(run: Run) -> Original | None:
    """The run that this one repeats; None if there is none, or the note of it is unreadable."""
    try:
        return Original.model_validate_json(read_plain(run.path / NOTE, MAX_NOTE))
    except (OSError, ValidationError) as error:
        raise_shortage(error)
        return None


def outcome(run: Run, made_with: MadeWith) -> Reproduction | None:
    """Whether a finished run has the weights of the one it repeats, and what may explain if not; None if none."""
    repeated = original(run)
    if repeated is None:
        return None
    with open(run.path / WEIGHTS, "rb") as file:
        equal = digest(file) == repeated.weights
    if equal:
        words = f"The weights are those of {repeated.run}, bit for bit."
    else:
        differences = "; ".join(_differences(made_with, repeated))
        reason = differences or "same settings and versions, so the machine's arithmetic differs"
        words = f"The weights are not those of {repeated.run}: {reason}."
    return Reproduction(run=repeated.run, equal=equal, words=words)


def _differences(ours: MadeWith, theirs: MadeWith) -> Iterator[str]:
    """Each fact known of both runs that differs, as words."""
    if ours.steps and theirs.steps and ours.steps != theirs.steps:
        yield f"{ours.steps} steps were taken here and {theirs.steps} there"
    if ours.device and theirs.device and ours.device != theirs.device:
        yield f"{ours.device} was the device here and {theirs.device[:40]} there"
    if ours.fingerprint != theirs.fingerprint:
        yield "the files of the base model are not the same"
    for name in sorted(ours.versions.keys() & theirs.versions.keys()):
        if ours.versions[name] != theirs.versions[name]:
            yield f"{name} is {ours.versions[name]} here and was {theirs.versions[name][:40]} there"
