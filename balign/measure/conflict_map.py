"""Where erasing and keeping conflict: two heat maps of the cosine of the two gradients, by place in the model.

One tells the kinds of weight apart, the other how much noise the pictures held. Both are means over the measured steps.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from balign.markup.render import render
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
NUMBERS = (int, float)
NOISE = ("least noise", "less", "more", "most noise")


class HeatMap(NamedTuple):
    """A table: label, (name, term) of each column, and (key, name, mean cosines) of each row; None is an empty cell."""

    label: str
    columns: list[tuple[str, str]]
    rows: list[tuple[str, str, list[float | None]]]


def heat_maps(records: Sequence[Conflict]) -> Markup:
    """Both maps; without records, that they are waited for."""
    maps = [each for each in (by_part(records), by_noise(records)) if each.rows]
    steps = sum(not record.quarter for record in records)
    return render("markup/conflict_map.html", maps=maps, steps=steps, term=TERM, full=FULL)


def by_part(records: Sequence[Conflict]) -> HeatMap:
    """Every place and kind of weight, over the whole batch."""
    means = mean([record for record in records if not record.quarter])
    values = {(name.partition(" ")[0], name.partition(" ")[2]): cosine for name, cosine in means.items()}
    plain = {part: " - ".join(PARTS.get(part, ("all weights of this place",))) for _, part in values}
    return _map("by place and kind of weight", {part: (part or "all", plain[part]) for part in plain}, values)


def by_noise(records: Sequence[Conflict]) -> HeatMap:
    """Every place and quarter of the batch by noise; without rows where batches were not split."""
    columns = {str(k): (name, f"quarter {k} of the batch by timestep") for k, name in enumerate(NOISE, 1)}
    values = {
        (place, str(k)): cosine
        for k in range(1, len(NOISE) + 1)
        for place, cosine in mean([record for record in records if record.quarter == k]).items()
    }
    return _map("by place and noise", columns, values)


def _map(label: str, columns: Mapping[str, tuple[str, str]], values: Mapping[tuple[str, str], float]) -> HeatMap:
    places = sorted({place for place, _ in values}, key=_order)
    rows = [(place, _place(place), [values.get((place, column)) for column in columns]) for place in places]
    return HeatMap(label, list(columns.values()), rows)


def mean(records: Sequence[Conflict]) -> dict[str, float]:
    """The mean cosine of every group over the records that have a number for it."""
    sums: dict[str, float] = {}
    counts: dict[str, int] = {}
    for record in records:
        for name, cosine in record.cosines.items():
            if isinstance(cosine, NUMBERS) and math.isfinite(cosine):
                sums[name] = sums.get(name, 0.0) + (cosine if -1 <= cosine <= 1 else math.copysign(1, cosine))
                counts[name] = counts.get(name, 0) + 1
    return {name: total / counts[name] for name, total in sums.items()}


def _order(place: str) -> tuple[int, str]:
    """The way of a picture through a denoiser; what is on no such way comes first, by name."""
    return PLACES.get(place.partition(".")[0], ("", 0))[1], place


def _place(name: str) -> str:
    block, _, number = name.partition(".")
    plain = PLACES.get(block, (block.replace("_", " "), 0))[0]
    return f"{plain} {int(number) + 1}" if re.fullmatch(r"[0-9]{1,4}", number) else plain
