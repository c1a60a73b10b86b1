"""Prompts of one's own, before and after, as html. Every text is escaped. Drawing them is not its business."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from balign.runs.folder import Run
from balign.runs.tryout import store
from balign.ui.erase_tab import results
from balign.ui.files import keyed

SHOWN = 8
"""Tries on the page; the folder holds more."""
EMPTY = (
    '<p class="soft nothing">Nothing has been tried yet. Write a prompt and press Draw: both models draw it from the '
    "same noise, and a click on a pair compares its pictures.</p>"
)


def tries(run: Run) -> str:
    """What was tried, newest first."""
    found = store.tries(run, SHOWN)
    return "".join(_try(run, each) for each in found) or EMPTY


def _try(run: Run, found: Mapping[str, Any]) -> str:
    rows = found.get("images")
    images: Sequence[Any] = rows if isinstance(rows, list) else []
    pairs = "".join(results.pair(run, "own", image, keyed) for image in images if isinstance(image, dict))
    return (
        f'<section class="group own"><h3><span class="said">{escape(str(found.get("prompt", "")))}</span> '
        f'<span class="soft">seed {escape(str(found.get("seed", results.NONE)))}, {change(images)}, scored by '
        f'{escape(str(found.get("scorer", "nobody")))}</span></h3><div class="pairs">{pairs}</div></section>'
    )


def change(images: Sequence[Any]) -> str:
    """The mean alignment on both sides, in words."""
    means = []
    for side in ("before", "after"):
        known = [results.number(image.get(f"alignment_{side}")) for image in images if isinstance(image, dict)]
        scores = [score for score in known if score is not None]
        means.append(results.decimal(sum(scores) / len(scores) if scores else None))
    return f"mean alignment {means[0]} before and {means[1]} after"
