"""How much of the change is applied: pictures, scores and the trade-off at every strength that was drawn."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from markupsafe import Markup

from balign.markup.charts import Place, scatter
from balign.markup.render import render
from balign.measure.report import GROUPS
from balign.runs.folder import Run
from balign.runs.tryout import store
from balign.runs.tryout.store import StrengthResult
from balign.ui.files import keyed

FULL = 1.0
"""The strength that the slider is at first."""
SHOWN = {name: GROUPS[name] for name in ("erased", "kept")}
TERM = "mean cosine of the pictures with their own prompts, by the scorer"
AXES = (
    ("erased", "alignment of erased pictures, further left forgets more", TERM),
    ("kept", "alignment of kept pictures, higher keeps more", TERM),
)


class ShownStrength(NamedTuple):
    """One strength: the mean alignment of each group, and the score of each picture."""

    strength: float
    means: dict[str, float]
    scores: Sequence[float]


def strength(run: Run, drawn: StrengthResult | None) -> Markup:
    """The slider, the curve and the pictures; before they are drawn, what they will show."""
    frames = [_frame(scores.strength, scores.alignment, drawn) for scores in drawn.frames] if drawn else []
    first = min(range(len(frames)), key=lambda k: abs(frames[k].strength - FULL), default=0)
    return render(
        "ui/try_tab/strength.html",
        frames=frames,
        first=first,
        values=[f"{frame.strength:.2f}" for frame in frames],
        prompts=list(enumerate(drawn.prompts)) if drawn else [],
        scorer=drawn.scorer if drawn else "",
        groups=SHOWN,
        curve=curve(frames, first),
        address=partial(keyed, run),
        count=len(store.STRENGTHS),
    )


def _frame(strength: float, scores: Sequence[float], drawn: StrengthResult) -> ShownStrength:
    means = {}
    for name in SHOWN:
        of_group = [score for prompt, score in zip(drawn.prompts, scores, strict=True) if prompt.group == name]
        if of_group:
            means[name] = sum(of_group) / len(of_group)
    return ShownStrength(strength, means, scores)


def curve(frames: Sequence[ShownStrength], first: int) -> Markup:
    """Erased against kept, a point for each strength. Further left forgets more, higher keeps more."""
    places = [
        Place(
            f"{frame.strength:.2f}",
            (frame.means["erased"],) * 3,
            (frame.means["kept"],) * 3,
            Markup(' data-frame="{}"{}').format(k, "" if k == first else Markup(" hidden")),
        )
        for k, frame in enumerate(frames)
        if len(frame.means) == len(SHOWN)
    ]
    return scatter("Erased against kept", AXES, places, joined=True) if places else Markup()


def exports(run: Run) -> Markup:
    """The strengths that were exported, and where they are."""
    folders, files = store.exports(run), store.exports(run, whole=False)
    return render("ui/try_tab/exports.html", folders=folders, files=files, address=partial(keyed, run))
