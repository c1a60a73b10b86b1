"""The Runs tab: every run on this machine to search, open, name, take over, download, compare, reproduce and delete.

It binds events; what a run is and how it looks is known in `history` and `duel`, what is done with the ticked ones in
`ticked`. Which those are is known to the page alone (shelf.js) and comes along with a click.
"""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from balign.host import listing, status, visitors
from balign.host.visitors import Visitor
from balign.runs.folder import MAX_LABEL, Run
from balign.ui import form
from balign.ui.page import PRIVATE, Page, plain
from balign.ui.runs_tab import duel, run_cards
from balign.ui.runs_tab.run_actions import Answer, ask, begin_duel, choose, delete, found, make_again, rename, settings

MAX_UPLOAD = "256mb"
"""What may be uploaded at once: a bundle of the bundled model is a tenth of it."""
SHOWN = 12
"""Cards at first, and more at a press of a button."""
TICK = 3.0
"""Seconds between two looks at the list while one of its runs goes on."""
TICKED = "(first, ...others) => [balignTicked(), ...others]"
TO_FORM = "() => document.querySelector('#views [role=tab]').click()"


def build(page: Page) -> None:
    """The tab, inside the tab that is being built."""
    with gr.Column(elem_classes="runs") as column:
        parts: dict[str, Any] = {"say": plain("", "shelf-say")}
        with gr.Row(elem_classes="finder"):
            parts["search"] = gr.Textbox(
                label="Search", placeholder="concept, name, model", elem_id="shelf-search", max_length=200, scale=2
            )
            states = [("any", ""), *((words, name) for name, words in status.STATES.items())]
            parts["state"] = gr.Dropdown(states, value="", label="State", filterable=False, elem_id="shelf-state")
            methods = [("any", ""), *form.methods()]
            parts["method"] = gr.Dropdown(methods, value="", label="Method", filterable=False, elem_id="shelf-method")
            ticked = gr.Textbox(visible=False)  # what shelf.js puts in its place when a button is pressed
        with gr.Row(elem_classes="acts"):
            for name, words in (("compare", "Compare"), ("use", "Use these settings"), ("delete", "Delete")):
                parts[name] = gr.Button(words, size="sm", min_width=90, scale=0, elem_id=f"shelf-{name}")
            parts["zip"] = gr.UploadButton(
                "Reproduce a zip", size="sm", file_types=[".zip"], min_width=120, scale=0, elem_id="shelf-zip"
            )
        with gr.Row(visible=False, elem_classes="sure") as parts["sure"]:
            parts["question"] = plain("", "shelf-question")
            parts["really"] = gr.Button("Delete for good", variant="stop", size="sm", scale=0, elem_id="shelf-really")
            parts["never"] = gr.Button("Keep", size="sm", scale=0, elem_id="shelf-never")
        parts["list"] = plain("", "shelf")
        parts["more"] = gr.Button("Show more", visible=False, size="sm", elem_id="shelf-more")
        with gr.Row(elem_classes="acts"):
            parts["label"] = gr.Textbox(label="Name of the ticked run", max_length=MAX_LABEL, elem_id="shelf-label")
            parts["rename"] = gr.Button("Rename", size="sm", min_width=90, scale=0, elem_id="shelf-rename")
        with gr.Accordion("Method duel", open=False, elem_id="shelf-duel"):
            parts["rivals"] = gr.CheckboxGroup(
                form.methods(), label="Methods", info="Each does what the ticked run did, one after another.",
                elem_id="shelf-rivals",
            )  # fmt: skip
            parts["duel"] = gr.Button("Start the duel", size="sm", elem_id="shelf-start")
        parts["panel"] = plain(duel.EMPTY, "duel")
    parts["timer"] = gr.Timer(TICK, active=False)
    _events(page, column.parent, ticked, parts)


def _events(page: Page, tab: Any, ticked: gr.Textbox, parts: dict[str, Any]) -> None:
    parts["asked"], parts["compared"] = gr.State([]), gr.State([])
    shown, sent = gr.State(SHOWN), gr.State("")
    finder = [parts["search"], parts["state"], parts["method"]]
    told = [*finder, shown, sent, parts["compared"], page.browser]

    def out(answer: Answer) -> dict[Any, Any]:
        return {parts[name]: value for name, value in answer.items()}

    def refresh(search: Any, state: Any, method: Any, most: int, before: str, ids: Any, store: Any) -> list[Any]:
        visitor = visitors.visitor(store)
        return shown_runs(search, state, method, most, before, found(ids, visitor), visitor)

    seen = [parts["list"], parts["more"], parts["panel"], parts["timer"], sent]

    def again(event: Any) -> Any:
        return event.then(refresh, told, seen, **PRIVATE)

    def bind(name: str, work: Callable[..., Answer], inputs: list[Any], outputs: list[str], js: str | None) -> Any:
        targets = [parts[output] for output in ["say", *outputs]]

        def click(request: gr.Request, *given: Any) -> dict[Any, Any]:
            return out({"say": ""} | work(*given[:-1], visitors.visitor(given[-1], request)))

        return parts[name].click(click, [*inputs, page.browser], targets, js=js, **PRIVATE)

    for trigger in (tab.select, parts["timer"].tick):
        trigger(refresh, told, seen, **PRIVATE)
    gr.on([part.change for part in finder], lambda: SHOWN, None, shown, trigger_mode="always_last", **PRIVATE).then(
        refresh, told, seen, **PRIVATE
    )
    again(parts["more"].click(lambda most: most + SHOWN, shown, shown, **PRIVATE))

    again(bind("compare", choose, [ticked], ["compared"], TICKED))
    again(bind("rename", rename, [ticked, parts["label"]], ["label"], TICKED))
    again(bind("duel", begin_duel, [ticked, parts["rivals"]], ["compared"], TICKED))
    bind("delete", ask, [ticked], ["sure", "question", "asked"], TICKED)
    bind("never", lambda _: {"sure": gr.update(visible=False), "asked": []}, [], ["sure", "asked"], None)
    page.look(again(bind("really", delete, [parts["asked"]], ["sure", "asked"], None)))

    def upload(file: Any, store: Any, request: gr.Request) -> dict[Any, Any]:
        return out(make_again(file, visitors.visitor(store, request)))

    again(parts["zip"].upload(upload, [parts["zip"], page.browser], [parts["say"]], **PRIVATE))

    def use(ids: Any, store: Any) -> dict[Any, Any]:
        answer = settings(ids, visitors.visitor(store))
        filled = {page.fields[name]: value for name, value in answer.pop("form", {}).items() if name in page.fields}
        return out(answer) | filled

    used = parts["use"].click(use, [ticked, page.browser], [parts["say"], *page.fields.values()], js=TICKED, **PRIVATE)
    used.then(None, parts["say"], None, js=f"(said) => {{ if (!said) ({TO_FORM})(); }}")


def shown_runs(
    search: Any,
    state: Any,
    method: Any,
    most: int,
    before: str,
    compared: Sequence[Run],
    visitor: Visitor = visitors.NOBODY,
) -> list[Any]:
    """The list, the comparison, and whether to look again soon; only what is new goes to the page."""
    found = listing.entries(visitor)
    right = listing.matching(found, search, state, method)
    shown, panel = run_cards.cards(right[:most], len(found)), _panel(compared)
    moving = any(entry.state in status.LIVE for entry in right[:most]) or duel.live(compared)
    now = f"{hash(shown)} {hash(panel)}"
    timer = gr.Timer(active=moving)
    if now == before:
        return [gr.skip(), gr.skip(), gr.skip(), timer, now]
    return [shown, gr.update(visible=len(right) > most), panel, timer, now]


def _panel(runs: Sequence[Run]) -> str:
    try:
        return duel.panel(runs)
    except (ValueError, OSError, TypeError, KeyError, AttributeError):  # being deleted, or tampered with
        return '<p class="soft nothing">These runs cannot be compared at the moment.</p>'
