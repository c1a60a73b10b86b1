"""Runs held against each other on one plot and in one table, and the same run started again with other methods.

What the numbers are is `run.compare`'s business; here they become html. Every text is escaped.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import escape
from typing import Any

from balign.host import listing, scheduler, waitlist
from balign.host.status import look
from balign.host.visitors import Visitor
from balign.markup import charts
from balign.measure.intervals import Change
from balign.method.objectives import METHODS, settle
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.folder import Run
from balign.runs.outcome.comparison import Row, compare, sentence
from balign.ui import form
from balign.ui.erase_tab import results

FEW = results.FEW
TERM = "mean change of alignment from before to after, with its 95 % interval"
EMPTY = (
    '<p class="soft nothing">Tick two runs or more and press Compare: they appear on one plot and in one table. Or '
    "tick one and let other methods do the same, with its data, seed and steps.</p>"
)


def start(run: Run, methods: Sequence[str], visitor: Visitor = scheduler.NOBODY) -> list[Run]:
    """The run's config again with each of these methods and the run's own number of steps, one after another."""
    own = settle(run.config)
    asked = [name for name in dict.fromkeys(methods) if name != own.method]
    if not asked:
        raise Refusal(f"No method but the run's own, {own.method}, was chosen; choose at least one other.")
    same = run.config.model_dump() | {"steps": own.steps}
    wanted = [RunConfig.parse(same | {"method": name}) for name in asked]
    for config in wanted:
        form.advice(config)
    return scheduler.begin_all(wanted, visitor)


def live(runs: Sequence[Run]) -> bool:
    """Whether there is still something to come."""
    return any(scheduler.alive(run) or waitlist.ticket(run) for run in runs)


def panel(runs: Sequence[Run]) -> str:
    """The comparison as html: in what the runs differ, the plot, the table, the curves."""
    if len(runs) < 2:
        return EMPTY
    files = tuple(listing.signature(run.path / name) for run in runs for name in ("report.json", "label"))
    rows = _rows(tuple(runs), files)
    keys = "".join(
        f'<li><b class="mark">{k}</b> <a href="?run={row.run.id}">{escape(_name(row))}</a>{_state(row)}</li>'
        for k, row in enumerate(rows, 1)
    )
    return (
        f'<section class="duel"><h2>Side by side</h2><p>{escape(sentence(runs))}</p><ol class="entrants">{keys}</ol>'
        f'<div class="charts">{plot(rows)}{_curves(rows)}</div>{table(rows)}</section>'
    )


@lru_cache(maxsize=32)
def _rows(runs: tuple[Run, ...], changed: tuple[tuple[int, int], ...]) -> list[Row]:
    """The rows as of this change of the files; intervals take a while."""
    return compare(runs)


def _name(row: Row) -> str:
    title = METHODS[row.method].title
    return f"{row.name} · {title}"


def _state(row: Row) -> str:
    state = listing.entry(row.run).state
    return "" if state == "done" else f' <span class="chip {state}">{listing.STATES[state]}</span>'


def plot(rows: Sequence[Row]) -> str:
    """Erased against kept: each run a numbered point with its intervals. Left forgets more, higher keeps more."""
    points = [
        (k, erased, kept)
        for k, row in enumerate(rows, 1)
        if (erased := _change(row, "erased")) and (kept := _change(row, "kept"))
    ]
    ends = [[0.0, *(end for _, *pair in points for end in pair[axis])] for axis in (0, 1)]
    (left, middle, right), (low, centre, high) = (charts.ticks(min(e) or -0.1, max(e)) for e in ends)

    def across(value: float) -> float:
        return charts.WIDTH * (value - left) / (right - left)

    def down(value: float) -> float:
        return charts.HEIGHT * (1 - (value - low) / (high - low))

    drawn, marks = "", ""
    for k, (x, x_low, x_high), (y, y_low, y_high) in points:
        drawn += (
            f'<path class="raw whisker" d="M{across(x_low):.1f} {down(y):.1f}H{across(x_high):.1f}'
            f'M{across(x):.1f} {down(y_low):.1f}V{down(y_high):.1f}"/>'
            f'<path class="dots plain" d="M{across(x):.1f} {down(y):.1f}h0"/>'
        )
        at = f"left:{across(x) / charts.WIDTH:.2%};top:{down(y) / charts.HEIGHT:.2%}"
        marks += f'<b class="mark" style="{at}">{k}</b>'
    words = "; ".join(f"run {k}: erased {x[0]:+.3f}, kept {y[0]:+.3f}" for k, x, y in points) or "no run is finished"
    waiting = "" if points else '<p class="waiting">Waiting for the first run to finish</p>'
    return (
        '<figure class="chart against"><figcaption><b>Erased against kept</b><span class="keys">'
        f'<span class="key erased" title="{TERM}">across: erased, further left forgets more</span>'
        f'<span class="key kept" title="{TERM}">up: kept, higher keeps more</span></span></figcaption>'
        f'<div class="plot"><div class="ys" aria-hidden="true">{_ticks(high, centre, low)}</div><div class="canvas">'
        f'<svg viewBox="0 0 {charts.WIDTH} {charts.HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="Change of alignment. {words}"><path class="grid" d="M0 {down(0):.1f}H{charts.WIDTH}'
        f'M{across(0):.1f} 0V{charts.HEIGHT}"/>{drawn}</svg>{marks}{waiting}</div>'
        f'<div class="xs" aria-hidden="true">{_ticks(left, middle, right)}</div></div></figure>'
    )


def _ticks(*values: float) -> str:
    return "".join(f"<span>{results.signed(value)}</span>" for value in values)


def _change(row: Row, group: str) -> tuple[float, float, float] | None:
    """Mean, low and high of a group's change; the mean thrice where there is no interval."""
    change = row.group(group).get("alignment_change")
    found = change if isinstance(change, dict) else {}
    mean, low, high = (results.number(found.get(key)) for key in ("mean", "low", "high"))
    if mean is None:
        return None
    return (mean, mean, mean) if low is None or high is None else (mean, low, high)


def _curves(rows: Sequence[Row]) -> str:
    """How the preview pictures of each run came to match their words less, and those to keep did not."""
    views = [look(row.run) for row in rows]
    end = max((view.last_step for view in views), default=1)
    drawn = ""
    for group, title in (("erased", "What is erased, step by step"), ("kept", "What is kept, step by step")):
        lines = [
            charts.Series(
                f"{k} {rows[k - 1].method}",
                f"{group} dash{k}",
                [(p.step, p.alignment[group]) for p in view.previews if group in p.alignment],
                "mean alignment of the preview pictures with their own prompts",
            )
            for k, view in enumerate(views, 1)
        ]
        drawn += charts.lines(title, lines, end, waiting="Waiting for the first preview")
    return drawn


def table(rows: Sequence[Row]) -> str:
    """Every run's numbers, and those of all but the first held against the first."""
    groups = "".join(
        f'<th scope="col" title="{TERM}; below it the difference to run 1 on the same pictures">'
        f'<span class="key {name}">{title}</span></th>'
        for name, (title, _) in results.GROUPS.items()
    )
    body = "".join(_row(k, row) for k, row in enumerate(rows, 1))
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Runs side by side"><table><thead><tr>'
        '<th scope="col">Run</th><th scope="col" title="UA, unlearning accuracy">No longer recognised</th>'
        '<th scope="col" title="IRA, in-domain retain accuracy">Same kind</th>'
        '<th scope="col" title="CRA, cross-domain retain accuracy">Other kinds</th>'
        f'{groups}<th scope="col" title="Steps that raised the retain loss to first order">Broken promises</th>'
        f'<th scope="col">Seconds</th></tr></thead><tbody>{body}</tbody></table></div>'
        f'<p class="soft note">Changes of alignment. Better and worse are said where the 95 % interval leaves out zero '
        f"and there are at least {FEW} prompts; one run of a method says nothing of its other seeds.</p>"
    )


def _row(k: int, row: Row) -> str:
    report: Mapping[str, Any] = row.report or {}
    books = report.get("ledger")
    broken = results.number(books.get("retain_violations")) if isinstance(books, dict) else None
    seconds = results.number(report.get("seconds"))
    cells = [results.percent(report.get(key)) for key in ("ua", "ira", "cra")]
    cells += [_cell(row, name) for name in results.GROUPS]
    cells += [results.NONE if value is None else f"{value:,.0f}" for value in (broken, seconds)]
    head = f'<th scope="row"><b class="mark">{k}</b> {escape(row.method)}</th>'
    return f"<tr>{head}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _cell(row: Row, name: str) -> str:
    found = _change(row, name)
    own = results.NONE if found is None else _figures(*found)
    other = row.against.get(name)
    return own if other is None or other.mean is None else f"{own}<br>{_difference(other, name)}"


def _difference(found: Change, name: str) -> str:
    """The difference to the first run. What is erased should match its words less, the rest no less."""
    figures = _figures(found.mean, found.low, found.high)
    if found.too_few or found.low is None or found.high is None:
        return f'<span class="soft">{figures}, too few to say</span>'
    if found.low <= 0 <= found.high:
        return f'<span class="soft">{figures}, no clear difference</span>'
    better = found.high < 0 if name == "erased" else found.low > 0
    return f'<b>{figures}, <span class="whole">{"better" if better else "worse"} than run 1</span></b>'


def _figures(mean: float | None, low: float | None, high: float | None) -> str:
    """A mean and its interval, which stay on one line."""
    between = "" if low is None or high is None else f" ({results.signed(low)} to {results.signed(high)})"
    return f'<span class="whole">{results.signed(mean)}{between}</span>'
