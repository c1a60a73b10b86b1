"""The large numbers of a finished run: the published accuracies, and how many steps raised a loss."""

from typing import NamedTuple

from balign.markup.formats import percent, percents
from balign.measure.report import RATES, RunReport

PREDICTED = "to first order, for the batch of each step"
MEASURED = "on the same pictures, noise and timesteps, before and after the step"


class Tile(NamedTuple):
    """A number, what it counts, the term for it, and its 95 % interval if there is one."""

    value: str
    text: str
    term: str
    interval: str = ""


def tiles(report: RunReport) -> list[Tile]:
    """The tiles, the same on the page and in report.html; what was not counted is left out."""
    rows = []
    for name, (title, term) in RATES.items():
        rate, interval = getattr(report, name), report.intervals.get(name)
        if rate is not None:
            rows.append(Tile(percent(rate), title, term, percents(*interval) if interval else ""))
    if report.ledger.steps:
        rows.append(Tile(report.ledger.predicted_words, "steps were predicted to raise a loss", PREDICTED))
    if report.ledger.measured:
        rows.append(Tile(report.ledger.measured_words, "measured steps did raise one", MEASURED))
    return rows
