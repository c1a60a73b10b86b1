"""Charts as svg: lines over steps, points with whiskers, and the ledger strip. Colours are classes of shared.css.

A chart has the same elements from one update to the next, so that the page only moves the ends of lines.
"""

import math
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from markupsafe import Markup

from balign.markup.formats import decimal, signed

LIMIT = 500
"""Most points drawn of a series, however long the run."""
WIDTH, HEIGHT = 1000, 300
GRID = f"M0 0H{WIDTH}M0 {HEIGHT // 2}H{WIDTH}M0 {HEIGHT}H{WIDTH}"

SAVE = '<button type="button" class="svg" title="Save this chart as a picture">svg</button>'
READ = ' tabindex="0" role="group" aria-label="Chart; the arrow keys read its values"'
"""What charts.js needs of a chart whose values can be read."""

Point = tuple[float, float]


class Series(NamedTuple):
    """One line of a chart: its name, colour class, points, and the term it explains on hover.

    smooth: draw the points faintly behind their smoothed line. intervals: the ends of an interval for each point, drawn
    as a band around the line.
    """

    name: str
    role: str
    points: Sequence[Point]
    term: str = ""
    smooth: bool = False
    intervals: Sequence[Point] = ()


def finite(points: Sequence[Point]) -> list[Point]:
    """The points that can be drawn."""
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def decimate(points: Sequence[Point], limit: int = LIMIT) -> list[Point]:
    """At most `limit` of the points: the lowest and highest of each stretch, so that no spike is lost."""
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
    """An exponential moving average over about a fifteenth of the run, corrected for its start (no lag there)."""
    weight = min(max(2 / (end / 15 + 1), 0.06), 1.0)
    total = norm = 0.0
    drawn = []
    for x, y in points:
        total, norm = total + weight * (y - total), norm + weight * (1 - norm)
        drawn.append((x, total / norm))
    return drawn


def ticks(low: float, high: float) -> tuple[float, float, float]:
    """Three evenly spaced round numbers, of which the outer two enclose the range."""
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
    unit: str = "step",
    form: str = "",
    waiting: str = "Waiting for the first step",
) -> Markup:
    """Lines over steps or another unit, with a legend of the latest values.

    Without points it is an empty frame of the same size. form: the format of the latest values.
    """
    raw = [finite(line.points) for line in series]
    values = [y for points in raw for _, y in points]  # a band may leave the frame: the lines decide
    low, middle, high = ticks(*(limits or ((min(values), max(values)) if values else (0.0, 1.0))))
    end = max([last_step, 1, *(int(x) for points in raw for x, _ in points)])
    shown = [smooth(points, end) if line.smooth else points for line, points in zip(series, raw, strict=True)]
    latest = [(decimal(points[-1][1], form) if form else _value(points[-1][1])) if points else "" for points in shown]
    drawn = (_line(*line, end, low, high) for line in zip(series, raw, shown, strict=True))
    return _frame(
        title,
        "".join(_key(line.role, line.name, line.term, now) for line, now in zip(series, latest, strict=True)),
        f"{title} {'; '.join(f'{line.name} {now}' for line, now in zip(series, latest, strict=True) if now)}",
        f'<path class="grid" d="{GRID}"/>{"".join(drawn)}',
        [_short(value) for value in (high, middle, low)] if values else [],
        ["0", unit, f"{end:,}"],
        "" if values else waiting,
        data=f' data-unit="{escape(unit)}" data-end="{end}" data-low="{low:.6g}" data-high="{high:.6g}"',
    )


class Place(NamedTuple):
    """A point of a scatter: its label, its low, middle and high value on each axis, and attributes of its element."""

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
    their order. zero: both axes include 0, which is drawn as a cross. Places with a value that is not finite are left
    out.
    """
    places = [place for place in places if all(map(math.isfinite, (*place.x, *place.y)))]
    start = [0.0] if zero or not places else []
    ends = (start + [v for place in places for v in place.x], start + [v for place in places for v in place.y])
    (left, centre, right), (low, middle, high) = (ticks(min(e) or -0.1 * zero, max(e)) for e in ends)

    def at(x: float, y: float) -> tuple[float, float]:
        return WIDTH * (x - left) / (right - left), HEIGHT * (1 - (y - low) / (high - low))

    drawn, labels, path = "", "", []
    for label, xs, ys, attributes in places:
        (x_low, bottom), (x, y), (x_high, top) = map(at, xs, ys)
        path.append(f"{x:.1f} {y:.1f}")
        if xs[0] < xs[2] or ys[0] < ys[2]:
            whisker = f"M{x_low:.1f} {y:.1f}H{x_high:.1f}M{x:.1f} {bottom:.1f}V{top:.1f}"
            drawn += f'<path class="raw whisker" d="{whisker}"/>'
        drawn += f'<path class="dots plain" d="M{path[-1]}h0"/>'
        style = f"left:{x / WIDTH:.2%};top:{y / HEIGHT:.2%}"
        labels += f'<b class="mark" style="{style}"{attributes}>{escape(label)}</b>'
    x, y = at(0, 0)
    cross = f"M0 {y:.1f}H{WIDTH}M{x:.1f} 0V{HEIGHT}" if zero else GRID
    line = f'<path class="plain" d="M{"L".join(path)}"/>' if joined and path else ""
    (x_role, x_name, x_term), (y_role, y_name, y_term) = axes
    summary = "; ".join(f"{place.label}: {signed(place.x[1])} across, {signed(place.y[1])} up" for place in places)
    return _frame(
        title,
        _key(x_role, f"across: {x_name}", x_term) + _key(y_role, f"up: {y_name}", y_term),
        f"{title}. {summary}",
        f'<path class="grid" d="{cross}"/>{line}{drawn}',
        [_short(value) for value in (high, middle, low) if places],
        [_short(value) for value in (left, centre, right) if places],
        "" if places else waiting,
        labels=labels,
    )


def _frame(
    title: str,
    legend: str,
    summary: str,
    inside: str,
    ys: Sequence[str],
    xs: Sequence[str],
    waiting: str,
    data: str = "",
    labels: str = "",
) -> Markup:
    """A figure: title and legend, the drawing between its two axes, and what lies over the drawing."""
    up, along = ("".join(f"<span>{escape(value)}</span>" for value in values) for values in (ys, xs))
    over = f'<p class="waiting">{escape(waiting)}</p>' if waiting else labels
    return Markup(
        f'<figure class="chart"><figcaption><b>{escape(title)}</b>{SAVE if data else ""}'
        f'<span class="keys">{legend}</span></figcaption>'
        f'<div class="plot"><div class="ys" aria-hidden="true">{up}</div><div class="canvas"{READ if data else ""}>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{escape(summary)}"'
        f'{data}>{inside}</svg>{over}</div><div class="xs" aria-hidden="true">{along}</div></div></figure>'
    )


def _key(role: str, name: str, term: str, value: str = "") -> str:
    title = f' title="{escape(term)}"' if term else ""
    return f'<span class="key {role}"{title}>{escape(name)}{f" <b>{value}</b>" if value else ""}</span>'


def _line(line: Series, raw: Sequence[Point], points: Sequence[Point], end: int, low: float, high: float) -> str:
    """The line, over its raw points if it is smoothed; a few points are drawn as dots too, so that one alone shows."""

    def path(part: Sequence[Point]) -> str:
        inside = ((x, (min(max(y, low), high) - low) / (high - low)) for x, y in part)
        return "M" + "L".join(f"{WIDTH * x / end:.1f} {HEIGHT * (1 - y):.1f}" for x, y in inside) if part else ""

    faint = path(decimate(raw)) if line.smooth else ""
    dots = "".join(path([point]) + "h0" for point in points) if len(points) <= 24 and not line.smooth else ""
    return (
        f'<path class="band {line.role}" d="{path(_band(line))}"/><path class="raw {line.role}" d="{faint}"/>'
        f'<path class="line {line.role}" data-name="{escape(line.name)}" d="{path(decimate(points))}"/>'
        f'<path class="dots {line.role}" d="{dots}"/>'
    )


def _band(line: Series) -> list[Point]:
    """The outline of a line's intervals: along their upper ends and back along the lower ones."""
    both = zip(line.points, line.intervals, strict=False)
    known = [(x, *ends) for (x, y), ends in both if math.isfinite(x + y + sum(ends))]
    part = known[:: max(1, -(-len(known) // LIMIT))]
    return [(x, high) for x, _, high in part] + [(x, low) for x, low, _ in reversed(part)]


def _short(value: float) -> str:
    return decimal(value if abs(value) >= 1e-12 else 0, ".3g")


def _value(value: float) -> str:
    return decimal(value, ".3f" if 0.001 <= abs(value) < 100 or value == 0 else ".2g")


class Cell(NamedTuple):
    """One step of the ledger: whether it was predicted, and measured, to raise neither loss; None if not measured."""

    step: int
    predicted: bool
    measured: bool | None
    rise: float = 0.0
    """The largest measured rise of a loss, as a share of it."""
    silent: bool = False
    """Whether there was no retain gradient, so that nothing was predicted of that loss."""


def ledger(cells: Sequence[Cell], last_step: int) -> Markup:
    """A row of predicted and a row of measured cells, one for each step.

    In a long run a cell stands for several steps and is red if any of them was.
    """
    end = max([last_step, 1, *(cell.step for cell in cells)])
    columns = min(end, LIMIT)
    predicted: dict[int, bool] = {}
    measured: dict[int, bool] = {}
    for cell in cells:
        column = min((max(cell.step, 1) - 1) * columns // end, columns - 1)
        predicted[column] = predicted.get(column, True) and cell.predicted
        if cell.measured is not None:
            measured[column] = measured.get(column, True) and cell.measured
    rows = ""
    for row, y, height in ((predicted, 0, 10), (measured, 12, 4)):
        for name, good in (("held", True), ("broken", False)):
            columns_of = [column for column, kept in sorted(row.items()) if kept == good]
            marks = "".join(f"M{column}.1 {y}h.8v{height}h-.8z" for column in columns_of)
            rows += f'<path class="{name}" d="{marks}"/>'
    return Markup(
        f'<svg class="strip" viewBox="0 0 {columns} 16" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(ledger_words(cells))}"><path class="empty" d="M0 0H{columns}V10H0Z"/>{rows}</svg>'
    )


def ledger_words(cells: Sequence[Cell]) -> str:
    """The counts of the ledger as a sentence."""
    if not cells:
        return "No step has been taken yet."
    checked = [cell for cell in cells if cell.measured is not None]
    broken = sum(not cell.predicted for cell in cells)
    sentence = f"{broken:,} of {len(cells):,} steps were predicted to raise a loss"
    if checked:
        rose = sum(not cell.measured for cell in checked)
        sentence += f"; of {len(checked):,} that were measured, {rose:,} did raise one"
    most = max((cell.rise for cell in checked), default=0.0)
    sentence += f", by at most {100 * most:.2g}\N{NO-BREAK SPACE}% of it" if most > 0 else ""
    if silent := sum(cell.silent for cell in cells):
        sentence += f"; {silent:,} had no retain gradient, so of keeping nothing was predicted"
    return sentence + "."
