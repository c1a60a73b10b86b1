"""What happens on the page: start, stop, resume, attach, and the tick that reads the run's folder.

Every function takes plain values and returns plain values or gradio updates, and holds nothing between calls; which
run a page shows comes from its address or the browser's own store. No error leaves here but as one escaped sentence.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr

from balign.host import processes, scheduler, visitors, waitlist
from balign.host.status import RunView, look
from balign.host.visitors import Visitor
from balign.refusal import Refusal
from balign.runs.folder import Run, find
from balign.ui import form
from balign.ui.erase_tab import conflict_map, panels, previews, results
from balign.ui.files import keyed

log = logging.getLogger(__name__)
Sent = dict[str, str]


def start(values: Mapping[str, Any], visitor: Visitor = visitors.NOBODY) -> tuple[Any, str]:
    """Write the configs and start their runs; give the browser the first one's id, and a word on what was noticed."""
    try:
        wanted = form.configs(values)
        remarks = form.advice(wanted[0])
        if len(wanted) > 1 and scheduler.inline():
            raise Refusal(f"{len(wanted)} seeds were given; this instance has its device for one run at a time.")
        visitor = visitors.with_secret(visitor)
        run, *others = scheduler.begin_all(wanted, visitor)
    except ValueError as error:
        return gr.skip(), notice(str(error), "refused")
    except OSError as error:
        return gr.skip(), notice(f"The run could not be started: {error.strerror or 'the disk refused'}.", "refused")
    if others:
        remarks.append(f"{len(wanted)} runs, one a seed: here is the first, and all of them are under Runs.")
    return visitors.stored(run.id, visitor), notice(" ".join(remarks), "remark") if remarks else ""


def stop(browser: object, keep: bool) -> str:
    """Ask the run to stop, which it does at its next batch; one that waits leaves the line."""
    run = find(run_id(browser))
    if run is not None and not visitors.owns(run, visitors.visitor(browser)):
        return notice(visitors.NOT_YOURS, "refused")
    if run is None or not (processes.alive(run) or waitlist.ticket(run)):
        return notice("Nothing is running here.", "remark")
    try:
        if not scheduler.cancel(run):
            run.request_stop(keep)
    except OSError as error:
        return notice(f"The run could not be asked to stop: {error.strerror}.", "refused")
    return ""


def resume(browser: object, verb: waitlist.Verb = "run", request: Any = None) -> str:
    """Go on with a run that was stopped or killed, or compare with what it has learnt so far."""
    run = find(run_id(browser))
    if run is None:
        return notice("The run is not here any more.", "refused")
    visitor = visitors.visitor(browser, request)
    if not visitors.owns(run, visitor):
        return notice(visitors.NOT_YOURS, "refused")
    try:
        scheduler.resume(run, verb, visitor)
    except ValueError as error:
        return notice(str(error), "refused")
    except OSError as error:
        return notice(f"The run could not be resumed: {error.strerror}.", "refused")
    return ""


def attach(browser: object, asked: str | None) -> tuple[Any, str, dict[str, Any]]:
    """The run in the page's address, else the one this browser last saw: its id, a word, and the form as it was."""
    visitor = visitors.with_secret(visitors.visitor(browser))
    nothing = visitors.stored("", visitor)
    if asked == "":
        return nothing, "", {}
    run = find(asked) if asked else find(run_id(browser))
    if run is None:
        words = "The run in this link is not here any more; it may have been deleted." if asked else ""
        return nothing, notice(words, "refused") if words else "", {}
    try:
        return visitors.stored(run.id, visitor), "", form.filled(run.config)
    except ValueError:
        return nothing, notice("The run in this link has a config that cannot be read.", "refused"), {}


def command(values: Mapping[str, Any]) -> str:
    """The same run as a command, or what keeps it from being one."""
    try:
        return form.command(*form.configs(values))
    except ValueError as error:
        return f"# {error}"


def refresh(browser: object, sent: Sent | None) -> tuple[dict[str, Any], Sent]:
    """What changed since this page was last told: updates by part of the page, and what it has now been told."""
    run = find(run_id(browser))
    try:
        view = replace(look(run), own=visitors.owns(run, visitors.visitor(browser))) if run else None
        parts = {name: draw(view) for name, draw in PARTS.items()}
    except (OSError, ValueError, TypeError, AttributeError):  # a folder that is being deleted, or was tampered with
        log.exception("run %s cannot be shown", run.id if run else "")
        return {"notice": notice("The files of this run cannot be read at the moment.", "refused")}, sent or {}
    told = {name: _digest(part) for name, part in parts.items()}
    old = sent or {}
    return {name: part for name, part in parts.items() if told[name] != old.get(name)}, told


def live(view: RunView | None) -> str:
    """Charts and ledger, or for a first visitor what they will show."""
    if view is None:
        return panels.explainer()
    charts = panels.losses(view) + panels.cosine(view) + panels.alignment(view)
    head = '<h2 class="training">Training</h2>'
    return f'{head}<div class="charts">{charts}</div>{panels.books(view)}{conflict_map.fight(view)}'


def outcome(view: RunView | None) -> str:
    """The verdict, the numbers and the pictures, once there are any."""
    if view is None:
        return ""
    if view.unreadable:
        raise Refusal(view.unreadable)
    if view.report is None:
        return "" if view.live else _downloads(view)
    report = view.report.to_dict()
    return (
        results.verdict(view.run, report) + results.gallery(view.run, report) + results.table(report) + _downloads(view)
    )


def _downloads(view: RunView) -> str:
    offers = {
        "report.html": "Report",
        "report.json": "Numbers",
        **({"erased.safetensors": "Changed weights"} if view.own else {}),
    }
    links = "".join(
        f'<a href="{keyed(view.run, name)}" target="_blank" rel="noopener">{text}</a>'
        for name, text in offers.items()
        if (view.run.path / name).is_file()
    )
    return f'<nav class="downloads" aria-label="Files of this run">{links}</nav>' if links else ""


PARTS: dict[str, Callable[[RunView | None], Any]] = {
    "progress": panels.progress,
    "live": live,
    "previews": lambda view: _hidden_if_empty(previews.film(view)),
    "outcome": lambda view: _hidden_if_empty(outcome(view)),
    "start": lambda view: gr.update(interactive=not (view and view.live and view.own)),
    "stop_keep": lambda view: gr.update(visible=_at_work(view), interactive=_can_stop(view)),
    "stop": lambda view: gr.update(visible=_at_work(view, also="queued"), interactive=_can_stop(view)),
    "resume": lambda view: gr.update(visible=_can_resume(view)),
    "compare": lambda view: gr.update(visible=_can_resume(view) and view is not None and view.partial),
    "timer": lambda view: gr.Timer(active=bool(view and view.live)),
}
"""The parts of the page that follow the run, and how each is made."""


def _hidden_if_empty(text: str) -> Any:
    return gr.update(value=text, visible=bool(text))


def _at_work(view: RunView | None, also: str = "") -> bool:
    return bool(view and view.own and view.live and view.state in (also, "starting", "running", "stopping"))


def _can_resume(view: RunView | None) -> bool:
    return view is not None and view.own and view.state in ("new", "stopped", "failed")


def _can_stop(view: RunView | None) -> bool:
    return bool(view and view.live and view.state != "stopping")


def _digest(part: Any) -> str:
    shown = part if isinstance(part, str) else repr(part if isinstance(part, dict) else part.active)
    return hashlib.blake2b(shown.encode(), digest_size=12).hexdigest()


def run_id(browser: object) -> str:
    """The id in the browser's store, which a visitor may have written anything into."""
    value = browser.get("run") if isinstance(browser, dict) else None
    return value if isinstance(value, str) else ""


def own_run(browser: object) -> Run | None:
    """The run that the browser shows, if its visitor may change it."""
    run = find(run_id(browser))
    return run if run is not None and visitors.owns(run, visitors.visitor(browser)) else None


def notice(words: str, kind: str) -> str:
    """A sentence in the page, read out by screen readers."""
    return f'<p class="notice {kind}" role="alert">{escape(words)}</p>'
