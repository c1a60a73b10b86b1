"""What to do next with a finished run: a row of buttons by its outcome."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from balign.host.status import RunView
from balign.markup.formats import duration
from balign.markup.languages import said
from balign.measure.headline import headline
from balign.method.objectives import settle
from balign.runs.tryout import attack_store
from balign.ui import form
from balign.ui.page import Answer, Caller, notice

SHOWN = ("next", "go_on", "attack_it", "own_words", "duel", "another")
"""The parts that follow the run."""
GO = "() => balignGo('{}', '{}')"
"""Shows a tab and a place in it."""
ATTACK, ANOTHER, METHODS = "Try to bring it back", "Erase something else", "Compare methods"
MORE = "These are the run's settings with twice its steps. Press Erase to begin."


def build(parts: dict[str, Any]) -> None:
    """The buttons, inside the row that is being built."""
    labels = {
        "go_on": "Erase it with more steps",
        "attack_it": ATTACK,
        "own_words": "Try your own words",
        "duel": METHODS,
        "another": ANOTHER,
    }
    for name, label in labels.items():
        parts[name] = gr.Button(label, size="sm", scale=0, min_width=90, elem_id=f"next-{name.replace('_', '-')}")


def bind_to(on: Callable[..., Any], parts: dict[str, Any], fields: dict[str, Any]) -> None:
    """The events of all but the duel, which is the Runs tab's."""
    parts["attack_it"].click(None, js=GO.format("Try", "#try-attack, #part-attacked .attacking"))
    parts["own_words"].click(None, js=GO.format("Try", "#try-prompt"))
    parts["another"].click(None, js=GO.format("Erase", "#field-erase"))
    more = on(parts["go_on"].click, go_on, "The settings cannot be shown", outputs=fields)
    more.then(None, js=GO.format("Erase", "#field-erase"))


def go_on(caller: Caller) -> Answer:
    """The form as it was for this run, with twice the steps."""
    config = caller.own().config
    return form.filled(config.model_copy(update={"steps": 2 * settle(config).steps})) | {
        "notice": notice(MORE, "remark")
    }


def rivals(view: RunView) -> list[str]:
    """The methods of a duel that the run itself is not by."""
    return [name for name in form.DUEL if name != settle(view.run.config).method]


def shown(view: RunView | None) -> dict[str, Any]:
    """The row for its owner, once there is a report; what suits the outcome comes first and in colour."""
    if view is None or view.report is None or view.live or not (view.own or view.run.example):
        return {"next": gr.update(visible=False)}
    if view.run.example:
        seen = gr.update(value=said("See what brings it back"), visible=True, variant="secondary")
        hidden = {name: gr.update(visible=False) for name in ("go_on", "own_words", "duel")}
        return {"next": gr.update(visible=True), "attack_it": seen, "another": _another("primary")} | hidden
    gone, trains = headline(view.report).gone, settle(view.run.config).steps > 0
    tried = bool(attack_store.attacked(view.run))
    time = duration(view.seconds * len(rivals(view)))
    return {
        "next": gr.update(visible=True),
        "go_on": gr.update(visible=not gone and trains, variant="primary"),
        "attack_it": gr.update(value=said(ATTACK), variant="primary" if gone and not tried else "secondary"),
        "own_words": gr.update(visible=True),
        "another": _another("secondary"),
        "duel": gr.update(
            visible=True, value=said("Compare methods (about {0})").format(time) if time else said(METHODS)
        ),
    }


def _another(variant: str) -> Any:
    return gr.update(value=said("Erase something yourself") if variant == "primary" else said(ANOTHER), variant=variant)
