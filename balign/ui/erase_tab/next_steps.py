"""What to do next with a finished run: a row of buttons by its outcome."""

from typing import Any

import gradio as gr

from balign.host import scheduler, visitors
from balign.host.status import RunView
from balign.markup.formats import duration
from balign.markup.languages import said
from balign.measure.headline import headline
from balign.method.objectives import settle
from balign.refusal import Refusal
from balign.runs.tryout import attack_store
from balign.runs.weights import CHECKPOINT, saved_step
from balign.ui import form
from balign.ui.page import Answer, Caller

SHOWN = ("next", "more", "go_on", "attack_it", "own_words", "duel", "another")
"""The parts that follow the run."""
GO = "() => balignGo('{}', '{}')"
"""Shows a tab and a place in it."""
ATTACK, ANOTHER, METHODS = "Try to bring it back", "Erase something else", "Compare methods"
MORE = "20"
"""Steps that are offered."""


def build(parts: dict[str, Any]) -> None:
    """The buttons, inside the row that is being built."""
    labels = {
        "attack_it": ATTACK,
        "own_words": "Try your own words",
        "duel": METHODS,
        "another": ANOTHER,
    }
    for name, label in labels.items():
        parts[name] = gr.Button(label, size="sm", scale=0, min_width=90, elem_id=f"next-{name.replace('_', '-')}")
    quiet = gr.InputHTMLAttributes(autocomplete="off")
    with gr.Row(elem_classes="more"):
        parts["more"] = gr.Textbox(
            MORE,
            label="How many more steps",
            show_label=False,
            container=False,
            scale=0,
            min_width=70,
            elem_id="next-more",
            html_attributes=quiet,
        )
        parts["go_on"] = gr.Button("Some more steps", size="sm", scale=0, min_width=90, elem_id="next-go-on")


def bind_to(parts: dict[str, Any]) -> None:
    """The ways to other places; the duel is the Runs tab's, and some more steps are a run of this tab."""
    parts["attack_it"].click(None, js=GO.format("Try", "#try-attack, #part-attacked .attacking"))
    parts["own_words"].click(None, js=GO.format("Try", "#try-prompt"))
    parts["another"].click(None, js=GO.format("Erase", "#field-erase"))


def go_on(caller: Caller, more: object) -> Answer:
    """Begin a new run that goes on with the one that is shown for so many steps, and show that."""
    run, text = caller.own(), str(more).strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise Refusal(f"The number of steps is {text[:20]!r}; a whole number from 1 up is accepted.")
    new = scheduler.go_on(run, int(text), caller.visitor)
    return {"browser": visitors.stored(new.id, caller.visitor), "notice": "", **form.filled(new.config)}


def rivals(view: RunView) -> list[str]:
    """The methods of a duel that the run itself is not by."""
    return [name for name in form.DUEL if name != settle(view.run.config).method]


def shown(view: RunView | None) -> dict[str, Any]:
    """The row for its owner, once there is a report; what suits the outcome comes first and in colour."""
    if view is None or view.report is None or view.live or not (view.own or view.run.example):
        return {"next": gr.update(visible=False)}
    if view.run.example:
        seen = gr.update(value=said("See what brings it back"), visible=True, variant="secondary")
        hidden = {name: gr.update(visible=False) for name in ("more", "go_on", "own_words", "duel")}
        return {"next": gr.update(visible=True), "attack_it": seen, "another": _another("primary")} | hidden
    gone, goes_on = headline(view.report).gone, view.state == "done" and saved_step(view.run.path / CHECKPOINT) > 0
    tried = bool(attack_store.attacked(view.run))
    time = duration(view.seconds * len(rivals(view)))
    return {
        "next": gr.update(visible=True),
        "more": gr.update(visible=goes_on),
        "go_on": gr.update(visible=goes_on, variant="secondary" if gone else "primary"),
        "attack_it": gr.update(value=said(ATTACK), variant="primary" if gone and not tried else "secondary"),
        "own_words": gr.update(visible=True),
        "another": _another("secondary"),
        "duel": gr.update(
            visible=True, value=said("Compare methods (about {0})").format(time) if time else said(METHODS)
        ),
    }


def _another(variant: str) -> Any:
    return gr.update(value=said("Erase something yourself") if variant == "primary" else said(ANOTHER), variant=variant)
