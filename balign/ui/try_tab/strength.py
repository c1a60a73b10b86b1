"""How much of the change is applied: pictures, scores and the trade-off at every strength that was drawn."""

from collections.abc import Sequence
from functools import partial

from markupsafe import Markup

from balign.markup.charts import Place, scatter
from balign.markup.render import render
from balign.measure.report import GROUPS, VEILED
from balign.runs.folder import Run
from balign.runs.outcome.marks import veiled
from balign.runs.tryout import store
from balign.runs.tryout.exports import exported
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


def strength(run: Run, drawn: StrengthResult | None) -> Markup:
    """The slider, the curve and the pictures; before they are drawn, what they will show."""
    frames = drawn.frames if drawn else ()
    first = min(range(len(frames)), key=lambda k: abs(frames[k].strength - FULL), default=0)
    values, groups = [f"{frame.strength:.2f}" for frame in frames], means(drawn) if drawn else []
    return render(
        "ui/try_tab/strength.html",
        frames=list(zip(frames, groups, strict=True)),
        first=first,
        values=values,
        drawn=drawn,
        groups=SHOWN,
        veiled=[name for name in SHOWN if name in VEILED and veiled(run)],
        curve=curve(values, groups, first),
        address=partial(keyed, run),
        count=len(store.STRENGTHS),
    )


def means(drawn: StrengthResult) -> list[dict[str, float]]:
    """For each strength the mean alignment of each group that has scores."""
    of_group = {name: [k for k, prompt in enumerate(drawn.prompts) if prompt.group == name] for name in SHOWN}
    scored = [
        {
            name: [value for k in places if (value := frame.alignment[k]) is not None]
            for name, places in of_group.items()
        }
        for frame in drawn.frames
    ]
    return [{name: sum(values) / len(values) for name, values in each.items() if values} for each in scored]


def curve(values: Sequence[str], means: Sequence[dict[str, float]], first: int) -> Markup:
    """Erased against kept, a point for each strength. Further left forgets more, higher keeps more."""
    places = []
    for k, (value, groups) in enumerate(zip(values, means, strict=True)):
        frame = Markup(' data-frame="{}"{}').format(k, "" if k == first else Markup(" hidden"))
        if len(groups) == len(SHOWN):
            places.append(Place(value, (groups["erased"],) * 3, (groups["kept"],) * 3, frame))
    return scatter("Erased against kept", AXES, places, joined=True) if len(places) > 1 else Markup()


def exports(run: Run) -> Markup:
    """The strengths that were exported, and where they are."""
    folders, files = exported(run), exported(run, whole=False)
    return render("ui/try_tab/exports.html", folders=folders, files=files, address=partial(keyed, run))
