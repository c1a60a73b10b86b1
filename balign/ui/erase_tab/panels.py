"""The parts of the Erase tab that follow a run while it works: progress, charts and ledger, as html of a RunView."""

from collections.abc import Mapping
from types import MappingProxyType

from markupsafe import Markup

from balign.host.status import STATES, RunView
from balign.markup.charts import ledger, ledger_words
from balign.markup.formats import counted, duration, ordinal
from balign.markup.render import render
from balign.measure import conflict_map, training_charts
from balign.method.objectives import settle
from balign.ui import run_title
from balign.ui.erase_tab.welcome import welcome
from balign.ui.files import STEPS_CSV, url

PHASES = {
    "load": ("Load", "Loading the model"),
    "check": ("Check", "Safety check: the untouched model must draw the same twice"),
    "data": ("Draw", "Drawing pictures to learn from"),
    "unlearn": ("Unlearn", "Unlearning"),
    "evaluate": ("Compare", "Drawing and scoring before and after"),
    "save": ("Save", "Saving"),
}
LOGGED = "The process ended before it could say why; log.txt in the run's folder has the details."
UNLOGGED = "The process ended and could not write why, as on a full disk; free some room, then press Resume."
UNITS = {"data": "picture", "unlearn": "step", "evaluate": "picture"}


def progress(view: RunView | None) -> Markup:
    """Phase, step, time left and a bar; always in sight."""
    if view is None:
        return _bar(
            "idle", "Ready", "Say what to erase and press Erase; with the defaults it takes a few minutes on a laptop."
        )
    phase = view.working.name if view.working else ""
    title = "A finished example" if view.run.example else STATES[view.state]
    if view.state == "queued":
        title = f"{ordinal(view.place)} in the queue"
    elif view.judging:
        title = "Judging it again" if view.state == "starting" else "Judging it again: stopping"
    elif view.state == "running":
        title = PHASES.get(phase, ("", "Working"))[1]
    elif view.comparing:
        title = "Stopped: comparing what there is"
    elif view.state == "stopping" and phase == "unlearn":
        title = "Stopping: finishing this step"
    elif view.state == "stopping" and phase in PHASES:
        title = f"{PHASES[phase][1]}: stopping"
    left = f"about {duration(view.seconds_left)} left" if view.live and view.seconds_left is not None else ""
    data = {"run": view.run.id, "title": run_title.title(view), "live": "yes" if view.live else "no"}
    return _bar(view.state, title, _detail(view), left, view.fraction, "unlearn" if view.cut_short else phase, data)


def _bar(
    state: str,
    title: str,
    detail: str,
    left: str = "",
    fraction: float = 0,
    phase: str = "",
    data: Mapping[str, str] = MappingProxyType({}),
) -> Markup:
    names = list(PHASES)
    reached = len(names) if state == "done" else names.index(phase) if phase in names else -1
    kinds = ("past" if k < reached else "now" if k == reached else "next" for k in range(len(names)))
    phases = [(PHASES[name][0], kind) for name, kind in zip(names, kinds, strict=True)]
    values = {"title": title, "detail": detail, "left": left, "fraction": fraction}
    return render("ui/erase_tab/progress.html", state=state, phases=phases, data=data, **values)


def _detail(view: RunView) -> str:
    last = view.last
    if view.state == "queued":
        return (
            view.trouble or "It starts by itself when the runs before it have ended; you may close this page meanwhile."
        )
    if view.state == "failed":
        message = last.message if last is not None and last.name == "failed" else ""
        return message or (LOGGED if view.run.logged() else UNLOGGED)
    if view.state == "new":
        return "It has not begun; Start puts it into the queue."
    if view.state == "stopped" and (last is None or last.name != "stopped"):
        return f"The process ended before the run did. {_resuming(view)}"
    if view.judging:
        return "What is missing is drawn and all of it scored; the report stays as it is until then."
    if last is None or view.state == "starting":
        return "Loading the model takes a few seconds."
    if view.state == "done":
        return f"{counted(len(view.steps), 'step')}, {duration(view.seconds)} in all"
    if last.name in UNITS and last.total > 0:
        done = view.steps[-1].step if last.name == "unlearn" and view.steps else last.done
        count = f"{UNITS[last.name]} {done:,} of {last.total:,}"
        then = "Stop once more ends the comparison" if view.comparing else last.message
        if view.state == "stopping" and last.name == "unlearn":
            then = "then it compares what there is"
        return f"{count} · {then}" if then else count
    return last.message


def _resuming(view: RunView) -> str:
    """What Resume does with a run whose process was killed."""
    if view.resumes_at:
        return f"Resume goes on from step {view.resumes_at:,}."
    if view.steps:
        return "Resume begins the training again, since no step was saved yet; what is drawn is kept."
    return "Resume goes on with what is drawn."


def live(view: RunView | None) -> Markup:
    """Charts, ledger and conflict map of a run, or for a first visitor an example."""
    if view is None:
        return welcome()
    cells = training_charts.cells(view.steps)
    return render(
        "ui/erase_tab/live.html",
        trains=settle(view.run.config).steps > 0,
        charts=training_charts.charts(view.steps, view.previews, view.last_step),
        strip=ledger(cells, view.last_step),
        summary=ledger_words(cells),
        projected=sum(step.projected for step in view.steps),
        conflicts=conflicts(view),
        started=bool(view.steps or view.previews),
        csv=url(view.run, STEPS_CSV) if view.report else "",
    )


def conflicts(view: RunView | None) -> Markup:
    """Both heat maps; empty for a run that records no conflicts, a sentence while they may still come."""
    records = view.conflicts if view else []
    waiting = view is not None and view.live and view.run.config.measure_every > 0
    if not (records or waiting):
        return Markup()
    return conflict_map.heat_maps(records)
