"""What the events of the Erase tab do: start, stop, resume, discard, open a run, and the tick that reads its folder."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import gradio as gr

from balign.host import limits, processes, scheduler, visitors, waitlist
from balign.host.discard import DISCARDED
from balign.host.status import RunView, look
from balign.markup.languages import said
from balign.models import catalogue
from balign.refusal import Refusal
from balign.runs import resizing
from balign.runs.folder import find
from balign.ui import form, form_fields
from balign.ui.erase_tab import (
    judge_again,
    keep_assistant,
    next_steps,
    own_uploads,
    panels,
    previews,
    results,
    take_away,
)
from balign.ui.erase_tab.first_pictures import first_pictures
from balign.ui.page import Answer, Caller, Sent, changed, notice

GONE = "The run in this link is not here any more; it may have been deleted."


def start(caller: Caller, values: Mapping[str, Any]) -> Answer:
    """Write the configs and start their runs; the browser then shows the first one."""
    configs = [form.understood(config) for config in form.configs(values)]
    remarks = form.advice(configs[0])
    configs, pictures, more = own_uploads.taken(configs, values)
    remarks += more
    if len(configs) > 1 and scheduler.inline():
        raise Refusal(f"{len(configs)} seeds were given; this instance has its device for one run at a time.")
    visitor = visitors.with_secret(caller.visitor)
    first = scheduler.begin_all(configs, visitor, pictures)[0]
    if len(configs) > 1:
        remarks.append(f"{len(configs)} runs, one per seed: this is the first, and all of them are under Runs.")
    message = notice(" ".join(remarks), "remark") if remarks else ""
    begun = {"browser": visitors.stored(first.id, visitor), "notice": message}
    return keep(caller) | begun | own_uploads.spent(values)


def stop(caller: Caller) -> Answer:
    """Ask the run to stop at its next batch and compare what there is; one that is queued leaves the queue."""
    run = caller.run and caller.own()
    if run is None or not (processes.alive(run) or waitlist.ticket(run)):
        return {"notice": notice("Nothing is running here.", "remark")}
    if not scheduler.cancel(run):
        scheduler.stop(run)
    return {"notice": ""}


def resume(caller: Caller, values: Mapping[str, Any] | None = None) -> Answer:
    """Go on with a run that was stopped or killed, with the batches that the form says."""
    run = caller.own()
    if values and not (processes.alive(run) or waitlist.ticket(run)):
        config = resizing.resized(run, form.sizes(values))
        limits.check(config)
        run = resizing.store(run, config)
    scheduler.resume(run, "run", caller.visitor)
    return keep(caller)


def compare(caller: Caller) -> Answer:
    """Compare before and after with the weights that a run has so far."""
    scheduler.resume(caller.own(), "evaluate", caller.visitor)
    return keep(caller)


def ask_discard(caller: Caller) -> Answer:
    """Ask whether to throw away what a stopped run has."""
    view = look(caller.own())
    if not view.discardable:
        raise Refusal("There is nothing here to discard.")
    taken = f", {len(view.steps):,} of {view.last_step:,} steps" if view.steps else ""
    what = "weights and checkpoint" + taken + (", with the comparison" if view.report else "")
    question = notice(f"Discard this run's {what}? The run can then only start again.", "refused")
    return {"notice": "", "sure": gr.update(visible=True), "question": question, "doomed": view.run.id}


def keep(caller: Caller) -> Answer:
    """Discard nothing."""
    return {"notice": "", "sure": gr.update(visible=False), "doomed": ""}


def discard(caller: Caller, doomed: object) -> Answer:
    """Throw away what the run has that was asked about."""
    run = caller.own()
    if run.id != doomed:
        raise Refusal("Another run is shown than the one that was asked about; nothing was discarded.")
    scheduler.discard(run)
    return keep(caller)


def attach(caller: Caller) -> Answer:
    """Show the run in the page's address, else the one this browser showed last, with the form as it was.

    An example leaves the form as it is.
    """
    visitor = visitors.with_secret(caller.visitor)
    nothing = {"browser": visitors.stored("", visitor), "notice": ""}
    run = caller.run if caller.link is None else find(caller.link)
    if run is None:
        return nothing | ({"notice": notice(GONE, "refused")} if caller.link else {})
    try:
        return {
            "browser": visitors.stored(run.id, visitor),
            "notice": "",
            **({} if run.example else form.filled(run.config)),
        }
    except Refusal:
        return nothing | {"notice": notice("The run in this link has a config that cannot be read.", "refused")}


def model_info(caller: Caller, name: object) -> Answer:
    """What the page says of the chosen model, the words to choose from, its numbers as what empty settings mean."""
    try:
        if not limits.public():  # where a stranger's model may be any, and its files of any size
            catalogue.look_up(str(name))
        about, numbers = form.about_model(str(name)), form.numbers_of(str(name))
    except Refusal:  # which is said at the field
        about, numbers = "", {}
    shown = {setting: gr.update(placeholder=number) for setting, number in numbers.items()}
    return {"model": gr.update(info=about), "words": keep_assistant.words(name), **shown}


def choose_way(caller: Caller, way: object) -> Answer:
    """One of the ways chosen first is a method; for another one the list of all methods is shown."""
    chosen = form.way(str(way))
    return {"method": gr.update(value=chosen, visible=False) if chosen else gr.update(visible=True)}


def method_info(caller: Caller, name: object) -> Answer:
    """The description of a method, and its numbers as what empty settings mean."""
    method = str(name)
    way, about = form.way(method), form.about_method(method)
    own = [setting for setting in form_fields.SETTINGS if setting.none and setting.name not in form_fields.OF_MODEL]
    numbers = {s.name: gr.update(placeholder=form.left_empty(s, method)) for s in own}
    return {"method": gr.update(visible=not way), "way": gr.update(value=way, info=about), **numbers}


def parts_of(view: RunView | None) -> dict[str, Any]:
    """Every part of the page that follows the run."""
    followed = next_steps.shown(view) | judge_again.shown(view) | take_away.shown(view)
    return {name: draw(view) for name, draw in PARTS.items()} | followed


def nothing_shown() -> Sent:
    """What a page without a run has been sent, as it is built."""
    return changed(parts_of(None), {})[1]


def refresh(caller: Caller, sent: Sent | None) -> Answer:
    """What changed since this page was last sent something, and what it has been sent now."""
    run, own = caller.run, caller.owned is not None
    view = replace(look(run), own=own, trouble=scheduler.trouble(run)) if run else None
    updates, now = changed(parts_of(view), sent)
    return updates | ({"sent": now} if updates else {})


PARTS: dict[str, Callable[[RunView | None], Any]] = {
    "progress": panels.progress,
    "live": panels.live,
    "first_pictures": lambda view: gr.update(value=(text := first_pictures(view)), visible=bool(text)),
    "previews": lambda view: gr.update(value=(text := previews.strip(view)), visible=bool(text)),
    "verdict": lambda view: gr.update(value=(text := results.verdict(view)), visible=bool(text)),
    "outcome": lambda view: gr.update(value=(text := results.outcome(view)), visible=bool(text)),
    "start": lambda view: gr.update(interactive=not (view and view.live and view.own)),
    "stop": lambda view: _stop_button(view),
    "resume": lambda view: gr.update(value=said(_resume_label(view)), visible=_can_resume(view)),
    "compare": lambda view: gr.update(visible=_can_compare(view)),
    "discard": lambda view: gr.update(visible=bool(view and view.own and view.discardable)),
    "timer": lambda view: gr.Timer(active=bool(view and view.live) or take_away.working(view)),
}
"""The parts of the page that follow the run, and how each is made."""


def _stop_button(view: RunView | None) -> Any:
    able = bool(view and (view.state != "stopping" or view.comparing))
    return gr.update(visible=bool(view and view.own and view.live), interactive=able)


def _resume_label(view: RunView | None) -> str:
    if view is not None and view.state == "new":
        return "Start"
    discarded = view is not None and view.last is not None and view.last.message == DISCARDED
    return "Start again" if discarded else "Resume"


def _can_compare(view: RunView | None) -> bool:
    """Whether what there is can be compared now: weights that were not, or a finished run without scores."""
    if view is None or not view.own:
        return False
    return view.partial if _can_resume(view) else view.state == "done" and bool(view.report and not view.report.scorer)


def _can_resume(view: RunView | None) -> bool:
    return view is not None and view.own and view.state in ("new", "stopped", "failed")
