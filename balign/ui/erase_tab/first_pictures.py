"""The first pictures of a run as they are drawn: to forget, to keep, then the first pairs."""

from collections.abc import Sequence

from markupsafe import Markup

from balign.host.status import RunView
from balign.markup.render import render
from balign.runs.prompt_lists import FIRST
from balign.telemetry import Drawn
from balign.ui.erase_tab.previews import veiled
from balign.ui.files import url

SIDES = {"forget": ("erased", "to forget"), "keep": ("kept", "to keep")}
"""The sides: the colour of each, and its words."""


def first_pictures(view: RunView | None) -> Markup:
    """What is drawn so far, on two sides; empty for a run at rest, and while the film of previews tells more."""
    if view is None or not view.live or view.working is None:
        return Markup()
    pairs = view.working.name in ("evaluate", "save")
    told = [strip for strip in view.drawn if bool(strip.after) == pairs]
    if not told or (view.previews and not pairs):
        return Markup()
    return render(
        "ui/erase_tab/first_pictures.html",
        run=view.run,
        pairs=pairs,
        sides=[(*SIDES[side], *_side(told, side)) for side in SIDES],
        most=FIRST,
        veiled=veiled(view.run),
        url=url,
    )


def _side(told: Sequence[Drawn], side: str) -> tuple[list[Drawn], int]:
    """The strips of a side, and how many pictures they have together."""
    strips = [strip for strip in told if strip.side == side]
    return strips, sum(strip.count for strip in strips)
