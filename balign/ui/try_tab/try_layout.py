"""The Try tab: what a finished run's weights draw when they are asked something new.

Every button starts a process that writes into the run's folder, and the page reads that folder; nothing is drawn in
the server. It is for the run's owner: who only has the link sees and starts nothing here. What is shown is made in
`tries`, `scrub` and `probing`, what the buttons do in `drawing`. No error leaves here but as one escaped sentence.
"""

import hashlib
import logging
from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr

from balign.host import processes, visitors
from balign.runs.config import MAX_PROMPT
from balign.runs.folder import Run
from balign.runs.tryout import store
from balign.runs.tryout.store import MOST_IMAGES
from balign.ui.erase_tab.erase_handlers import notice, own_run
from balign.ui.page import PRIVATE, Page, plain
from balign.ui.try_tab import blind_vote, own_prompts, probe_results, strength
from balign.ui.try_tab.try_actions import NO_RUN, export, own, probes, stop, strengths, why_not

log = logging.getLogger(__name__)
TICK = 1.0
"""Seconds between two looks into the run's folder while something is drawn."""
STRENGTH = "(given, browser) => [balignStrength(), browser]"
WORKING = {
    "try": "Drawing before and after",
    "strength": "Drawing the strengths",
    "probe": "Drawing the probes",
    "": "Getting ready",
}
ENDED = "The drawing ended before it was through; log.txt in the run's folder may say why."
OFFERS = (
    ("Your own prompt", "Both models draw it from the same noise, side by side."),
    ("How much of the change", "A slider from the model as it was to the erased one, and beyond."),
    ("Probes", "Synonyms, misspellings and other languages: does anything bring the concept back?"),
    ("Blind vote", "Two sheets in an order that stays hidden: judge with your own eyes."),
)
Sent = dict[str, str]


def build(page: Page) -> None:
    """The tab, inside the tab that is being built."""
    parts: dict[str, Any] = {}
    with gr.Column(elem_classes="tryout") as column:
        parts["about"] = plain(_nothing(NO_RUN), "try-about")
        with gr.Column(visible=False, elem_classes="tryout") as parts["room"]:
            with gr.Row(elem_classes="dock", visible=False) as parts["dock"]:
                parts["progress"] = plain("", "try-progress")
                parts["stop"] = gr.Button("Stop", min_width=80, scale=0, size="sm", elem_id="try-stop")
            parts["say"] = plain("", "try-say")
            _own(parts)
            _strength(parts)
            _probes(parts)
            ballots = blind_vote.build(page)
    parts["timer"] = gr.Timer(TICK, active=False)
    _events(page, column.parent, parts)
    ballots(column.parent)


def _own(parts: dict[str, Any]) -> None:
    plain("<h2>Your own prompt</h2>", "try-own")
    with gr.Row(elem_classes="finder"):
        parts["prompt"] = gr.Textbox(
            label="Prompt", placeholder="what to draw", max_length=MAX_PROMPT, scale=4, elem_id="try-prompt"
        )
        parts["seed"] = gr.Textbox("0", label="Seed", scale=1, min_width=90, elem_id="try-seed")
        parts["images"] = gr.Textbox(
            "4", label=f"Images, 1 to {MOST_IMAGES}", scale=1, min_width=110, elem_id="try-images"
        )
        parts["draw"] = gr.Button("Draw", variant="primary", scale=0, min_width=90, elem_id="try-draw")
    parts["tries"] = plain(own_prompts.EMPTY, "tries")


def _strength(parts: dict[str, Any]) -> None:
    plain("<h2>How much of the change</h2>", "try-strength")
    parts["scrub"] = plain(strength.EMPTY, "scrub")
    with gr.Row(elem_classes="acts"):
        parts["frames"] = gr.Button("Draw the strengths", size="sm", scale=0, elem_id="try-frames")
        parts["export"] = gr.Button("Export at this strength", visible=False, size="sm", scale=0, elem_id="try-export")
        parts["amount"] = gr.Textbox(visible=False)  # store.js puts in its place where the slider stands
    parts["exports"] = plain("", "exports", visible=False)


def _probes(parts: dict[str, Any]) -> None:
    plain("<h2>Probes, not proof</h2>", "try-probes")
    parts["probes"] = plain(probe_results.EMPTY, "probes")
    with gr.Row(elem_classes="acts"):
        parts["probe"] = gr.Button("Draw the probes", size="sm", scale=0, elem_id="try-probe")


def _events(page: Page, tab: Any, parts: dict[str, Any]) -> None:
    sent = gr.State({})
    followed = [parts[name] for name in (*PARTS, "timer")]

    def ask(work: Callable[..., str]) -> Callable[..., str]:
        def asked(request: gr.Request, *given: Any) -> str:
            return work(*given, request=request)

        return asked

    def refresh(store: object, told: Sent) -> dict[Any, Any]:
        updates, now = look(store, told)
        return {parts[name]: update for name, update in updates.items()} | {sent: now}

    def again(event: Any) -> Any:
        return event.then(refresh, [page.browser, sent], [*followed, sent], **PRIVATE)

    for trigger in (tab.select, parts["timer"].tick):
        trigger(refresh, [page.browser, sent], [*followed, sent], **PRIVATE)
    asked = gr.on(
        [parts["draw"].click, parts["prompt"].submit],
        ask(own),
        [page.browser, parts["prompt"], parts["seed"], parts["images"]],
        parts["say"],
        **PRIVATE,
    )
    again(asked)
    again(parts["probe"].click(ask(probes), page.browser, parts["say"], **PRIVATE))
    again(parts["frames"].click(ask(strengths), page.browser, parts["say"], **PRIVATE))
    again(parts["export"].click(ask(export), [parts["amount"], page.browser], parts["say"], js=STRENGTH, **PRIVATE))
    again(parts["stop"].click(stop, page.browser, parts["say"], **PRIVATE))


def look(browser: object, sent: Sent | None) -> tuple[dict[str, Any], Sent]:
    """What changed since this page was last told, and what it has now been told."""
    run = own_run(browser)
    working = run is not None and processes.alive(run)
    try:
        parts = {name: draw(run) for name, draw in PARTS.items()}
        if run is None or not store.ready(run):
            parts["about"] = _nothing(why_not(browser))
    except (OSError, ValueError, TypeError, AttributeError, KeyError, IndexError):  # being deleted, or tampered with
        log.exception("run %s cannot be shown", run.id if run else "")
        said = notice("What was drawn for this run cannot be read at the moment.", "refused")
        return {"about": said, "timer": gr.Timer(active=working)}, {}
    told = {name: hashlib.blake2b(repr(part).encode(), digest_size=12).hexdigest() for name, part in parts.items()}
    new = {name: part for name, part in parts.items() if told[name] != (sent or {}).get(name)}
    return new | {"timer": gr.Timer(active=working)}, told


def _nothing(why: str) -> str:
    """Why there is nothing to try, and unless it is somebody else's, what there will be."""
    if why == visitors.NOT_YOURS:
        return f'<p class="nothing">{why}</p>'
    items = "".join(f"<li><b>{title}</b><span>{text}</span></li>" for title, text in OFFERS)
    return f'<p class="nothing">{why}</p><ul class="offers">{items}</ul>'


def _about(run: Run) -> str:
    """Which run is tried."""
    names = run.label or ", ".join(concept.name for concept in run.config.erase)
    return f'<p class="nothing">Trying the run <b>{escape(names)}</b> <span class="soft">{run.id}</span></p>'


def _progress(run: Run | None) -> str:
    """How far the drawing is, or why it ended; empty when there is nothing to say."""
    if run is None:
        return ""
    alive = processes.alive(run)  # asked first: a drawing that ends in between is then read to its end next time
    now = store.progress(run)
    if not alive:
        if now is None:
            return notice(ENDED, "refused") if processes.drawing_failed(run) else ""
        return notice(now.failed or ENDED, "refused")
    done, total = (now.done, now.total) if now else (0, 0)
    title = WORKING.get(now.verb if now else "", WORKING[""])
    width = 100 * min(done / total, 1) if total > 0 else 0.0
    detail = f"{done:,} of {total:,}" if total > 0 else "The model is being loaded."
    return (
        '<section class="progress running" aria-label="Progress of the drawing"><div class="line">'
        f'<strong role="status">{escape(title)}</strong><span class="detail">{detail}</span></div>'
        f'<div class="bar" role="progressbar" aria-label="Drawing" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{width:.0f}"><i style="width:{width:.1f}%"></i></div></section>'
    )


def _busy(run: Run | None) -> bool:
    return run is not None and processes.alive(run)


def _of(draw: Callable[[Run], str], empty: str) -> Callable[[Run | None], str]:
    return lambda run: draw(run) if run is not None and store.ready(run) else empty


def _exports(run: Run | None) -> Any:
    words = strength.exports(run) if run is not None else ""
    return gr.update(value=words, visible=bool(words))


def _drawn(run: Run | None) -> bool:
    return run is not None and bool(store.strength(run))


PARTS: dict[str, Callable[[Run | None], Any]] = {
    "about": _of(_about, ""),
    "room": lambda run: gr.update(visible=run is not None and store.ready(run)),
    "dock": lambda run: gr.update(visible=bool(_progress(run))),
    "progress": _progress,
    "stop": lambda run: gr.update(visible=_busy(run)),
    "draw": lambda run: gr.update(interactive=not _busy(run)),
    "tries": _of(own_prompts.tries, own_prompts.EMPTY),
    "scrub": _of(strength.scrub, strength.EMPTY),
    "frames": lambda run: gr.update(visible=not _drawn(run), interactive=not _busy(run)),
    "probes": _of(probe_results.probes, probe_results.EMPTY),
    "probe": lambda run: gr.update(visible=run is None or not store.probes(run), interactive=not _busy(run)),
    "export": lambda run: gr.update(visible=_drawn(run), interactive=not _busy(run)),
    "exports": _exports,
}
"""The parts of the tab that follow the run's folder, and how each is made."""
