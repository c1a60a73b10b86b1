"""The strength scrub as html: every frame is there at once, and store.js shows the one the slider stands at.

It reads what was drawn and scored, and computes only means. Every text is escaped.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from balign.markup import charts
from balign.runs.folder import Run
from balign.runs.tryout import store
from balign.ui.erase_tab import results
from balign.ui.files import keyed

GROUPS = ("erased", "kept")
FULL = 1.0
"""The strength that the slider stands at first."""
EMPTY = (
    '<p class="soft nothing">The change can be applied in part, or further than it was trained. Press Draw the '
    f"strengths: a few test prompts are drawn at {len(store.STRENGTHS)} strengths, from 0, which is the model as it "
    "was, to 1.5.</p>"
)
NOTE = (
    "0 is the model as it was and 1 as erased; beyond 1 the weights go on in the same direction, which nothing has "
    "trained or tested."
)


class Frame(NamedTuple):
    """One strength: the mean alignment of each group, and each picture's."""

    strength: float
    means: dict[str, float]
    scores: list[float]


def scrub(run: Run) -> str:
    """The slider, the curve and the pictures; before they are drawn, what they will show."""
    found = store.strength(run)
    if not found:
        return EMPTY
    prompts: list[Mapping[str, Any]] = found["prompts"]
    frames = [_frame(frame, prompts) for frame in found["frames"]]
    first = min(range(len(frames)), key=lambda k: abs(frames[k].strength - FULL))
    values = " ".join(f"{frame.strength:.2f}" for frame in frames)
    count = ", ".join(f"{sum(p['group'] == name for p in prompts)} {name}" for name in GROUPS)
    return (
        f'<section class="scrub"><label><span>Strength</span><input type="range" min="0" max="{len(frames) - 1}" '
        f'step="1" value="{first}" data-values="{values}" aria-valuetext="{frames[first].strength:.2f}"></label>'
        f'<p class="now">{"".join(_words(k, frame, k == first) for k, frame in enumerate(frames))}</p>'
        f'<div class="beside"><div>{"".join(_group(run, name, prompts, frames, first) for name in GROUPS)}</div>'
        f"<div>{curve(frames, first)}"
        f'<p class="soft">Means over {escape(count)} pictures, by the scorer {escape(str(found.get("scorer")))}: a '
        f"look at the trade, too few pictures to claim a difference. {NOTE}</p></div></div></section>"
    )


def _frame(frame: Mapping[str, Any], prompts: Sequence[Mapping[str, Any]]) -> Frame:
    scores = [float(score) for score in frame["alignment"]]
    means = {}
    for name in GROUPS:
        own = [score for prompt, score in zip(prompts, scores, strict=True) if prompt["group"] == name]
        if own:
            means[name] = sum(own) / len(own)
    return Frame(float(frame["strength"]), means, scores)


def _shown(k: int, shown: bool) -> str:
    """What store.js finds a part of frame `k` by."""
    return f'data-frame="{k}"' if shown else f'data-frame="{k}" hidden'


def _words(k: int, frame: Frame, shown: bool) -> str:
    told = ", ".join(
        f'<span class="key {name}">{name} <b>{results.decimal(mean)}</b></span>' for name, mean in frame.means.items()
    )
    return f"<span {_shown(k, shown)}><b>{frame.strength:.2f}</b> of the change: {told}</span>"


def _group(run: Run, name: str, prompts: Sequence[Mapping[str, Any]], frames: Sequence[Frame], first: int) -> str:
    figures = "".join(
        _figure(run, place, prompt, frames, first) for place, prompt in enumerate(prompts) if prompt["group"] == name
    )
    title, note = results.GROUPS[name]
    return (
        f'<section class="group {name}"><h3><span class="key {name}">{title}</span> <span class="soft">{note}</span>'
        f'</h3><div class="pairs">{figures}</div></section>'
    )


def _figure(run: Run, place: int, prompt: Mapping[str, Any], frames: Sequence[Frame], first: int) -> str:
    """One prompt: its picture at every strength, of which one is shown."""
    said = escape(str(prompt["prompt"]), quote=True)
    pictures = "".join(
        f'<img {_shown(k, k == first)} src="{keyed(run, f"strength/{k}-{place}.png")}" loading="lazy" '
        f'alt="{said}, strength {frame.strength:.2f}">'
        for k, frame in enumerate(frames)
    )
    scores = "".join(
        f"<span {_shown(k, k == first)}>{results.decimal(frame.scores[place])}</span>" for k, frame in enumerate(frames)
    )
    return f'<figure class="frame">{pictures}<figcaption><b>{scores}</b><span>{said}</span></figcaption></figure>'


def curve(frames: Sequence[Frame], first: int) -> str:
    """Erased against kept, a point for each strength joined in their order. Left forgets more, higher keeps more."""
    points = [(k, f, f.means["erased"], f.means["kept"]) for k, f in enumerate(frames) if len(f.means) == len(GROUPS)]
    if not points:
        return ""
    left, middle, right = charts.ticks(min(p[2] for p in points), max(p[2] for p in points))
    low, centre, high = charts.ticks(min(p[3] for p in points), max(p[3] for p in points))
    path, marks = [], ""
    for k, frame, erased, kept in points:
        x, y = (erased - left) / (right - left), 1 - (kept - low) / (high - low)
        path.append(f"{charts.WIDTH * x:.1f} {charts.HEIGHT * y:.1f}")
        marks += f'<b class="at" {_shown(k, k == first)} style="left:{x:.2%};top:{y:.2%}">{frame.strength:.2f}</b>'
    words = "; ".join(f"strength {f.strength:.2f}: erased {x:.3f}, kept {y:.3f}" for _, f, x, y in points)
    dots = "".join(f'<path class="dots plain" d="M{point}h0"/>' for point in path)
    return (
        '<figure class="chart trade"><figcaption><b>Erased against kept</b><span class="keys">'
        '<span class="key erased">across: alignment of erased pictures, further left forgets more</span>'
        '<span class="key kept">up: alignment of kept pictures, higher keeps more</span></span></figcaption>'
        f'<div class="plot"><div class="ys" aria-hidden="true">{_ticks(high, centre, low)}</div><div class="canvas">'
        f'<svg viewBox="0 0 {charts.WIDTH} {charts.HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="Mean alignment. {words}"><path class="grid" d="M0 0H{charts.WIDTH}M0 {charts.HEIGHT // 2}'
        f'H{charts.WIDTH}M0 {charts.HEIGHT}H{charts.WIDTH}"/><path class="plain" d="M{"L".join(path)}"/>{dots}</svg>'
        f"{marks}</div>"
        f'<div class="xs" aria-hidden="true">{_ticks(left, middle, right)}</div></div></figure>'
    )


def _ticks(*values: float) -> str:
    return "".join(f"<span>{value:.3g}</span>" for value in values)


def exports(run: Run) -> str:
    """Which strengths were written: whole pipelines, and where; changed weights alone, to be downloaded."""
    items = "".join(f"<li><code>{name}</code></li>" for name in store.exports(run))
    links = "".join(
        f'<a href="{keyed(run, name)}" download>{name.removeprefix("exports/")}</a>'
        for name in store.exported_weights(run)
    )
    told = f'<p class="soft">Whole diffusers folders, inside the folder of this run:</p><ul>{items}</ul>'
    offered = f'<nav class="downloads" aria-label="Changed weights by strength">{links}</nav>'
    return (told if items else "") + (offered if links else "")
