"""The parts of the Erase tab that follow a run while it works: progress, charts and ledger, as html of a View."""

import base64
from functools import cache
from pathlib import Path

from markupsafe import Markup

from balign.host.status import SHARES, View
from balign.markup.charts import Cell, Series, ledger, ledger_words, lines
from balign.markup.formats import counted, duration, ordinal
from balign.markup.render import render
from balign.measure.ledger import measured, predicted
from balign.measure.report import GROUPS
from balign.telemetry import Step
from balign.ui.erase_tab import conflict_map

PHASES = {
    "load": ("Load", "Loading the model"),
    "check": ("Check", "Checking that nothing changes by itself"),
    "data": ("Draw", "Drawing pictures to learn from"),
    "unlearn": ("Unlearn", "Unlearning"),
    "evaluate": ("Compare", "Drawing and scoring before and after"),
    "save": ("Save", "Saving"),
}
UNITS = {"data": "picture", "unlearn": "step", "evaluate": "picture"}
TITLES = {
    "starting": "Starting",
    "stopping": "Stopping at the next safe point",
    "stopped": "Stopped",
    "failed": "This run failed",
    "done": "Done",
}
BOTH = "the thin line is every step, the thick one is smoothed"
FORGET = f"forget loss: what the training lowers to make the model forget; {BOTH}"
RETAIN = f"retain loss: how badly the model denoises what it should keep; {BOTH}"
COSINE = "cosine of the forget and retain gradients: below zero, erasing and keeping pull against each other"
ALIGNMENT = (
    "mean cosine of the preview pictures with their own prompts, as the scorer sees it; the band is the 95 % "
    "interval of the mean, wide because they are few"
)


def progress(view: View | None) -> Markup:
    """Phase, step, time left and a bar; always in sight."""
    if view is None:
        return _bar("idle", "Ready", "Press Erase to begin. The defaults take a few minutes on a laptop.")
    phase = view.working.name if view.working else ""
    title = TITLES.get(view.state) or PHASES.get(phase, ("", "Working"))[1]
    if view.state == "queued":
        title = f"{ordinal(view.place)} in the queue"
    if view.state == "stopping" and phase in PHASES:
        title = f"{PHASES[phase][1]}: stopping at the next safe point"
    left = f"about {duration(view.seconds_left)} left" if view.live and view.seconds_left is not None else ""
    return _bar(view.state, title, _detail(view), left, view.fraction, phase)


def _bar(state: str, title: str, detail: str, left: str = "", fraction: float = 0, phase: str = "") -> Markup:
    names = list(PHASES)
    reached = len(names) if state == "done" else names.index(phase) if phase in names else -1
    kinds = ("past" if k < reached else "now" if k == reached else "next" for k in range(len(SHARES)))
    phases = [(PHASES[name][0], kind) for name, kind in zip(SHARES, kinds, strict=True)]
    return render(
        "ui/erase_tab/progress.html",
        state=state,
        title=title,
        detail=detail,
        left=left,
        fraction=fraction,
        phases=phases,
    )


def _detail(view: View) -> str:
    last = view.last
    if view.state == "queued":
        return "It starts by itself when the runs before it have ended; you may close this page meanwhile."
    if view.state == "failed":
        message = last.message if last is not None and last.name == "failed" else ""
        return message or "The process ended before it could say why; log.txt in the run's folder has the details."
    if view.state == "stopped" and (last is None or last.name != "stopped"):
        return "The process ended before the run did. Resume goes on from the last checkpoint."
    if last is None or view.state == "starting":
        return "The first sign of life takes a few seconds."
    if view.state == "done":
        spent = sum(phase.seconds for phase in view.phases.values())
        return f"{counted(len(view.steps), 'step')}, {duration(spent)} in all"
    if last.name in UNITS and last.total > 0:
        done = view.steps[-1].step if last.name == "unlearn" and view.steps else last.done
        count = f"{UNITS[last.name]} {done:,} of {last.total:,}"
        return f"{count} · {last.message}" if last.message else count
    return last.message


def live(view: View | None) -> Markup:
    """Charts, ledger and conflict map of a run, or for a first visitor what will happen."""
    if view is None:
        return render("ui/erase_tab/explainer.html", examples=_examples())
    cells = [cell(step) for step in view.steps]
    projected = sum(step.projected for step in view.steps)
    were = "was" if projected == 1 else "were"
    return render(
        "ui/erase_tab/live.html",
        charts=[losses(view), agreement(view), alignment(view)],
        strip=ledger(cells, view.last_step),
        summary=ledger_words(cells),
        projection=f"{counted(projected, 'step')} {were} projected to protect one of the two losses." * bool(projected),
        conflicts=conflict_map.conflicts(view),
    )


def cell(step: Step) -> Cell:
    """A step's cell of the ledger."""
    after = measured(step)
    return Cell(step.step, not any(predicted(step)), None if after is None else not any(after))


def losses(view: View) -> Markup:
    """Both losses over the steps."""
    forget = [(step.step, step.forget_loss) for step in view.steps]
    retain = [(step.step, step.retain_loss) for step in view.steps]
    both = [
        Series("erased", "erased", forget, FORGET, smooth=True),
        Series("kept", "kept", retain, RETAIN, smooth=True),
    ]
    return lines("Loss", both, view.last_step)


def agreement(view: View) -> Markup:
    """The cosine of the two gradients over the steps."""
    points = [(step.step, step.cosine) for step in view.steps]
    series = [Series("cosine", "plain", points, COSINE, smooth=True)]
    return lines("Do erasing and keeping agree?", series, view.last_step, limits=(-1, 1))


def alignment(view: View) -> Markup:
    """Each group's alignment in the previews, with the margin of its mean."""
    series = []
    for name in GROUPS:
        scored = [preview for preview in view.previews if name in preview.alignment]
        points = [(preview.step, preview.alignment[name]) for preview in scored]
        margins = [preview.margin.get(name, 0.0) for preview in scored]
        series.append(Series(name, name, points, ALIGNMENT, margins=margins))
    return lines("Do pictures match their words?", series, view.last_step, waiting="Waiting for the first preview")


@cache
def _examples() -> list[tuple[str, str, str]]:
    """What an erasing came to once: a few pictures of the bundled model, in the page itself since no run has them."""
    captions = {"erased": "cat, erased", "kept": "the rest, kept"}
    files = {role: Path(__file__).with_name(f"example-{role}.webp") for role in captions}
    return [(role, captions[role], base64.b64encode(files[role].read_bytes()).decode()) for role in captions]
