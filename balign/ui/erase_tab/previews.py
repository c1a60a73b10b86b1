"""The preview pictures as a strip in time: one step is shown, a slider and the arrow keys go to any other.

All frames are in the page, so that scrubbing asks the server nothing; film.js shows one, and keeps it when more come.
"""

from collections.abc import Sequence
from html import escape

from balign.host.status import RunView
from balign.telemetry import Preview
from balign.ui.files import url

FRAMES = 40
"""Frames in the page at once; of a longer run evenly many, with the first and the last."""
HEAD = "<h3>The same pictures, while the model forgets</h3>"


def film(view: RunView | None) -> str:
    """The strip, or what will be there; empty without a run."""
    if view is None:
        return ""
    waiting = '<p class="soft">When it has finished, every picture before and after appears here with its score.</p>'
    after = waiting if view.live else ""
    if not view.previews:
        words = "Every few steps the half-changed model draws the same pictures again, from the same noise."
        return f'<section class="previews">{HEAD}<p class="soft">{words}</p>{after}</section>'
    kept = thinned(view.previews)
    last = len(kept) - 1
    frames = "".join(_frame(view, preview, k == last) for k, preview in enumerate(kept))
    return (
        f'<section class="previews film" data-run="{escape(view.run.id)}">{HEAD}<ol class="frames">{frames}</ol>'
        f'<input type="range" class="scrub" min="0" max="{last}" step="1" value="{last}" '
        f'aria-label="Step of the pictures" aria-valuetext="{_when(kept[-1])}"{" disabled" if not last else ""}>'
        '<p class="soft">From left to right: what is being erased, what should stay, and close things nobody listed. '
        f"Drag, or use the arrow keys, to go through the steps.</p>{after}</section>"
    )


def thinned(previews: Sequence[Preview]) -> list[Preview]:
    """At most FRAMES of them, evenly, with the first and the last."""
    if len(previews) <= FRAMES:
        return list(previews)
    return [previews[k * (len(previews) - 1) // (FRAMES - 1)] for k in range(FRAMES)]


def _when(preview: Preview) -> str:
    return f"step {preview.step:,}" if preview.step else "before"


def _frame(view: RunView, preview: Preview, shown: bool) -> str:
    scores = ", ".join(
        f"{name} {value:.3f}" for name in ("erased", "kept", "neighbours") if (value := preview.alignment.get(name))
    )
    told = f' <span class="soft" title="mean cosine of the pictures with their own prompts">{scores}</span>'
    return (
        f'<li class="{"shown" if shown else "past"}" data-step="{preview.step}" data-when="{_when(preview)}">'
        f'<img src="{escape(url(view.run, preview.image))}" alt="Preview pictures, {_when(preview)}">'
        f"<p>{_when(preview)}{told if scores else ''}</p></li>"
    )
