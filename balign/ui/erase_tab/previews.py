"""The preview pictures as a strip in time: one step is shown, a slider and the arrow keys go to any other.

All frames are in the page, so that sliding asks the server nothing; previews.js shows one, and keeps it when more come.
"""

from collections.abc import Sequence

from markupsafe import Markup

from balign.host.status import RunView
from balign.markup.render import render
from balign.measure.report import GROUPS, TESTED
from balign.runs.outcome.marks import veiled
from balign.telemetry import Preview
from balign.ui.files import url

FRAMES = 40
"""Frames in the page at once; of a longer run evenly many, with the first and the last."""


def strip(view: RunView | None) -> Markup:
    """The strip; empty as long as there is none, as without a run."""
    if view is None or not view.previews:
        return Markup()
    frames = [(f"step {shot.step:,}" if shot.step else "before", shot) for shot in thinned(view.previews)]
    return render(
        "ui/erase_tab/previews.html",
        run=view.run,
        live=view.live,
        frames=frames,
        groups={name: GROUPS[name] for name in TESTED},
        veiled=veiled(view.run),
        url=url,
    )


def thinned(previews: Sequence[Preview]) -> list[Preview]:
    """At most FRAMES of them, evenly, with the first and the last."""
    if len(previews) <= FRAMES:
        return list(previews)
    return [previews[k * (len(previews) - 1) // (FRAMES - 1)] for k in range(FRAMES)]
