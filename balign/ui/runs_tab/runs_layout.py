"""The Runs tab: search, open, name, take over, download, compare, reproduce and delete the runs of this machine.

Which runs are selected is known to the browser alone (runs_tab.js) and comes with a click.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import gradio as gr

from balign.host import listing
from balign.host.listing import ListedRun
from balign.host.status import LIVE, STATES
from balign.runs.folder import MAX_LABEL
from balign.ui import form
from balign.ui.page import Answer, Caller, Page, answering, bind, changed, plain
from balign.ui.runs_tab import comparison_panel, run_actions, run_cards

SHOWN = 12
"""Cards at first, and how many more a press of the button shows."""
TICK = 3.0
"""Seconds between two looks at the list while one of its runs goes on."""
SELECTED = "(browser, selected, ...others) => [browser, balignSelected(), ...others]"
"""Puts the ids of the selected runs in the place of the first input after the browser."""
TO_FORM = "(said) => { if (!said) document.querySelector('#views [role=tab]').click(); }"
TO_PANEL = "() => balignGo('Runs', '#part-comparison .comparison, #part-runs-say .notice')"
"""Shows the comparison that was asked for, or why there is none."""
FOLLOWED = dict.fromkeys(("search", "state", "method", "order", "shown", "sent", "compared"))
"""What the list depends on, which its handler gets as one mapping."""
ACTIONS = {"compare": "Compare", "use": "Use these settings", "delete": "Delete"}


def build(page: Page) -> None:
    """The tab, inside the tab that is being built."""
    with gr.Column(elem_classes="runs") as column:
        parts: dict[str, Any] = {"say": plain("", "runs-say")}
        parts["trouble"] = plain("", "runs-trouble")
        with gr.Row(elem_classes="finder"):
            parts["search"] = gr.Textbox(
                label="Search", placeholder="concept, name, model", elem_id="runs-search", max_length=200, scale=2
            )
            states = [("any", ""), *((title, name) for name, title in STATES.items())]
            parts["state"] = gr.Dropdown(states, value="", label="State", filterable=False, elem_id="runs-state")
            parts["method"] = gr.Dropdown(
                _methods([]), value="", label="Method", filterable=False, elem_id="runs-method"
            )
            parts["order"] = gr.Dropdown(
                list(listing.ORDERS), value="newest first", label="Order", filterable=False, elem_id="runs-order"
            )
            parts["selected"] = gr.Textbox(visible=False)  # runs_tab.js puts the ids in its place
        with gr.Row(elem_classes="acts"):
            for name, title in ACTIONS.items():
                parts[name] = gr.Button(title, size="sm", min_width=90, scale=0, elem_id=f"runs-{name}")
            parts["zip"] = gr.UploadButton(
                "Reproduce a zip", size="sm", file_types=[".zip"], min_width=120, scale=0, elem_id="runs-zip"
            )
        with gr.Row(elem_classes="acts naming"):
            parts["label"] = gr.Textbox(label="Name of the selected run", max_length=MAX_LABEL, elem_id="runs-label")
            parts["rename"] = gr.Button("Rename", size="sm", min_width=90, scale=0, elem_id="runs-rename")
        with gr.Row(visible=False, elem_classes="sure") as parts["sure"]:
            parts["question"] = plain("", "runs-question")
            parts["really"] = gr.Button("Delete for good", variant="stop", size="sm", scale=0, elem_id="runs-really")
            parts["keep"] = gr.Button("Keep", size="sm", scale=0, elem_id="runs-keep")
        parts["panel"] = plain(comparison_panel.panel([]), "comparison")
        parts["list"] = plain("", "run-list")
        parts["more"] = gr.Button("Show more", visible=False, size="sm", elem_id="runs-more")
        with gr.Accordion("Compare methods", open=False, elem_id="runs-methods"):
            parts["methods"] = gr.CheckboxGroup(
                form.methods(), label="Methods", elem_id="runs-others",
                info="Each runs with the config of the selected run, one after another.",
            )  # fmt: skip
            parts["run_methods"] = gr.Button("Run these methods", size="sm", elem_id="runs-start")
    parts["timer"] = gr.Timer(TICK, active=False)
    parts |= {"doomed": gr.State([]), "compared": gr.State([]), "shown": gr.State(SHOWN), "sent": gr.State({})}
    _events(page, column.parent, parts)


def _events(page: Page, tab: Any, parts: dict[str, Any]) -> None:
    on = partial(bind, page.browser, parts)
    on_selected = partial(on, js=SELECTED)

    def refresh(event: Any) -> Any:
        outputs = ["trouble", "list", "more", "panel", "timer", "sent", "method"]
        return on(event, refreshed, "The list of runs cannot be shown", FOLLOWED, outputs, say="trouble")

    refresh([tab.select, parts["timer"].tick])
    searched = [parts[name].change for name in ("search", "state", "method", "order")]
    refresh(on(searched, show, "The search failed", outputs=["shown"], trigger_mode="always_last"))
    refresh(on(parts["more"].click, show, "No more runs can be shown", ["shown"], ["shown"]))
    failure = "The runs cannot be compared"
    compared = refresh(on_selected(parts["compare"].click, run_actions.compare, failure, ["selected"], ["compared"]))
    compared.then(None, js=TO_PANEL)
    failure = "The run could not be renamed"
    refresh(on_selected(parts["rename"].click, run_actions.rename, failure, ["selected", "label"], ["label"]))
    event, failure = parts["run_methods"].click, "The methods could not be started"
    begun = refresh(on_selected(event, run_actions.run_methods, failure, ["selected", "methods"], ["compared"]))
    begun.then(None, js=TO_PANEL)
    refresh(on(page.duel.click, run_actions.duel, failure, outputs=["compared"])).then(None, js=TO_PANEL)
    failure = "The runs could not be deleted"
    question = ["sure", "question", "doomed"]
    on_selected(parts["delete"].click, run_actions.ask_delete, failure, ["selected"], question)
    on(parts["keep"].click, run_actions.keep, failure, outputs=["sure", "doomed"])
    page.look(refresh(on(parts["really"].click, run_actions.delete, failure, ["doomed"], ["sure", "doomed"])))
    refresh(on(parts["zip"].upload, run_actions.reproduce_zip, "The zip could not be used", ["zip"]))
    form_and_say = page.fields | {name: parts[name] for name in ("say", "selected")}
    on_form, failure = partial(bind, page.browser, form_and_say), "The settings cannot be shown"
    used = on_form(parts["use"].click, run_actions.use_settings, failure, ["selected"], page.fields, js=SELECTED)
    used.then(None, parts["say"], None, js=TO_FORM)


def _methods(listed: Sequence[ListedRun], chosen: object = "") -> list[tuple[str, str]]:
    """The methods by which these runs are, and the one that is chosen, to choose from."""
    there = [chosen, *(entry.method for entry in listed)]
    return [("any", ""), *((title, name) for title, name in form.methods() if name in there)]


def show(caller: Caller, shown: int = 0) -> Answer:
    """Show some runs, or some more."""
    return {"shown": shown + SHOWN}


def refreshed(caller: Caller, values: Mapping[str, Any]) -> Answer:
    """The list and the comparison, as far as they differ from what this page was sent, and whether to look again."""
    listed = listing.entries(caller.visitor) + listing.examples()
    matching = listing.matching(listed, values["search"], values["state"], values["method"])
    matching = listing.ordered(matching, values.get("order"))
    shown = matching[: values["shown"]]
    compared = run_actions.selected(values["compared"], caller.visitor)
    panel = answering(lambda: {"panel": comparison_panel.panel(compared)}, "These runs cannot be compared", "panel")
    parts = {
        "list": run_cards.run_list(shown, len(listed)),
        "more": gr.update(visible=len(matching) > len(shown)),
        "panel": panel()["panel"],
        "method": gr.update(choices=_methods(listed, values["method"])),
        "timer": gr.Timer(active=any(entry.state in LIVE for entry in shown) or comparison_panel.live(compared)),
    }
    new, now = changed(parts, values["sent"])
    return {"trouble": "", "sent": now} | new
