"""The Try tab: what a finished run's weights draw for your own prompts, at other strengths, for probes; a blind vote.

The tab is the run owner's: anyone else with the link sees and starts nothing here.
"""

from collections.abc import Callable, Set
from functools import partial
from typing import Any

import gradio as gr

from balign.data import probes as probing
from balign.host import borrowing, processes, scheduler, status, visitors
from balign.markup.formats import duration
from balign.markup.render import macro, render
from balign.refusal import Refusal
from balign.runs.accepted_text import MAX_PROMPT
from balign.runs.folder import Run, example_runs
from balign.runs.prompt_lists import BATCH
from balign.runs.tryout import store
from balign.runs.tryout.store import MOST_IMAGES
from balign.ui import zerogpu
from balign.ui.page import Answer, Caller, Page, Sent, bind, changed, notice, plain
from balign.ui.try_tab import attack_panel, blind_vote, own_prompts, probe_results, strength, try_actions

TICK = 1.0
"""Seconds between two looks into the run's folder while something is drawn."""
STRENGTH = "(browser) => [browser, balignStrength()]"
WORKING = {
    "try": "Drawing before and after",
    "strength": "Drawing the strengths",
    "probe": "Drawing the probes",
    "attack": "Trying to bring it back",
    "export": "Writing a file",
    "push": "Pushing to the Hub",
}
ENDED = "The drawing ended early; log.txt in the run's folder may say why."
UNLOGGED = "The drawing ended early and could not write why, as on a full disk; free some room and draw again."


def build(page: Page) -> None:
    """The tab, inside the tab that is being built."""
    parts: dict[str, Any] = {"sent": gr.State({})}
    with gr.Column(elem_classes="tryout") as column:
        parts["about"] = plain(_about(Caller(visitors.NOBODY, None)), "try-about")
        parts["trouble"] = plain("", "try-trouble")
        with gr.Column(visible=False, elem_classes="tryout") as parts["room"]:
            with gr.Row(elem_classes="dock", visible=False) as parts["dock"]:
                parts["progress"] = plain("", "try-progress")
                parts["stop"] = gr.Button("Stop", min_width=80, scale=0, size="sm", elem_id="try-stop")
            parts["say"] = plain("", "try-say")
            _own_prompts(parts)
            plain(macro("heading", "Probes, not proof"), "try-probes")
            parts["probes"] = plain("", "probes")
            with gr.Row(elem_classes="acts"):
                parts["probe"] = gr.Button("Draw the probes", size="sm", scale=0, elem_id="try-probe")
            fields = attack_panel.build(parts)
            _strength(parts)
            with gr.Column(elem_classes="tryout") as parts["voting"]:
                bind_vote = blind_vote.build(page)
    parts["timer"] = gr.Timer(TICK, active=False)
    _events(page, column.parent, parts, fields)
    bind_vote(column.parent)


def _own_prompts(parts: dict[str, Any]) -> None:
    plain(macro("heading", "Your own prompt"), "try-own")
    with gr.Row(elem_classes="finder") as parts["asking"]:
        parts["prompt"] = gr.Textbox(
            label="Prompt", placeholder="what to draw", max_length=MAX_PROMPT, scale=4, elem_id="try-prompt"
        )
        parts["seed"] = gr.Textbox("0", label="Seed", scale=1, min_width=90, elem_id="try-seed")
        images = f"Images, 1 to {MOST_IMAGES}"
        parts["images"] = gr.Textbox("4", label=images, scale=1, min_width=110, elem_id="try-images")
        parts["draw"] = gr.Button("Draw", variant="primary", scale=0, min_width=90, elem_id="try-draw")
    parts["ideas"] = plain("", "ideas", visible=False)
    parts["own_prompts"] = plain("", "own-prompts")


def _strength(parts: dict[str, Any]) -> None:
    plain(macro("heading", "Strength of the change"), "try-strength")
    parts["strength"] = plain("", "strength")
    with gr.Row(elem_classes="acts"):
        parts["frames"] = gr.Button("Draw the strengths", size="sm", scale=0, elem_id="try-frames")
        parts["export"] = gr.Button("Export at this strength", visible=False, size="sm", scale=0, elem_id="try-export")
        parts["amount"] = gr.Textbox(visible=False)  # try_tab.js puts in its place where the slider is
    parts["exports"] = plain("", "exports", visible=False)


def _events(page: Page, tab: Any, parts: dict[str, Any], fields: Set[str]) -> None:
    on = partial(bind, page.browser, parts)

    def refresh(event: Any) -> Any:
        followed = [*shown(Caller(visitors.NOBODY, None)), "sent"]
        return on(event, refreshed, "The files of this run cannot be shown", ["sent"], followed, say="trouble")

    def begin(event: Any) -> None:
        """Show that it is drawn and, on ZeroGPU, draw it within this call; elsewhere a process does that."""
        seen = refresh(event)
        if scheduler.inline():
            refresh(on(seen, zerogpu.draw, "The drawing could not go on with the device"))

    refresh([tab.select, parts["timer"].tick])
    failure = "The drawing could not be started"
    submitted = [parts["draw"].click, parts["prompt"].submit]
    begin(on(submitted, try_actions.draw_prompt, failure, ["prompt", "seed", "images"]))
    begin(on(parts["probe"].click, try_actions.draw_probes, failure))
    begin(on(parts["frames"].click, try_actions.draw_strengths, failure))
    export = on(parts["export"].click, try_actions.export, "The export could not be started", ["amount"], js=STRENGTH)
    begin(export)
    begin(on(parts["attack"].click, try_actions.attack, "The attack could not be started", fields))
    refresh(on(parts["stop"].click, try_actions.stop, "The drawing could not be stopped"))


def refreshed(caller: Caller, sent: Sent | None) -> Answer:
    """The parts that differ from what this page was sent before."""
    new, now = changed(shown(caller), sent)
    return {"trouble": "", "sent": now} | new


def shown(caller: Caller) -> dict[str, Any]:
    """Every part that follows the run's folder, as it is now."""
    owned = caller.owned
    working = owned is not None and (
        processes.alive(owned) or borrowing.pending(owned)
    )  # asked first: one that ends in between is then read whole
    run = caller.open if caller.open and (caller.open.example or store.ready(caller.open)) else None
    drawable = owned is not None and run is not None
    progress = _progress(run, working) if run else ""
    strengths, no_strengths = _read(store.strength, run)
    probes, no_probes = _read(store.probes, run)
    exports = strength.exports(run) if run else ""
    return {
        "about": _about(caller),
        "room": gr.update(visible=run is not None),
        "dock": gr.update(visible=bool(progress)),
        "progress": progress,
        "stop": gr.update(visible=working),
        **{name: gr.update(visible=drawable) for name in ("asking", "choosing", "voting")},
        "ideas": gr.update(value=own_prompts.ideas(run) if run else "", visible=drawable),
        "draw": gr.update(interactive=not working),
        "own_prompts": own_prompts.own_prompts(run) if run else "",
        "strength": no_strengths or (strength.strength(run, strengths) if run else ""),
        "frames": _draw_button(run, "strengths", strengths, working, BATCH * (len(store.STRENGTHS) + 1)),
        "export": gr.update(visible=bool(strengths) and drawable, interactive=not working),
        "exports": gr.update(value=exports, visible=bool(exports)),
        "probes": no_probes or (probe_results.probe_results(run, probes) if run else ""),
        "probe": _draw_button(run, "probes", probes, working, 2 * probing.MOST),
        **attack_panel.shown(run, working),
        "timer": gr.Timer(active=working),
    }


def _draw_button(run: Run | None, what: str, drawn: Any, working: bool, pictures: int) -> Any:
    """The button that draws all of it, or what is left of it, with about how long that takes."""
    label, share = f"Draw the {what}", 1.0
    if drawn is not None and drawn.partial:
        label, share = f"Draw the rest of the {what}", 1 - len(drawn.drawn) / drawn.total
    phases = status.look(run).phases if run else {}
    compared, loaded = phases.get("evaluate"), phases.get("load")
    if compared is not None and loaded is not None and compared.done > 0:
        seconds = loaded.seconds + share * pictures * compared.seconds / compared.done
        label += f" (about {duration(seconds)})"
    left = (drawn is None or drawn.partial) and not (run and run.example)
    return gr.update(value=label, visible=left, interactive=not working)


def _read(read: Callable[[Run], Any], run: Run | None) -> tuple[Any, str]:
    """What was drawn; if it is unreadable, the sentence that says so in its place."""
    try:
        return (read(run) if run else None), ""
    except Refusal as refusal:
        return None, notice(str(refusal), "refused")


def _about(caller: Caller) -> str:
    """Which run is tried, or why there is none."""
    if caller.run is not None and caller.run.example:
        return render("ui/try_tab/about.html", run=caller.run)
    try:
        return render("ui/try_tab/about.html", run=try_actions.ready(caller))
    except Refusal as refusal:
        offers = str(refusal) != visitors.NOT_YOURS
        return render("ui/try_tab/about.html", run=None, why=str(refusal), offers=offers, examples=example_runs()[:1])


def _progress(run: Run, working: bool) -> str:
    """How far the drawing is, or why it ended; empty when there is nothing to say."""
    now = store.progress(run)
    if not working:
        failed = now is not None or processes.drawing_failed(run)
        ended = ENDED if run.logged() else UNLOGGED
        kind = "remark" if now and now.stopped else "refused"
        return notice((now.failed if now else "") or ended, kind) if failed else ""
    title = WORKING.get(now.verb if now else "", "Getting ready")
    if run.stop_requested():
        title = "Stopping after these pictures; what is drawn is kept"
    done, total = (now.done, now.total) if now else (0, 0)
    detail = f"{done:,} of {total:,}" if total > 0 else "The model is being loaded."
    fraction = min(done / total, 1.0) if total > 0 else 0.0
    return macro("progress", "running", "Progress of the drawing", title, detail, "", fraction)
