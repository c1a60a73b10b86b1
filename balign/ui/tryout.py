"""The Try tab: what a finished run's weights draw when they are asked something new.

Every button starts a process that writes into the run's folder, and the page reads that folder; nothing is drawn in
the server. What is shown is made in `tries`, `scrub` and `probing`. No error leaves here but as one escaped sentence.
"""

import hashlib
import logging
from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr

from balign.run import tryout
from balign.run.config import MAX_PROMPT
from balign.run.folder import Run
from balign.run.tryout import MOST_IMAGES, STRENGTHS, Ask
from balign.ui import probing, scrub, tries, voting, worker
from balign.ui.handlers import notice, run_id
from balign.ui.page import PRIVATE, Page

log = logging.getLogger(__name__)
TICK = 1.0
"""Seconds between two looks into the run's folder while something is drawn."""
STRENGTH = "(given, browser) => [balignStrength(), browser]"
NO_RUN = "Open a run that has finished, in the Runs tab or by its link; its weights can then be tried here."
NOT_READY = "This run has no erased weights and no report yet. When it has finished, its weights can be tried here."
WORKING = {
    "try": "Drawing before and after",
    "strength": "Drawing the strengths",
    "probe": "Drawing the probes",
    "": "Getting ready",
}
ENDED = "The drawing ended before it was through; log.txt in the run's folder may say why."
Sent = dict[str, str]


def build(page: Page) -> None:
    """The tab, inside the tab that is being built."""
    parts: dict[str, Any] = {}
    with gr.Column(elem_classes="tryout") as column:
        parts["about"] = _html(_about(None), "try-about")
        with gr.Column(visible=False, elem_classes="tryout") as parts["room"]:
            with gr.Row(elem_classes="dock", visible=False) as parts["dock"]:
                parts["progress"] = _html("", "try-progress")
                parts["stop"] = gr.Button("Stop", min_width=80, scale=0, size="sm", elem_id="try-stop")
            parts["say"] = _html("", "try-say")
            _own(parts)
            _strength(parts)
            _probes(parts)
            ballots = voting.build(page)
    parts["timer"] = gr.Timer(TICK, active=False)
    _events(page, column.parent, parts)
    ballots(column.parent)


def _own(parts: dict[str, Any]) -> None:
    _html("<h2>Your own prompt</h2>", "try-own")
    with gr.Row(elem_classes="finder"):
        parts["prompt"] = gr.Textbox(
            label="Prompt", placeholder="what to draw", max_length=MAX_PROMPT, scale=4, elem_id="try-prompt"
        )
        parts["seed"] = gr.Textbox("0", label="Seed", scale=1, min_width=90, elem_id="try-seed")
        parts["images"] = gr.Textbox(
            "4", label=f"Images, 1 to {MOST_IMAGES}", scale=1, min_width=110, elem_id="try-images"
        )
        parts["draw"] = gr.Button("Draw", variant="primary", scale=0, min_width=90, elem_id="try-draw")
    parts["tries"] = _html(tries.EMPTY, "tries")


def _strength(parts: dict[str, Any]) -> None:
    _html("<h2>How much of the change</h2>", "try-strength")
    parts["scrub"] = _html(scrub.EMPTY, "scrub")
    with gr.Row(elem_classes="acts"):
        parts["frames"] = gr.Button("Draw the strengths", size="sm", scale=0, elem_id="try-frames")
        parts["export"] = gr.Button("Export at this strength", visible=False, size="sm", scale=0, elem_id="try-export")
        parts["amount"] = gr.Textbox(visible=False)  # tryout.js puts in its place where the slider stands
    parts["exports"] = _html("", "exports", visible=False)


def _probes(parts: dict[str, Any]) -> None:
    _html("<h2>Probes, not proof</h2>", "try-probes")
    parts["probes"] = _html(probing.EMPTY, "probes")
    with gr.Row(elem_classes="acts"):
        parts["probe"] = gr.Button("Draw the probes", size="sm", scale=0, elem_id="try-probe")


def _html(value: str, name: str, **more: Any) -> gr.HTML:
    return gr.HTML(
        value, elem_id=f"part-{name}", elem_classes="plain", apply_default_css=False, js_on_load=None, **more
    )


def _events(page: Page, tab: Any, parts: dict[str, Any]) -> None:
    sent = gr.State({})
    followed = [parts[name] for name in (*PARTS, "timer")]

    def refresh(store: object, told: Sent) -> dict[Any, Any]:
        updates, now = look(store, told)
        return {parts[name]: update for name, update in updates.items()} | {sent: now}

    def again(event: Any) -> Any:
        return event.then(refresh, [page.browser, sent], [*followed, sent], **PRIVATE)

    for trigger in (tab.select, parts["timer"].tick):
        trigger(refresh, [page.browser, sent], [*followed, sent], **PRIVATE)
    asked = gr.on(
        [parts["draw"].click, parts["prompt"].submit],
        own,
        [page.browser, parts["prompt"], parts["seed"], parts["images"]],
        parts["say"],
        **PRIVATE,
    )
    again(asked)
    again(parts["probe"].click(probes, page.browser, parts["say"], **PRIVATE))
    again(parts["frames"].click(strengths, page.browser, parts["say"], **PRIVATE))
    again(parts["export"].click(export, [parts["amount"], page.browser], parts["say"], js=STRENGTH, **PRIVATE))
    again(parts["stop"].click(stop, page.browser, parts["say"], **PRIVATE))


def own(browser: object, prompt: object, seed: object, images: object) -> str:
    """Draw a prompt with both models; what is to be said about it."""

    def start(run: Run) -> None:
        ask = Ask.parse(prompt=prompt, seed=seed, images=images)
        worker.visit(run, "try", f"--prompt={ask.prompt}", f"--seed={ask.seed}", f"--images={ask.images}")

    return begin(browser, start)


def strengths(browser: object) -> str:
    """Draw the frames of the scrub."""
    return begin(browser, lambda run: worker.visit(run, "strength"))


def probes(browser: object) -> str:
    """Ask for the erased concepts by other words."""
    return begin(browser, lambda run: worker.visit(run, "probe"))


def export(amount: object, browser: object) -> str:
    """Write the model at this strength as a diffusers folder inside the run's."""

    def start(run: Run) -> None:
        accepted = {f"{strength:.2f}": strength for strength in STRENGTHS}
        if not isinstance(amount, str) or amount not in accepted:
            raise ValueError(f"The strength {str(amount)[:20]!r} is not one of {', '.join(accepted)}.")
        name = tryout.export_name(accepted[amount])
        if (run.path / name).exists():
            raise ValueError(f"This strength was exported before: {name} in the run's folder.")
        worker.visit(run, "export", f"--out={run.path / name}", f"--strength={amount}")

    return begin(browser, start)


def begin(browser: object, start: Callable[[Run], None]) -> str:
    """Start a process on the run that this browser shows, or say in a sentence why not."""
    run = worker.find(run_id(browser))
    if run is None or not tryout.ready(run):
        return notice(NO_RUN if run is None else NOT_READY, "refused")
    try:
        if not worker.alive(run):
            tryout.clear(run)
        start(run)
    except ValueError as error:
        return notice(str(error), "refused")
    except OSError as error:
        return notice(f"The drawing could not be started: {error.strerror or 'the disk refused'}.", "refused")
    return ""


def stop(browser: object) -> str:
    """Ask the drawing to end at its next picture."""
    run = worker.find(run_id(browser))
    if run is None or not worker.alive(run):
        return notice("Nothing is being drawn here.", "remark")
    try:
        run.request_stop(keep=True)  # whatever works on the run, its weights are to stay
    except OSError as error:
        return notice(f"The drawing could not be asked to stop: {error.strerror}.", "refused")
    return ""


def look(browser: object, sent: Sent | None) -> tuple[dict[str, Any], Sent]:
    """What changed since this page was last told, and what it has now been told."""
    run = worker.find(run_id(browser))
    working = run is not None and worker.alive(run)
    try:
        parts = {name: draw(run) for name, draw in PARTS.items()}
    except (OSError, ValueError, TypeError, AttributeError, KeyError, IndexError):  # being deleted, or tampered with
        log.exception("run %s cannot be shown", run.id if run else "")
        said = notice("What was drawn for this run cannot be read at the moment.", "refused")
        return {"about": said, "timer": gr.Timer(active=working)}, {}
    told = {name: hashlib.blake2b(repr(part).encode(), digest_size=12).hexdigest() for name, part in parts.items()}
    new = {name: part for name, part in parts.items() if told[name] != (sent or {}).get(name)}
    return new | {"timer": gr.Timer(active=working)}, told


def _about(run: Run | None) -> str:
    """Which run is tried, or why none can be."""
    if run is None or not tryout.ready(run):
        return f'<p class="soft nothing">{NO_RUN if run is None else NOT_READY}</p>'
    names = run.label or ", ".join(concept.name for concept in run.config.erase)
    return f'<p class="nothing">Trying the run <b>{escape(names)}</b> <span class="soft">{run.id}</span></p>'


def _progress(run: Run | None) -> str:
    """How far the drawing is, or why it ended; empty when there is nothing to say."""
    if run is None:
        return ""
    alive = worker.alive(run)  # asked first: a drawing that ends in between is then read to its end next time
    now = tryout.progress(run)
    if not alive:
        if now is None:
            return notice(ENDED, "refused") if worker.failed(run) else ""
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
    return run is not None and worker.alive(run)


def _of(draw: Callable[[Run], str], empty: str) -> Callable[[Run | None], str]:
    return lambda run: draw(run) if run is not None and tryout.ready(run) else empty


def _drawn(run: Run | None) -> bool:
    return run is not None and bool(tryout.strength(run))


PARTS: dict[str, Callable[[Run | None], Any]] = {
    "about": _about,
    "room": lambda run: gr.update(visible=run is not None and tryout.ready(run)),
    "dock": lambda run: gr.update(visible=bool(_progress(run))),
    "progress": _progress,
    "stop": lambda run: gr.update(visible=_busy(run)),
    "draw": lambda run: gr.update(interactive=not _busy(run)),
    "tries": _of(tries.tries, tries.EMPTY),
    "scrub": _of(scrub.scrub, scrub.EMPTY),
    "frames": lambda run: gr.update(visible=not _drawn(run), interactive=not _busy(run)),
    "probes": _of(probing.probes, probing.EMPTY),
    "probe": lambda run: gr.update(visible=run is None or not tryout.probes(run), interactive=not _busy(run)),
    "export": lambda run: gr.update(visible=_drawn(run), interactive=not _busy(run)),
    "exports": lambda run: gr.update(
        value=scrub.exports(run) if run else "", visible=run is not None and bool(tryout.exports(run))
    ),
}
"""The parts of the tab that follow the run's folder, and how each is made."""
