"""The Erase tab: the form on one side, what the run does on the other, and which event calls which handler."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import gradio as gr

from balign.host import scheduler
from balign.ui import form
from balign.ui.erase_tab import erase_handlers, keep_assistant, panels, zerogpu
from balign.ui.page import bind, plain

TICK = 1.0
"""Seconds between two looks into the run's folder."""
SHOW_RUN = """(browser) => {
  const here = new URL(window.location);
  if (!browser || !browser.run || here.searchParams.get("run") === browser.run) return;
  here.searchParams.set("run", browser.run);
  window.history.replaceState(null, "", here);
  window.scrollTo({ top: 0, behavior: "smooth" });
}"""
"""Puts the run's id into the page's address, for a reload or another browser, and shows where it can be watched."""
BUTTONS = {"stop_keep": "Stop and keep", "stop": "Stop", "compare": "Compare now", "resume": "Resume"}
IDS = {"stop_keep": "stop-keep", "compare": "compare-now"}
Look = Callable[[Any], Any]


def build(page: gr.Blocks, browser: gr.BrowserState) -> tuple[dict[str, Any], Look]:
    """The tab, inside the tab that is being built: its fields by name, and what refreshes it after an event."""
    parts: dict[str, Any] = {"browser": browser, "sent": gr.State({})}
    with gr.Row(elem_classes="dock", equal_height=True):
        parts["progress"] = plain(panels.progress(None), "dock-text", scale=1)
        for name, label in BUTTONS.items():
            parts[name] = gr.Button(label, visible=False, min_width=80, scale=0, elem_id=IDS.get(name, name))
    with gr.Row(elem_classes="desk"):
        with gr.Column(scale=0, min_width=300, elem_classes="side"):
            fields = _form(parts)
            parts["start"] = gr.Button("Erase", variant="primary", size="lg", elem_id="erase")
            parts["notice"] = plain("", "notice")
            parts["command"] = gr.Textbox(
                label="The same from a terminal",
                buttons=["copy"],
                lines=1,
                max_lines=6,
                interactive=False,
                elem_id="command",
            )
        with gr.Column(scale=1, min_width=300, elem_classes="main"):
            parts["outcome"] = plain("", "outcome", visible=False)
            parts["live"] = plain(panels.live(None), "live")
            parts["previews"] = plain("", "previews", visible=False)
    parts["timer"] = gr.Timer(TICK, active=False)
    defaults = keep_assistant.follow(None, {name: field.value for name, field in fields.items()})
    for name, value in defaults.items():
        parts[name].value = value
    return fields, _events(page, fields, parts)


def _form(parts: dict[str, Any]) -> dict[str, Any]:
    """Everything a visitor fills in, by the name it has in the config; what helps with it is put into `parts`."""
    fields = _lists()
    parts["assist"] = plain("", "assist")
    parts["file"] = gr.UploadButton(
        "Keep prompts from a file", file_types=[".txt"], size="sm", elem_id="keep-file", min_width=120
    )
    parts["added"] = plain("", "keep-added")
    with gr.Accordion("The prompts this gives", open=False, elem_id="keep-prompts"):
        parts["prompts"] = plain("", "prompts")
    model, (_, method) = form.default("model"), form.methods()[0]
    fields["model"] = gr.Dropdown(
        form.models(),
        value=model,
        label="Model",
        info=form.about_model(model),
        allow_custom_value=True,
        elem_id="field-model",
    )
    fields["method"] = gr.Dropdown(
        form.methods(),
        value=method,
        label="Method",
        info=form.about_method(method),
        filterable=False,
        elem_id="field-method",
    )
    with gr.Accordion("Settings", open=False):
        for pair in zip(form.SETTINGS[::2], form.SETTINGS[1::2], strict=True):
            with gr.Row():
                fields |= {setting.name: _setting(setting, method) for setting in pair}
        fields["train"] = gr.Dropdown(list(form.TRAIN), value="", label="Which weights change", filterable=False)
    parts["estimate"] = plain("", "estimate")
    return fields


def _lists() -> dict[str, Any]:
    """The boxes for what to erase and what to keep."""
    return {
        "erase": gr.Textbox("cat", label="Erase", info="What to forget. Several with commas.", elem_id="field-erase"),
        "replace": gr.Textbox(
            label="Replace with",
            placeholder="optional, such as dog",
            info="What to draw where it was asked for.",
            elem_id="field-replace",
        ),
        "keep": gr.Textbox(
            label="Keep",
            lines=2,
            max_lines=8,
            placeholder="optional, such as dog, horse",
            elem_id="field-keep",
            info="Words or prompts to guard on purpose, one a line. Everything else is guarded anyway.",
        ),
    }


def _setting(setting: form.Setting, method: str) -> gr.Textbox:
    """The box of a number; gr.Number would show 0 where nothing was given."""
    return gr.Textbox(
        form.written(form.default(setting.name)),
        label=setting.label,
        info=setting.info,
        placeholder=form.left_empty(setting, method),
        elem_id=f"field-{setting.name}",
        min_width=120,
        html_attributes=gr.InputHTMLAttributes(autocomplete="off"),
    )


def _events(page: gr.Blocks, fields: dict[str, Any], parts: dict[str, Any]) -> Look:
    """Bind them all, and return what refreshes the page after an event."""
    browser, every = parts["browser"], parts | fields

    def on(
        triggers: Any,
        work: Callable[..., Any],
        inputs: Any,
        outputs: Iterable[str],
        failure: str,
        say: str = "notice",
        **more: Any,
    ) -> Any:
        return bind(triggers, work, browser, inputs, every, list(outputs), failure=failure, say=say, **more)

    followed = [*erase_handlers.PARTS, "sent"]

    def look(event: Any) -> Any:
        return on(event, erase_handlers.refresh, [parts["sent"]], followed, "The run cannot be shown")

    def begin(event: Any) -> Any:
        """Show the run and, on ZeroGPU, go on with it; elsewhere a process does that."""
        shown = look(event)
        if scheduler.inline():
            on(shown, zerogpu.drive, [], [], "The run could not go on with the device")
        return shown

    begin(on(page.load, erase_handlers.attach, [], ["browser", *fields], "The run could not be opened"))
    started = on(parts["start"].click, erase_handlers.start, fields, ["browser"], "The run could not be started")
    begin(started).then(None, browser, None, js=SHOW_RUN)
    for name, keep in (("stop_keep", True), ("stop", False)):
        work = functools.partial(erase_handlers.stop, keep=keep)
        look(on(parts[name].click, work, [], [], "The run could not be stopped"))
    begin(on(parts["resume"].click, erase_handlers.resume, [], [], "The run could not be resumed"))
    begin(on(parts["compare"].click, erase_handlers.compare, [], [], "The run could not be compared"))
    on(parts["timer"].tick, erase_handlers.refresh, [parts["sent"]], followed, "The run cannot be shown")

    _form_events(page, on, fields, parts)
    return look


def _form_events(page: gr.Blocks, on: Callable[..., Any], fields: dict[str, Any], parts: dict[str, Any]) -> None:
    """Bind what follows the form while somebody types, an uploaded list, and what is said of a model and a method."""
    typed = [page.load, *(field.change for field in fields.values())]
    shown = ("assist", "prompts", "estimate", "command")
    on(typed, keep_assistant.follow, fields, shown, "The form could not be read", trigger_mode="always_last")
    inputs = [parts["file"], fields["keep"]]
    on(parts["file"].upload, keep_assistant.from_file, inputs, ["keep"], "The file could not be read", "added")
    model, method = fields["model"], fields["method"]
    on(model.change, erase_handlers.model_info, [model], ["model"], "The model could not be looked up")
    numbers = [setting.name for setting in form.SETTINGS if setting.none]
    on(method.change, erase_handlers.method_info, [method], ["method", *numbers], "The method could not be looked up")
