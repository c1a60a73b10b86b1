"""Live charts and the ledger strip as small html fragments, made from lists of numbers.

Every fragment keeps its shape from one update to the next, so that the page only moves the ends of lines and never
mounts a chart anew. Colours are classes of the style sheet. Nothing here knows a run or a folder.
"""

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

LIMIT = 500
"""No more points than this in a series, however long the run."""
WIDTH, HEIGHT = 1000, 300

Point = tuple[float, float]


class Series(NamedTuple):
    """One line of a chart. `role` is a colour class; `smooth` draws the points faintly behind their smoothed line.

    `margins` is half an interval for each point: a band around the line.
    """

    name: str
    role: str
    points: Sequence[Point]
    term: str = ""
    smooth: bool = False
    margins: Sequence[float] = ()


def finite(points: Sequence[Point]) -> list[Point]:
    """The points that can be drawn."""
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def decimate(points: Sequence[Point], limit: int = LIMIT) -> list[Point]:
    """At most `limit` of the points: the lowest and highest of every stretch, so that no spike is lost."""
    if len(points) <= limit:
        return list(points)
    inner, buckets = points[1:-1], (limit - 2) // 2
    kept = [points[0]]
    for k in range(buckets):
        stretch = inner[k * len(inner) // buckets : (k + 1) * len(inner) // buckets]
        low, high = min(stretch, key=lambda p: p[1]), max(stretch, key=lambda p: p[1])
        kept += [low] if low == high else sorted((low, high))
    return [*kept, points[-1]]


def smooth(points: Sequence[Point], end: int) -> list[Point]:
    """An exponential moving average over about a fifteenth of the run, which starts at the first value without lag."""
    weight = min(max(2 / (end / 15 + 1), 0.06), 1.0)
    total = norm = 0.0
    drawn = []
    for x, y in points:
        total, norm = total + weight * (y - total), norm + weight * (1 - norm)
        drawn.append((x, total / norm))
    return drawn


def ticks(low: float, high: float) -> tuple[float, float, float]:
    """Three round numbers, evenly apart, the outer two enclosing the range."""
    span = max(high - low, 1e-6 * max(abs(low), abs(high), 1e-3))
    size = 10.0 ** math.floor(math.log10(span / 2))
    for step in (size * m for m in (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12.5, 15, 20)):
        bottom = math.floor(low / step + 1e-9) * step
        if bottom + 2 * step >= high - 1e-9 * span:
            return bottom, bottom + step, bottom + 2 * step
    return low, (low + high) / 2, high


def chart(
    title: str,
    series: Sequence[Series],
    last_step: int,
    *,
    limits: tuple[float, float] | None = None,
    waiting: str = "Waiting for the first step",
) -> str:
    """A figure with a legend that tells the latest values. Without points it is the empty frame, of the same size."""
    drawn = [(line, finite(line.points)) for line in series]
    values = [y for _, points in drawn for _, y in points]
    values += [y for line, _ in drawn for _, y in _band(line)]
    low, middle, high = ticks(*(limits or ((min(values), max(values)) if values else (0.0, 1.0))))
    end = max([last_step, 1, *(int(x) for _, points in drawn for x, _ in points)])
    shown = [smooth(points, end) if line.smooth else points for line, points in drawn]
    legend = "".join(_key(line, points) for (line, _), points in zip(drawn, shown, strict=True))
    lines = "".join(_line(line, raw, points, end, low, high) for (line, raw), points in zip(drawn, shown, strict=True))
    note = "" if values else f'<p class="waiting">{escape(waiting)}</p>'
    labels = "".join(f"<span>{_short(v)}</span>" for v in (high, middle, low)) if values else ""
    told = [f"{line.name} {_value(points[-1][1])}" for (line, _), points in zip(drawn, shown, strict=True) if points]
    words = f"{title} {'; '.join(told)}"
    return (
        f'<figure class="chart"><figcaption><b>{escape(title)}</b><span class="keys">{legend}</span></figcaption>'
        f'<div class="plot"><div class="ys" aria-hidden="true">{labels}</div><div class="canvas">'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{escape(words)}"'
        f' data-end="{end}" data-low="{low:.6g}" data-high="{high:.6g}">'
        f'<path class="grid" d="M0 0H{WIDTH}M0 {HEIGHT // 2}H{WIDTH}M0 {HEIGHT}H{WIDTH}"/>{lines}</svg>{note}</div>'
        f'<div class="xs" aria-hidden="true"><span>0</span><span>step</span><span>{end:,}</span></div></div></figure>'
    )


def _key(line: Series, points: Sequence[Point]) -> str:
    value = f" <b>{_value(points[-1][1])}</b>" if points else ""
    term = f' title="{escape(line.term)}"' if line.term else ""
    return f'<span class="key {line.role}"{term}>{escape(line.name)}{value}</span>'


def _line(line: Series, raw: Sequence[Point], points: Sequence[Point], end: int, low: float, high: float) -> str:
    """The line, over its raw points if it is smoothed; a few points are drawn as dots too, so that one alone shows."""

    def path(some: Sequence[Point]) -> str:
        at = (
            f"{WIDTH * x / end:.1f} {HEIGHT * (1 - (min(max(y, low), high) - low) / (high - low)):.1f}" for x, y in some
        )
        return "M" + "L".join(at) if some else ""

    faint = path(decimate(raw)) if line.smooth else ""
    dots = "".join(path([p]) + "h0" for p in points) if len(points) <= 24 and not line.smooth else ""
    return (
        f'<path class="band {line.role}" d="{path(_band(line))}"/><path class="raw {line.role}" d="{faint}"/>'
        f'<path class="line {line.role}" data-name="{escape(line.name)}" d="{path(decimate(points))}"/>'
        f'<path class="dots {line.role}" d="{dots}"/>'
    )


def _band(line: Series) -> list[Point]:
    """The outline of a line's margins: along their upper ends and back along the lower ones."""
    told = [(x, y, m) for (x, y), m in zip(line.points, line.margins, strict=False) if math.isfinite(x + y + m)]
    some = told[:: max(1, -(-len(told) // LIMIT))]
    return [(x, y + m) for x, y, m in some] + [(x, y - m) for x, y, m in reversed(some)]


def _short(value: float) -> str:
    return _minus(f"{value:.3g}" if abs(value) >= 1e-12 else "0")


def _value(value: float) -> str:
    return _minus(f"{value:.3f}" if 0.001 <= abs(value) < 100 or value == 0 else f"{value:.2g}")


def _minus(text: str) -> str:
    """With a minus sign in place of the first hyphen."""
    return text.replace("-", "\u2212", 1) if text.startswith("-") else text


class Cell(NamedTuple):
    """One step of the ledger. `promised` and `measured` say whether neither loss rose; None was not measured."""

    step: int
    promised: bool
    measured: bool | None


def ledger(cells: Sequence[Cell], last_step: int) -> str:
    """Two rows of cells, one a step; in a long run one cell stands for a stretch and is red if any step in it was."""
    end = max([last_step, 1, *(cell.step for cell in cells)])
    columns = min(end, LIMIT)
    promised: dict[int, bool] = {}
    measured: dict[int, bool] = {}
    for cell in cells:
        column = min((max(cell.step, 1) - 1) * columns // end, columns - 1)
        promised[column] = promised.get(column, True) and cell.promised
        if cell.measured is not None:
            measured[column] = measured.get(column, True) and cell.measured
    rows = (
        f'<path class="empty" d="M0 0H{columns}V10H0Z"/>'
        + _cells(promised, True, 0, 10)
        + _cells(promised, False, 0, 10)
        + _cells(measured, True, 12, 4)
        + _cells(measured, False, 12, 4)
    )
    return (
        f'<svg class="strip" viewBox="0 0 {columns} 16" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(ledger_words(cells))}">{rows}</svg>'
    )


def _cells(columns: dict[int, bool], good: bool, y: int, height: int) -> str:
    marks = "".join(f"M{column}.1 {y}h.8v{height}h-.8z" for column, kept in sorted(columns.items()) if kept is good)
    return f'<path class="{"held" if good else "broken"}" d="{marks}"/>'


def ledger_words(cells: Sequence[Cell]) -> str:
    """What the strip says, counted."""
    if not cells:
        return "No step has been taken yet."
    held = sum(cell.promised for cell in cells)
    checked = [cell for cell in cells if cell.measured is not None]
    words = f"{held:,} of {len(cells):,} steps promised to raise neither loss"
    if checked:
        words += f"; of {len(checked):,} that were measured, {sum(bool(c.measured) for c in checked):,} raised neither"
    return words + "."
