"""Your own prompts, drawn before and after erasing."""

from collections.abc import Sequence
from functools import partial

from markupsafe import Markup

from balign.markup.render import render
from balign.runs.folder import Run
from balign.runs.tryout import store
from balign.ui.files import keyed

SHOWN = 8
"""Prompts on the page; the folder keeps more."""


def own_prompts(run: Run) -> Markup:
    """The newest prompts with their pictures and scores; without any, what to do."""
    prompts = [
        (
            drawn,
            *(mean([getattr(image, f"alignment_{side}") for image in drawn.images]) for side in ("before", "after")),
        )
        for drawn in store.tries(run, SHOWN)
    ]
    return render("ui/try_tab/own_prompts.html", prompts=prompts, address=partial(keyed, run))


def mean(scores: Sequence[float]) -> float | None:
    """The mean; None of nothing."""
    return sum(scores) / len(scores) if scores else None
