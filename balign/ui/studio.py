"""The studio: builds the page out of its tabs, and serves it."""

import os
import re
from importlib.util import find_spec
from typing import Any

import gradio as gr
from markupsafe import Markup
from starlette.middleware import Middleware

from balign.host import disk, housekeeping
from balign.host.limits import LIMITS, public
from balign.markup.render import render
from balign.ui.api import endpoints
from balign.ui.doors import Doors
from balign.ui.erase_tab import erase_layout
from balign.ui.event_queue import EventQueue
from balign.ui.files import ROUTES
from balign.ui.frontpage import Frontpage
from balign.ui.page import Page, plain
from balign.ui.runs_tab import runs_layout
from balign.ui.theme import head, theme
from balign.ui.try_tab import try_layout

SPACE = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
NEVER = str(2**62)
SESSIONS = 100
"""Pages whose state is kept in memory at once, each a few hundred kB; the oldest goes first."""


def build() -> gr.Blocks:
    """The page as gradio blocks."""
    disk.uploads()  # tells gradio where they go
    with gr.Blocks(title="balign: make a model forget", analytics_enabled=False, fill_width=True) as blocks:
        endpoints.build()  # first, so that no event of the page takes one of their names
        browser = gr.BrowserState({"run": ""}, storage_key="balign-run-1", secret="balign-run-is-no-secret")
        plain(header(), "header")
        with gr.Tabs(elem_id="views"):
            with gr.Tab("Erase", id="erase"):
                fields, look = erase_layout.build(blocks, browser)
            page = Page(blocks, browser, fields, look)
            with gr.Tab("Try", id="try"):
                try_layout.build(page)
            with gr.Tab("Runs", id="runs"):
                runs_layout.build(page)
    _queue(blocks)
    return blocks


def header() -> Markup:
    """The head of the page; on a public instance with a banner, and with a button that copies a Space."""
    space = os.environ.get("SPACE_ID", "")
    known = space if SPACE.fullmatch(space) else ""
    return render("ui/header.html", shared=public(), days=f"{LIMITS.hours / 24:g}", space=known)


def _queue(blocks: gr.Blocks) -> None:
    """Give the page its queue of events: many at once, no statistics, and rest while there is nothing to do."""
    # After every event gradio would make a table of the last ten thousand for a page of statistics that is not served.
    os.environ["GRADIO_ANALYTICS_MAX_EVENTS"], os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = "1", NEVER
    blocks.queue(max_size=256, default_concurrency_limit=8)
    EventQueue.take_over(blocks._queue)
    validate = blocks.validate_inputs

    def validated(*args: Any) -> None:
        """What gradio checks, told in one line of the log: a call with too few values is the caller's mistake."""
        try:
            validate(*args)
        except ValueError as error:
            raise gr.Error(str(error).splitlines()[0], print_exception=False) from None

    blocks.validate_inputs = validated


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
        "max_file_size": LIMITS.upload_bytes,
        "state_session_capacity": SESSIONS,
        "enable_monitoring": False,
        "app_kwargs": {
            "routes": list(ROUTES),
            "middleware": [Middleware(Doors), Middleware(Frontpage)],
            "lifespan": housekeeping.lifespan,
        }
        | dict.fromkeys(("docs_url", "redoc_url", "openapi_url")),
    }


def launch(host: str | None = None, port: int | None = None) -> None:
    """Serve the page until interrupted."""
    build().launch(**options(host, port))
