"""The Erase tab: the form on one side, what the run does on the other, and which event calls which handler."""

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from balign.host import scheduler
from balign.ui import form, form_fields, zerogpu
from balign.ui.erase_tab import erase_handlers, judge_again, keep_assistant, next_steps, own_uploads, panels, take_away
from balign.ui.page import Answer, bind, plain

TICK = 3.0
"""Seconds between two looks into the run's folder."""
SHOW_RUN = """(browser) => {
  balignRemember(browser);
  const here = new URL(window.location);
  if (!browser || !browser.run || here.searchParams.get("run") === browser.run) return;
  here.searchParams.set("run", browser.run);
  window.history.replaceState(null, "", here);
  window.scrollTo({ top: 0, behavior: "smooth" });
}"""
"""Puts the run's id into the page's address, for a reload or another browser, and shows where it can be watched."""
OWNER = """async (browser) => {
  for (let k = 0; !window.balignOwner && k < 200; k++) await new Promise((ready) => setTimeout(ready, 50));
  return [window.balignOwner(browser)];
}"""
"""Takes the secret from the end of the page's address, where a link that owns a run has it."""
REMEMBER = "(browser) => { balignRemember(browser); }"
"""Keeps it; where a browser keeps nothing, says so and gives that link."""
BUTTONS: dict[str, tuple[str, str, Callable[..., Answer], str]] = {
    "stop": ("Stop", "stop", erase_handlers.stop, "stopped"),
    "compare": ("Compare now", "compare-now", erase_handlers.compare, "compared"),
    "resume": ("Resume", "resume", erase_handlers.resume, "resumed"),
    "discard": ("Discard", "discard", erase_handlers.ask_discard, "discarded"),
}
"""The buttons of the dock: label, id, handler, and what cannot be done with the run if it fails."""
Look = Callable[[Any], Any]


def build(page: gr.Blocks, browser: gr.HTML) -> tuple[dict[str, Any], Any, Look]:
    """The tab, inside the tab that is being built: its fields by name, the duel's button, what refreshes it."""
    parts: dict[str, Any] = {
        "browser": browser,
        "sent": gr.State(erase_handlers.nothing_shown()),
        "doomed": gr.State(""),
    }
    with gr.Row(elem_classes="dock", equal_height=True):
        parts["progress"] = plain(panels.progress(None), "dock-text", scale=1)
        for name, (label, element, _, _) in BUTTONS.items():
            parts[name] = gr.Button(label, visible=False, min_width=80, scale=0, elem_id=element)
        with gr.Row(visible=False, elem_classes="sure") as parts["sure"]:
            parts["question"] = plain("", "discard-question")
            parts["really"] = gr.Button("Discard", variant="stop", size="sm", scale=0, elem_id="discard-really")
            parts["keep"] = gr.Button("Keep", size="sm", scale=0, elem_id="discard-keep")
    with gr.Row(elem_classes="desk"):
        with gr.Column(scale=0, min_width=300, elem_classes="side"):
            fields = _lists(parts)
            parts["estimate"] = plain("", "estimate")
            parts["start"] = gr.Button("Erase", variant="primary", size="lg", elem_id="erase")
            parts["notice"] = plain("", "notice")
            fields |= _more(parts)
        with gr.Column(scale=1, min_width=300, elem_classes="main"):
            parts["verdict"] = plain("", "verdict", visible=False)
            with gr.Row(elem_classes="acts next", visible=False) as parts["next"]:
                next_steps.build(parts)
            take_away.build(parts)
            parts["first_pictures"] = plain("", "first-pictures", visible=False)
            parts["previews"] = plain("", "previews", visible=False)
            parts["outcome"] = plain("", "outcome", visible=False)
            judge_again.build(parts)
            parts["live"] = plain(panels.live(None), "live")
    parts["timer"] = gr.Timer(TICK, active=False)
    drawn = keep_assistant.follow(None, {name: field.value for name, field in fields.items()})
    fields["replace"].placeholder = drawn.pop("replace")["placeholder"]
    for name, value in drawn.items():
        parts[name].value = value
    return fields, parts["duel"], _events(page, fields, parts)


def _lists(parts: dict[str, Any]) -> dict[str, Any]:
    """What to erase and keep, by the name it has in the config; what helps with it is put into `parts`."""
    fields: dict[str, Any] = {}
    fields["erase"] = _box("erase", "Erase", "What to forget. Several with commas.", "", value="cat")
    fields["kind"] = gr.Textbox(label="Kind", visible="hidden", elem_id="field-kind")  # written by the chips
    parts["understood"] = plain("", "understood")
    parts["words"] = plain(lambda: keep_assistant.words(form.default("model")), "words")
    fields["replace"] = _box("replace", "Replace with", "What to draw where it was asked for.", "optional")
    keep = "One a line, on purpose; all else is guarded anyway."
    fields["keep"] = _box("keep", "Keep", keep, "optional, such as dog, horse", lines=2, max_lines=8)
    parts["assist"] = plain("", "assist")
    parts["added"] = plain("", "keep-added")
    return fields


def _more(parts: dict[str, Any]) -> dict[str, Any]:
    """What most visitors leave as it is, folded: the model and method, the numbers, files."""
    fields: dict[str, Any] = {}
    model, (_, method) = form.default("model"), form.methods()[0]
    with gr.Accordion("Model and method", open=False, elem_id="model-and-method"):
        fields["model"] = gr.Dropdown(
            form.models(),
            value=model,
            label="Model",
            info=form.about_model(model),
            allow_custom_value=True,
            elem_id="field-model",
        )
        parts["way"] = gr.Radio(
            list(form_fields.WAYS),
            value=form.way(method),
            label="How",
            info=form.about_method(method),
            elem_id="field-way",
        )
        fields["method"] = gr.Dropdown(
            form.methods(), value=method, label="Method", visible=not form.way(method), elem_id="field-method"
        )
    with gr.Accordion("Settings", open=False, elem_id="settings"):
        for first in form_fields.FIRST:
            fields[first.name] = _setting(first, method)
        with gr.Accordion("For experts", open=False, elem_id="expert-settings"):
            rest = [setting for setting in form_fields.SETTINGS if setting not in form_fields.FIRST]
            fields |= {setting.name: _setting(setting, method) for setting in rest}
            for name, choices in form_fields.CHOSEN.items():
                fields[name] = gr.Dropdown(
                    list(choices), value="", label=form_fields.FIELDS[name], filterable=False, elem_id=f"field-{name}"
                )
    with gr.Accordion("The prompts this gives", open=False, elem_id="keep-prompts"):
        parts["prompts"] = plain("", "prompts")
    with gr.Accordion("Own prompts and pictures", open=False, elem_id="own-files"):
        parts["file"] = gr.UploadButton(
            "Keep prompts from a file",
            file_types=[".txt", ".csv", ".tsv", ".json", ".jsonl"],
            size="sm",
            elem_id="keep-file",
            min_width=120,
        )
        own_uploads.build(parts)
    with gr.Accordion("The same from a terminal", open=False, elem_id="terminal"):
        parts["command"] = gr.Textbox(
            show_label=False,
            label="The same from a terminal",
            placeholder="nothing yet: see above the button",
            buttons=["copy"],
            max_lines=6,
            interactive=False,
            elem_id="command",
        )
    return fields


def _setting(setting: form_fields.Setting, method: str) -> gr.Textbox:
    """The box of a number; gr.Number would show 0 where nothing was given."""
    value, empty = form.written(form.default(setting.name)), form.left_empty(setting, method)
    empty = form.numbers_of(form.default("model")).get(setting.name, empty)
    quiet = gr.InputHTMLAttributes(autocomplete="off")
    return _box(setting.name, setting.label, setting.info, empty, value=value, min_width=120, html_attributes=quiet)


def _box(name: str, label: str, info: str, placeholder: str, **more: Any) -> gr.Textbox:
    return gr.Textbox(label=label, info=info, placeholder=placeholder, elem_id=f"field-{name}", **more)


def _events(page: gr.Blocks, fields: dict[str, Any], parts: dict[str, Any]) -> Look:
    """Bind them all, and return what refreshes the page after an event."""
    on = partial(bind, parts["browser"], parts | fields, say="notice")

    def look(event: Any) -> Any:
        followed = [*erase_handlers.PARTS, *next_steps.SHOWN, *judge_again.SHOWN, *take_away.SHOWN, "sent"]
        return on(event, erase_handlers.refresh, "The run cannot be shown", ["sent"], followed)

    def begin(event: Any) -> Any:
        """Show the run and, on ZeroGPU, go on with it; elsewhere a process does that."""
        shown = look(event)
        if scheduler.inline():
            zerogpu.borrowed()  # such a Space starts only if a function asks for its device from the beginning
            on(shown, zerogpu.drive, "The run could not go on with the device")
        return shown

    opened = on(page.load, erase_handlers.attach, "The run could not be opened", outputs=["browser", *fields], js=OWNER)
    begin(opened).then(None, parts["browser"], None, js=REMEMBER)
    failure = "The run could not be started"
    given = fields | {name: parts[name] for name in own_uploads.UPLOADS}
    taken = ["browser", "sure", "doomed", *own_uploads.UPLOADS]
    started = on(parts["start"].click, erase_handlers.start, failure, given, taken)
    begin(started).then(None, parts["browser"], None, js=SHOW_RUN)
    question = ["sure", "question", "doomed"]
    for name, (_, _, work, done) in BUTTONS.items():
        follow = begin if name in ("resume", "compare") else look
        sizes = {size: fields[size] for size in form_fields.SIZES} if name == "resume" else ()
        follow(on(parts[name].click, work, f"The run could not be {done}", sizes, question))
    failure = "The run could not be discarded"
    on(parts["keep"].click, erase_handlers.keep, failure, outputs=question)
    look(on(parts["really"].click, erase_handlers.discard, failure, ["doomed"], question))
    look(parts["timer"].tick)

    failure, asked = "The run could not be judged again", parts["judge_go"].click
    begin(on(asked, judge_again.ask, failure, judge_again.FIELDS, ["judge_tests"], say="judged"))
    next_steps.bind_to(parts)
    failure, asked = "The run could not be gone on with", parts["go_on"].click
    begin(on(asked, next_steps.go_on, failure, ["more"], ["browser", *fields])).then(
        None, parts["browser"], None, js=SHOW_RUN
    )
    take_away.bind_to(on, look, page, parts)
    typed = [field.change for field in fields.values()]
    shown = ("understood", "assist", "prompts", "estimate", "command", "replace")
    on(typed, keep_assistant.follow, "The form could not be read", fields, shown, trigger_mode="always_last")
    on(page.load, keep_assistant.estimated, "The time cannot be estimated", fields, shown)
    failure = "The file could not be read"
    lists = dict.fromkeys(("file", "keep", "erase", "replace", "kind", "model"))
    on(parts["file"].upload, keep_assistant.from_file, failure, lists, ["keep"], say="added")
    failure = "The model could not be looked up"
    told = ["model", "words", *form_fields.OF_MODEL]
    looked = on(fields["model"].change, erase_handlers.model_info, failure, ["model"], told)
    on(looked, keep_assistant.follow, "The form could not be read", fields, shown)  # the hub may have said what it is
    on(parts["way"].input, erase_handlers.choose_way, "The method could not be chosen", ["way"], ["method"])
    numbers = [
        setting.name for setting in form_fields.SETTINGS if setting.none and setting.name not in form_fields.OF_MODEL
    ]
    methods = ["method", "way", *numbers]
    on(fields["method"].change, erase_handlers.method_info, "The method could not be looked up", ["method"], methods)
    return look
