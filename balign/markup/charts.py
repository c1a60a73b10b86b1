"""Charts as svg in small html fragments: lines over steps, points with whiskers, the ledger strip.

A fragment keeps its shape from one update to the next, so that the page moves the ends of lines and mounts no chart
anew. Colours are classes of the style sheet (charts.css).
"""

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from markupsafe import Markup

from balign.markup.formats import MINUS, signed

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


def lines(
    title: str,
    series: Sequence[Series],
    last_step: int,
    *,
    limits: tuple[float, float] | None = None,
    waiting: str = "Waiting for the first step",
) -> Markup:
    """Lines over steps, with a legend of the latest values. Without points it is the empty frame, of the same size."""
    drawn = [(line, finite(line.points)) for line in series]
    values = [y for _, points in drawn for _, y in points]
    values += [y for line, _ in drawn for _, y in _band(line)]
    low, middle, high = ticks(*(limits or ((min(values), max(values)) if values else (0.0, 1.0))))
    end = max([last_step, 1, *(int(x) for _, points in drawn for x, _ in points)])
    shown = [smooth(points, end) if line.smooth else points for line, points in drawn]
    legend = "".join(_key(line, points) for (line, _), points in zip(drawn, shown, strict=True))
    paths = "".join(_line(line, raw, points, end, low, high) for (line, raw), points in zip(drawn, shown, strict=True))
    latest = [f"{line.name} {_value(points[-1][1])}" for (line, _), points in zip(drawn, shown, strict=True) if points]
    grid = f"M0 0H{WIDTH}M0 {HEIGHT // 2}H{WIDTH}M0 {HEIGHT}H{WIDTH}"
    return _frame(
        title,
        legend,
        f"{title} {'; '.join(latest)}",
        f'<path class="grid" d="{grid}"/>{paths}',
        [_short(v) for v in (high, middle, low)] if values else [],
        ["0", "step", f"{end:,}"],
        data=f' data-end="{end}" data-low="{low:.6g}" data-high="{high:.6g}"',
        over="" if values else _waiting(waiting),
    )


class Place(NamedTuple):
    """A point of a scatter: a low, middle and high value on each axis, its label, and attributes of its element."""

    label: str
    x: tuple[float, float, float]
    y: tuple[float, float, float]
    attributes: Markup = Markup("")


def scatter(
    title: str,
    axes: tuple[tuple[str, str, str], tuple[str, str, str]],
    places: Sequence[Place],
    *,
    joined: bool = False,
    zero: bool = False,
    waiting: str = "Waiting for the first run to finish",
) -> Markup:
    """Labelled points of two quantities, with whiskers where an interval has a width.

    axes: for each axis its colour class, what it shows, and the term on hover. joined: a line through the points in
    their order. zero: both axes include 0, which is drawn as a cross.
    """
    start = [0.0] if zero or not places else []
    ends = (start + [v for place in places for v in place.x], start + [v for place in places for v in place.y])
    (left, centre, right), (low, middle, high) = (ticks(min(e) or -0.1 * zero, max(e)) for e in ends)

    def across(value: float) -> float:
        return WIDTH * (value - left) / (right - left)

    def down(value: float) -> float:
        return HEIGHT * (1 - (value - low) / (high - low))

    drawn, labels, path = "", "", []
    for label, (x_low, x, x_high), (y_low, y, y_high), attributes in places:
        path.append(f"{across(x):.1f} {down(y):.1f}")
        if x_high > x_low or y_high > y_low:
            drawn += (
                f'<path class="raw whisker" d="M{across(x_low):.1f} {down(y):.1f}H{across(x_high):.1f}'
                f'M{across(x):.1f} {down(y_low):.1f}V{down(y_high):.1f}"/>'
            )
        drawn += f'<path class="dots plain" d="M{path[-1]}h0"/>'
        at = f"left:{across(x) / WIDTH:.2%};top:{down(y) / HEIGHT:.2%}"
        labels += f'<b class="mark" style="{at}"{attributes}>{escape(label)}</b>'
    cross = f"M0 {down(0):.1f}H{WIDTH}M{across(0):.1f} 0V{HEIGHT}" if zero else f"M0 {HEIGHT // 2}H{WIDTH}"
    line = f'<path class="plain" d="M{"L".join(path)}"/>' if joined and path else ""
    (x_role, x_name, x_term), (y_role, y_name, y_term) = axes
    told = [f"{place.label}: {signed(place.x[1])} across, {signed(place.y[1])} up" for place in places]
    return _frame(
        title,
        _term(x_role, f"across: {x_name}", x_term) + _term(y_role, f"up: {y_name}", y_term),
        f"{title}. {'; '.join(told)}",
        f'<path class="grid" d="{cross}"/>{line}{drawn}',
        [_short(value) for value in (high, middle, low)],
        [_short(value) for value in (left, centre, right)],
        over=labels if places else _waiting(waiting),
    )


def _frame(
    title: str,
    legend: str,
    words: str,
    inside: str,
    ys: Sequence[str],
    xs: Sequence[str],
    data: str = "",
    over: str = "",
) -> Markup:
    """A figure: title and legend, the drawing between its two axes, and what lies over the drawing."""
    up, along = ("".join(f"<span>{escape(value)}</span>" for value in values) for values in (ys, xs))
    return Markup(
        f'<figure class="chart"><figcaption><b>{escape(title)}</b><span class="keys">{legend}</span></figcaption>'
        f'<div class="plot"><div class="ys" aria-hidden="true">{up}</div><div class="canvas">'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{escape(words)}"{data}>'
        f'{inside}</svg>{over}</div><div class="xs" aria-hidden="true">{along}</div></div></figure>'
    )


def _waiting(words: str) -> str:
    return f'<p class="waiting">{escape(words)}</p>'


def _term(role: str, name: str, term: str) -> str:
    return f'<span class="key {role}" title="{escape(term)}">{escape(name)}</span>'


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
    return text.replace("-", MINUS, 1) if text.startswith("-") else text


class Cell(NamedTuple):
    """One step of the ledger. `promised` and `measured` say whether neither loss rose; None was not measured."""

    step: int
    promised: bool
    measured: bool | None


def ledger(cells: Sequence[Cell], last_step: int) -> Markup:
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
    return Markup(
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
