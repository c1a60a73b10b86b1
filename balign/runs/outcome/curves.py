"""Small line charts as inline SVG text, drawn from lists of numbers.

It knows nothing of runs: a chart is a title, a few named series over steps, and an optional strip of marks.
"""

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 28


class Series(NamedTuple):
    """One line of a chart. `colour` is a class of the page's style sheet; a value of None or not finite is a gap."""

    name: str
    colour: str
    steps: Sequence[int]
    values: Sequence[float | None]


def chart(title: str, series: Sequence[Series], low: float | None = None, high: float | None = None) -> str:
    """A figure with axes, grid lines and a legend; the range is that of the data unless given."""
    points = [(s, v) for line in series for s, v in zip(line.steps, line.values, strict=True) if _finite(v)]
    if not points:
        return ""
    values = [v for _, v in points if v is not None]
    bottom = min(values) if low is None else low
    top = max(values) if high is None else high
    if top - bottom < 1e-12 * max(1.0, abs(top)):
        bottom, top = bottom - 0.5 * (abs(bottom) or 1), top + 0.5 * (abs(top) or 1)
    last = max(max(s for s, _ in points), 1)

    def at(step: int, value: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * step / last
        return x, TOP + (HEIGHT - TOP - BOTTOM) * (1 - (min(max(value, bottom), top) - bottom) / (top - bottom))

    rows = [_grid_line(at(0, v)[1], v) for v in (bottom + (top - bottom) * k / 4 for k in range(5))]
    rows += [f'<text class="tick" x="{at(s, bottom)[0]:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{s}</text>'
             for s, anchor in ((0, "start"), (last // 2, "middle"), (last, "end"))]  # fmt: skip
    for line in series:
        rows += _pieces(line, at)
    legend = "".join(f'<span class="key {escape(s.colour)}">{escape(s.name)}</span>' for s in series)
    return _figure(title, "".join(rows), HEIGHT, legend)


def strip(title: str, steps: Sequence[int], marks: Sequence[str], legend: Sequence[tuple[str, str]]) -> str:
    """One coloured mark a step, for what was or was not kept. `marks` and the legend's keys are style classes."""
    if not steps:
        return ""
    width = (WIDTH - LEFT - RIGHT) / len(steps)
    drawn = max(width - 0.3, 0.5)
    rows = "".join(
        f'<rect class="{escape(mark)}" x="{LEFT + k * width:.2f}" y="4" width="{drawn:.2f}" height="22"/>'
        for k, mark in enumerate(marks)
    )
    rows += f'<text class="tick" x="{LEFT}" y="42">{steps[0]}</text>'
    rows += f'<text class="tick" x="{WIDTH - RIGHT}" y="42" text-anchor="end">{steps[-1]}</text>'
    keys = "".join(f'<span class="key {escape(colour)}">{escape(name)}</span>' for colour, name in legend)
    return _figure(title, rows, 48, keys)


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _grid_line(y: float, value: float) -> str:
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3g}</text>'
    )


def _pieces(line: Series, at: Callable[[int, float], tuple[float, float]]) -> list[str]:
    """The line's unbroken pieces; a lone point becomes a dot."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for step, value in zip(line.steps, line.values, strict=True):
        if value is not None and math.isfinite(value):
            pieces[-1].append(at(step, value))
        elif pieces[-1]:
            pieces.append([])
    drawn = []
    for piece in filter(None, pieces):
        if len(piece) == 1:
            drawn.append(
                f'<circle class="{escape(line.colour)}" cx="{piece[0][0]:.1f}" cy="{piece[0][1]:.1f}" r="2.5"/>'
            )
        else:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in piece)
            drawn.append(f'<polyline class="{escape(line.colour)}" points="{path}"/>')
    return drawn


def _figure(title: str, body: str, height: int, legend: str) -> str:
    return (
        f'<figure class="chart"><figcaption>{escape(title)} {legend}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">{body}</svg></figure>'
    )
