"""A grid as a table for a terminal, a line a method."""

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from balign.grid import summary
from balign.grid.rows import Row
from balign.grid.summary import PictureShare
from balign.markup import formats
from balign.measure.intervals import Change
from balign.measure.report import GROUPS

SURE = 0.05
"""A difference counts with a p below this, after Holm's correction."""


def grid_table(rows: Sequence[Row], against: str) -> Table:
    """Every method with 95 % intervals; with a star, what differs from the named method."""
    lines = summary.lines(rows)
    apart = {
        (each.method, each.model, each.variant, each.measure)
        for each in summary.differences(rows, against)
        if each.p is not None and each.p < SURE
    }
    drawn = Table(show_lines=True, caption_justify="left", caption_style="")
    drawn.caption = escape(f"Intervals of 95 %; * differs from {against} (paired; Holm's p below {SURE}).")
    drawn.add_column("Method")
    for head in ("UA", *(GROUPS[group].title for group in summary.KEPT), "Brought back", "A cell"):
        drawn.add_column(head)
    several = len({line.model for line in lines}) > 1
    for line in lines:
        stars = {name: "*" for *place, name in apart if place == [line.method, line.model, line.variant]}
        named = [line.method, line.model if several else "", line.variant, formats.counted(len(line.rows), "cell")]
        drawn.add_row(
            escape("\n".join(filter(None, named))),
            _rate(line.unlearned, stars.get(summary.UA, "")),
            *(
                f"{_rate(line.recognised(group), stars.get(f'{group}, recognised', ''))}\n"
                f"{_change(line.alignment(group), stars.get(f'{group}, alignment', ''))}"
                for group in summary.KEPT
            ),
            "\n".join(f"{title}: {_rate(rate, stars.get(title, ''))}" for title, rate in line.attacks().items()),
            f"{line.mean(summary.seconds) or 0:,.0f} s\n{formats.gigabytes(line.mean(summary.memory_gb) or 0)}\n"
            f"{(line.mean(summary.stored) or 0) / 1e6:,.1f} MB",
        )
    return drawn


def _rate(rate: PictureShare | None, star: str) -> str:
    return f"{formats.percent(rate.rate)}{star} ({formats.percents(rate.low, rate.high)})" if rate else formats.NONE


def _change(change: Change, star: str) -> str:
    return f"{formats.signed(change.mean)}{star} {escape(formats.between(change.low, change.high))}"
