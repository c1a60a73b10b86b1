"""The charts and the ledger of a run's training, the same on the page and in report.html."""

from collections.abc import Sequence

from markupsafe import Markup

from balign.markup.charts import Cell, Series, lines
from balign.measure import ledger
from balign.measure.report import TESTED
from balign.telemetry import Preview, Step

DRAWN = "the thin line is every step, the thick one is smoothed"
FORGET = f"forget loss: what the training lowers to make the model forget; {DRAWN}"
RETAIN = f"retain loss: how badly the model denoises what it should keep; {DRAWN}"
COSINE = "cosine of the forget and retain gradients: below zero, erasing and keeping pull against each other"
ALIGNMENT = (
    "mean cosine of the preview pictures with their own prompts, by the scorer; the band is the 95 % interval of the "
    "mean, wide because they are few"
)


def charts(steps: Sequence[Step], previews: Sequence[Preview], last_step: int) -> tuple[Markup, ...]:
    """Each loss and the cosine of the gradients at each step, and the alignment of each group at each preview."""
    forget = Series("forget loss", "erased", [(step.step, step.forget_loss) for step in steps], FORGET, True)
    retain = Series("retain loss", "kept", [(step.step, step.retain_loss) for step in steps], RETAIN, True)
    cosine = Series("cosine", "plain", [(step.step, step.cosine) for step in steps], COSINE, True)
    alignment = []
    for name in TESTED:
        scored = [preview for preview in previews if name in preview.alignment]
        points = [(preview.step, preview.alignment[name]) for preview in scored]
        margins = [preview.margin.get(name, 0.0) for preview in scored]
        intervals = [(y - margin, y + margin) for (_, y), margin in zip(points, margins, strict=True)]
        alignment.append(Series(name, name, points, ALIGNMENT, intervals=intervals))
    return (
        lines("Forgetting: lower is further", [forget], last_step),
        lines("Keeping: lower is better kept", [retain], last_step),
        lines("Do erasing and keeping agree?", [cosine], last_step, limits=(-1, 1)),
        lines("Do pictures match their words?", alignment, last_step, waiting="Waiting for the first preview"),
    )


def cells(steps: Sequence[Step]) -> list[Cell]:
    """For each step whether it was predicted, and measured, to raise neither loss."""
    cells = []
    for step in steps:
        measured = ledger.measured(step)
        found = None if measured is None else not any(measured)
        cells.append(Cell(step.step, not any(ledger.predicted(step)), found, ledger.rise(step), ledger.silent(step)))
    return cells
