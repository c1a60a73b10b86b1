"""The collateral matrix: what each run erased against what was tested, each cell a paired difference with its interval.

A cell pools a run's test pictures of one concept, whichever group they are in, before and after. Of a concept that the
run did not erase, pictures that show what it did erase as well, an ink cat where the cat was erased, are left out. Runs
that were all tested on one file of prompts (`balign evaluate --tests`) have cells of the same prompts and seeds.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from balign.measure.intervals import Change, change
from balign.measure.report import GroupName, Pair, RunReport
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.outcome.comparison import MOST

COLUMNS = 24
"""Most concepts tested; a wider table is not read."""


@dataclass(frozen=True)
class MatrixCell:
    """What became of one concept in one run."""

    concept: str
    erased: bool
    """Whether it is among what the run erased."""
    change: Change
    """Of alignment, from before to after."""
    images: tuple[tuple[GroupName, Pair], ...]


@dataclass(frozen=True)
class MatrixRow:
    """One run: what it erased, and a cell for each concept of the matrix."""

    run: Run
    name: str
    cells: tuple[MatrixCell, ...]
    sensitive: bool


def matrix(runs: Sequence[Run]) -> list[MatrixRow]:
    """A row for each run that is finished. Columns: what the runs erased, then what they were to keep by name.

    Raises Refusal for too few or too many runs, for runs without scores, and for runs of different scorers.
    """
    if not 2 <= len(runs) <= MOST:
        raise Refusal(f"{len(runs)} runs were named; 2 to {MOST} are accepted.")
    reports = [(run, report) for run in runs if (report := run.report()) is not None and report.scorer]
    scorers = list(dict.fromkeys(report.scorer for _, report in reports))
    if len(scorers) != 1:
        told = " and ".join(scorers) if scorers else "none"
        raise Refusal(f"The runs were scored by {told}; a matrix is of one scorer, which `balign evaluate` changes.")
    shown = [(run, _erased(run, report), _by_concept(report), report.sensitive) for run, report in reports]
    erased = list(dict.fromkeys(concept for _, own, _, _ in shown for concept in own))
    labelled = {concept for _, _, pictures, _ in shown for concept in pictures}
    kept = [text for run, _, _, _ in shown for text in run.config.keep if text in labelled]
    concepts = list(dict.fromkeys([*erased, *kept]))[:COLUMNS]
    return [
        MatrixRow(
            run=run,
            name=run.label or ", ".join(concept.name for concept in run.config.erase),
            cells=tuple(_cell(concept, own, pictures.get(concept, [])) for concept in concepts),
            sensitive=blurred,
        )
        for run, own, pictures, blurred in shown
    ]


def _erased(run: Run, report: RunReport) -> list[str]:
    """What the run erased, by the names that its pictures are labelled with; as it was typed where none is."""
    typed = {concept.name.casefold(): concept.name for concept in run.config.erase}
    group = report.groups.get("erased")
    words = Counter(word for image in (group.images if group else ()) for word in image.labels.values())
    named = [word for word in words if word.casefold() in typed]
    if not named and group:  # typed as a synonym: the one word that all these pictures have
        named = [word for word, times in words.items() if times == len(group.images)]
    return named or list(typed.values())


def _by_concept(report: RunReport) -> dict[str, list[tuple[GroupName, Pair]]]:
    """The pictures of each word that they are labelled with."""
    found: dict[str, list[tuple[GroupName, Pair]]] = {}
    for name, group in report.groups.items():
        for pair in group.images:
            for word in pair.labels.values():
                found.setdefault(word, []).append((name, pair))
    return found


def _cell(concept: str, erased: Sequence[str], images: Sequence[tuple[GroupName, Pair]]) -> MatrixCell:
    """The cell of a concept in a run that erased these."""
    if concept not in erased:
        images = [(group, pair) for group, pair in images if not set(erased) & set(pair.labels.values())]
    pairs = [pair for _, pair in images]
    before, after = ([getattr(pair, f"alignment_{side}") for pair in pairs] for side in ("before", "after"))
    return MatrixCell(concept, concept in erased, change(before, after, [pair.prompt for pair in pairs]), tuple(images))
