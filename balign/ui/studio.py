"""The page: what is where, and which event calls which handler. It decides nothing else."""

from collections.abc import Callable, Iterable
from html import escape
from importlib.util import find_spec
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from balign.host import housekeeping, visitors
from balign.ui import events, form, header
from balign.ui.api import endpoints
from balign.ui.erase_tab import erase_handlers, estimate_line, keep_assistant, zerogpu
from balign.ui.files import ROUTES
from balign.ui.frontpage import Frontpage
from balign.ui.page import PRIVATE, Page, plain
from balign.ui.runs_tab import runs_layout
from balign.ui.theme import head, theme
from balign.ui.try_tab import try_layout

TICK = 1.0
"""Seconds between two looks into the run's folder."""
LEAD = "Make an image model forget one thing, and watch that it keeps the rest."
SUB = "Everything runs on this machine. Nothing you type leaves it."
SHOW_RUN = """(browser) => {
  const here = new URL(window.location);
  if (!browser || !browser.run || here.searchParams.get("run") === browser.run) return;
  here.searchParams.set("run", browser.run);
  window.history.replaceState(null, "", here);
  window.scrollTo({ top: 0, behavior: "smooth" });
}"""
"""Puts the run's id into the page's address, for a reload or another browser, and shows where it can be watched."""
HEADER = (
    f'<header class="top"><div><h1><a href="?run=">balign</a></h1><p>{LEAD} <span class="soft">{SUB}</span></p></div>'
    '<button type="button" class="theme" aria-label="Switch between light and dark">'
    '<svg viewBox="0 0 18 18" aria-hidden="true"><circle cx="9" cy="9" r="7.5" fill="none" stroke="currentColor" '
    'stroke-width="1.5"/><path d="M9 1.5a7.5 7.5 0 0 1 0 15z" fill="currentColor"/></svg></button></header>'
)


def build() -> gr.Blocks:
    """The page as gradio blocks."""
    with gr.Blocks(title="balign: make a model forget", analytics_enabled=False, fill_width=True) as page:
        endpoints.build()  # first, so that no event of the page takes one of their names
        browser = gr.BrowserState({"run": ""}, storage_key="balign-run-1", secret="balign-run-is-no-secret")
        sent = gr.State({})
        plain(header.header(HEADER), "header")
        parts: dict[str, Any] = {}
        with gr.Tabs(elem_id="views"):
            with gr.Tab("Erase", id="erase"):
                with gr.Row(elem_classes="dock", equal_height=True):
                    parts["progress"] = plain(erase_handlers.panels.progress(None), "dock-text", scale=1)
                    parts["stop_keep"] = gr.Button(
                        "Stop and keep", visible=False, min_width=130, scale=0, elem_id="stop-keep"
                    )
                    parts["stop"] = gr.Button("Stop", visible=False, min_width=80, scale=0, elem_id="stop")
                    parts["compare"] = gr.Button(
                        "Compare now", visible=False, min_width=120, scale=0, elem_id="compare-now"
                    )
                    parts["resume"] = gr.Button("Resume", visible=False, min_width=100, scale=0, elem_id="resume")
                with gr.Row(elem_classes="desk"):
                    with gr.Column(scale=0, min_width=300, elem_classes="side"):
                        helps: dict[str, Any] = {}
                        fields = _form(helps)
                        helps["estimate"] = plain(estimate_line.line(_defaults(fields)), "estimate")
                        keep_assistant.bind(page, fields, helps)
                        parts["start"] = gr.Button("Erase", variant="primary", size="lg", elem_id="erase")
                        parts["notice"] = plain("", "say")
                        line = gr.Textbox(
                            erase_handlers.command(_defaults(fields)),
                            label="The same from a terminal",
                            buttons=["copy"],
                            lines=1,
                            max_lines=6,
                            interactive=False,
                            elem_id="command",
                        )
                    with gr.Column(scale=1, min_width=300, elem_classes="main"):
                        parts["outcome"] = plain("", "outcome", visible=False)
                        parts["live"] = plain(erase_handlers.live(None), "live")
                        parts["previews"] = plain("", "previews", visible=False)
            with gr.Tab("Try", id="try") as trying:
                pass
            with gr.Tab("Runs", id="runs") as runs:
                pass
        parts["timer"] = gr.Timer(TICK, active=False)
        look = _events(page, browser, sent, parts, fields, line)
        shared = Page(page, browser, fields, look)
        with trying:
            try_layout.build(shared)
        with runs:
            runs_layout.build(shared)
    events.queue(page)
    return page


def _form(helps: dict[str, Any]) -> dict[str, Any]:
    """Everything a visitor fills in, by the name it has in the config; what helps with it is put into `helps`."""
    fields: dict[str, Any] = {}
    models, methods = form.models(), form.methods()
    fields["erase"] = gr.Textbox(
        "cat", label="Erase", info="What to forget. Several with commas.", elem_id="field-erase"
    )
    fields["replace"] = gr.Textbox(
        label="Replace with",
        placeholder="optional, such as dog",
        info="What to draw where it was asked for.",
        elem_id="field-replace",
    )
    fields["keep"] = gr.Textbox(
        label="Keep",
        lines=2,
        max_lines=8,
        placeholder="optional, such as dog, horse",
        elem_id="field-keep",
        info="Words or prompts to guard on purpose, one a line. Everything else is guarded anyway.",
    )
    helps |= keep_assistant.place(fields)
    fields["model"] = gr.Dropdown(
        models,
        value=form.default("model"),
        label="Model",
        allow_custom_value=True,
        info=form.about_model(form.default("model")),
    )
    fields["method"] = gr.Dropdown(
        methods, value=methods[0][1], label="Method", info=form.about_method(methods[0][1]), filterable=False
    )
    with gr.Accordion("Settings", open=False):
        for pair in _pairs(form.SETTINGS):
            with gr.Row():
                for setting in pair:
                    fields[setting.name] = gr.Textbox(  # gr.Number shows 0 where nothing was given
                        form.written(form.default(setting.name)),
                        label=setting.label,
                        info=setting.info,
                        placeholder=form.left_empty(setting, methods[0][1]),
                        elem_id=f"field-{setting.name}",
                        min_width=120,
                        html_attributes=gr.InputHTMLAttributes(autocomplete="off"),
                    )
        fields["train"] = gr.Dropdown(list(form.TRAIN), value="", label="Which weights change", filterable=False)
    fields["model"].change(_model_words, fields["model"], fields["model"], **PRIVATE)
    owned = [setting for setting in form.SETTINGS if setting.none]
    fields["method"].change(
        lambda name: _method_words(str(name), owned),
        fields["method"],
        [fields["method"], *(fields[setting.name] for setting in owned)],
        **PRIVATE,
    )
    return fields


def _method_words(name: str, owned: list[form.Setting]) -> list[Any]:
    """The description of a method, and its own numbers as what empty settings mean."""
    own = [gr.update(placeholder=form.left_empty(setting, name)) for setting in owned]
    return [gr.update(info=form.about_method(name)), *own]


def _pairs(settings: Iterable[form.Setting]) -> list[tuple[form.Setting, ...]]:
    every = list(settings)
    return [tuple(every[k : k + 2]) for k in range(0, len(every), 2)]


def _model_words(name: object) -> Any:
    try:
        return gr.update(info=form.about_model(str(name)))
    except ValueError as error:
        return gr.update(info=escape(str(error)))


def _defaults(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: field.value for name, field in fields.items()}


def _events(
    page: gr.Blocks,
    browser: gr.BrowserState,
    sent: gr.State,
    parts: dict[str, Any],
    fields: dict[str, Any],
    line: gr.Textbox,
) -> Callable[[Any], Any]:
    """Bind them all; what refreshes the page after an event is given back."""
    names = {field: name for name, field in fields.items()}

    def values(data: dict[Any, Any]) -> dict[str, Any]:
        return {names[field]: value for field, value in data.items()}

    def refresh(store: object, told: dict[str, str]) -> dict[Any, Any]:
        updates, now = erase_handlers.refresh(store, told)
        return {parts[name]: update for name, update in updates.items()} | {sent: now}

    def attach(store: object, request: gr.Request) -> dict[Any, Any]:
        chosen, words, shown = erase_handlers.attach(store, request.query_params.get("run"))
        filled = {fields[name]: value for name, value in shown.items()}
        return {browser: chosen, parts["notice"]: words, **filled}

    def look(event: Any) -> Any:
        return event.then(refresh, [browser, sent], [*parts.values(), sent], **PRIVATE)

    opened = look(page.load(attach, browser, [browser, parts["notice"], *fields.values()], **PRIVATE))
    zerogpu.follow(opened, browser, parts["notice"])

    def start(data: dict[Any, Any], request: gr.Request) -> tuple[Any, str]:
        visitor = visitors.visitor(data.pop(browser), request)
        return erase_handlers.start(values(data), visitor)

    begun = parts["start"].click(start, {browser, *fields.values()}, [browser, parts["notice"]], **PRIVATE)
    shown = look(begun)
    shown.then(None, browser, None, js=SHOW_RUN)
    zerogpu.follow(shown, browser, parts["notice"])
    for name, keep in (("stop_keep", True), ("stop", False)):
        asked = parts[name].click(
            lambda store, k=keep: erase_handlers.stop(store, k), browser, parts["notice"], **PRIVATE
        )
        look(asked)
    for name, verb in (("resume", "run"), ("compare", "evaluate")):

        def resume(store: object, request: gr.Request, verb: Any = verb) -> str:
            return erase_handlers.resume(store, verb, request)

        zerogpu.follow(look(parts[name].click(resume, browser, parts["notice"], **PRIVATE)), browser, parts["notice"])
    parts["timer"].tick(refresh, [browser, sent], [*parts.values(), sent], **PRIVATE)
    gr.on(
        [field.change for field in fields.values()],
        lambda data: erase_handlers.command(values(data)),
        set(fields.values()),
        line,
        trigger_mode="always_last",
        **PRIVATE,
    )
    return look


def options(host: str | None = None, port: int | None = None) -> dict[str, Any]:
    """How the page is served: our look, our file route, and none of gradio's own pages."""
    return {
        "server_name": host,
        "server_port": port,
        "theme": theme(),
        "head": head(),
        "footer_links": [],
        "run_history": False,
        "ssr_mode": False,
        "show_error": False,
        "pwa": False,
        "mcp_server": find_spec("mcp") is not None,
        "max_file_size": runs_layout.MAX_UPLOAD,
        "app_kwargs": {
            "routes": list(ROUTES),
            "middleware": [Middleware(Frontpage)],
            "lifespan": housekeeping.lifespan,
            "docs_url": None,
            "redoc_url": None,
            "openapi_url": None,
        },
    }


def launch(host: str | None = None, port: int | None = None) -> None:
    """Serve the page until interrupted."""
    build().launch(**options(host, port))
