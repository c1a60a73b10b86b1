"""Where erasing and keeping fight: two heat maps of the two gradients' cosine, by place in the model.

One tells the kinds of weight apart, the other how much noise the pictures held.

It draws what the telemetry says, averaged over the steps that were looked at. The parts of a denoiser are named here in
plain words where they are known, and by their own names where they are not. Every text is escaped.
"""

import math
import re
from collections.abc import Mapping, Sequence
from html import escape

from balign.host.status import RunView
from balign.telemetry import Conflict

PARTS = {
    "to_q": ("questions", "queries: what a place in the picture asks of the words"),
    "to_k": ("keys", "keys: which words a place in the picture listens to"),
    "to_v": ("values", "values: what it takes from those words"),
    "to_out": ("answer", "output projection of the attention"),
    "attn1": ("picture", "self-attention: the picture looks at itself"),
    "attn2": ("words", "cross-attention: the picture looks at the words"),
    "net": ("mixing in", "feed-forward layers, first half"),
    "ff": ("mixing out", "feed-forward layers, second half"),
    "resnets": ("shapes", "convolutions of the residual blocks"),
    "transformer_blocks": ("norms", "normalisation in the transformer blocks"),
    "attentions": ("joints", "projections into and out of the transformer blocks"),
    "downsamplers": ("shrink", "downsampling convolutions"),
    "upsamplers": ("grow", "upsampling convolutions"),
}
PLACES = {"down_blocks": ("coarser", 1), "mid_block": ("middle", 2), "up_blocks": ("finer", 3)}
TERM = "cosine of the forget and the retain gradient, mean of the steps that were measured"
FULL = 0.5
"""A cosine of this size has the full colour."""
NOISE = ("least noise", "less", "more", "most noise")
QUARTERS = (
    "At the same steps the batch is taken apart by noise: from the quarter of its pictures with the least, where "
    "details are drawn, to that with the most, where the whole takes shape."
)


def fight(view: RunView | None) -> str:
    """The heat map of a run; empty for a run that recorded none, and what will be there while it may still come."""
    found = view.conflicts if view else []
    if not found:
        waiting = view is not None and view.live and view.run.config.measure_every > 0
        return _section('<p class="soft">Waiting for the first step that is measured.</p>') if waiting else ""
    return _section(heat(found) + by_noise(found))


def _section(inside: str) -> str:
    return f'<section class="fight"><h3>Where they fight</h3>{inside}</section>'


def heat(found: Sequence[Conflict]) -> str:
    """A table of every place and part, coloured by which way and how strongly the two gradients point."""
    whole = [record for record in found if not record.quarter]
    means = mean(whole)
    columns = list(dict.fromkeys(name.partition(" ")[2] for name in means))
    values = {(name.partition(" ")[0], name.partition(" ")[2]): value for name, value in means.items()}
    steps = f"{len(whole):,} measured step{'s' * (len(whole) > 1)}"
    caption = (
        f'<caption title="{TERM}">Red: erasing and keeping pull against each other there; green: they agree. '
        f'<span class="soft">Mean of {steps}, from \u22121 to 1.</span></caption>'
    )
    return _table("by place and kind of weight", caption, {column: _part(column) for column in columns}, values)


def by_noise(found: Sequence[Conflict]) -> str:
    """A table of every place and quarter of the batch; empty where the batch was never taken apart."""
    columns = {str(k): (name, f"quarter {k} of the batch by timestep") for k, name in enumerate(NOISE, 1)}
    values = {
        (place, str(k)): value
        for k in range(1, len(NOISE) + 1)
        for place, value in mean([record for record in found if record.quarter == k]).items()
    }
    return _table("by place and noise", f"<caption>{QUARTERS}</caption>", columns, values) if values else ""


def _table(
    what: str, caption: str, columns: Mapping[str, tuple[str, str]], values: Mapping[tuple[str, str], float]
) -> str:
    head = "".join(f'<th scope="col" title="{escape(term)}">{escape(name)}</th>' for name, term in columns.values())
    body = "".join(
        f'<tr><th scope="row" title="{escape(row)}">{escape(_place(row))}</th>'
        + "".join(_cell(values.get((row, column))) for column in columns)
        + "</tr>"
        for row in sorted({row for row, _ in values}, key=_order)
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Where erasing and keeping fight, {what}">'
        f'<table class="heat">{caption}<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def mean(found: Sequence[Conflict]) -> dict[str, float]:
    """The mean cosine of every group over the records that have a number for it."""
    seen: dict[str, list[float]] = {}
    for record in found:
        for name, cosine in record.cosines.items():
            if isinstance(cosine, int | float) and math.isfinite(cosine):
                seen.setdefault(name, []).append(max(-1.0, min(1.0, cosine)))
    return {name: sum(values) / len(values) for name, values in seen.items()}


def _cell(value: float | None) -> str:
    if value is None:
        return '<td class="none"></td>'
    strength = round(100 * min(abs(value) / FULL, 1.0))
    text = f"{value:+.2f}".replace("-", "\u2212")
    return f'<td class="{"against" if value < 0 else "along"}" style="--much:{strength}%">{text}</td>'


def _order(place: str) -> tuple[int, str]:
    """The way of a picture through a denoiser; what is on no such way comes first, by name."""
    return PLACES.get(place.partition(".")[0], ("", 0))[1], place


def _place(name: str) -> str:
    block, _, number = name.partition(".")
    words = PLACES.get(block, (block.replace("_", " "), 0))[0]
    return f"{words} {int(number) + 1}" if re.fullmatch(r"[0-9]{1,4}", number) else words


def _part(name: str) -> tuple[str, str]:
    return PARTS.get(name, (name.replace("_", " ") or "all", name or "all weights of this place"))
