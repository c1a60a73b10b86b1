"""The studio: builds the page out of its tabs, and serves it."""

import logging
import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gradio as gr
import gradio.route_utils
import gradio.routes
from gradio.route_utils import CustomCORSMiddleware
from markupsafe import Markup
from starlette.middleware import Middleware
from starlette.types import ASGIApp

from balign.host import disk, housekeeping
from balign.host.limits import LIMITS, alone, public
from balign.markup import languages
from balign.markup.render import render
from balign.plain_text import guard_output
from balign.ui import connections, events, password
from balign.ui.api import endpoints
from balign.ui.doors import Doors
from balign.ui.erase_tab import erase_layout
from balign.ui.files import ROUTES
from balign.ui.frontpage import Frontpage
from balign.ui.glossary import foot
from balign.ui.page import Page, plain, told_again, translatable
from balign.ui.runs_tab import runs_layout
from balign.ui.theme import head, theme
from balign.ui.try_tab import try_layout
from balign.ui.uploads import OneFile

SPACE = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
SESSIONS = 100
"""Pages whose state is kept in memory at once, each a few hundred kB; the oldest goes first."""


class GuardedCors(Doors):
    """The doors around gradio's answers to other pages, which would else be given before any door is passed."""

    def __init__(self, app: ASGIApp, **options: Any) -> None:
        super().__init__(CustomCORSMiddleware(app, **options))


def build() -> gr.Blocks:
    """The page as gradio blocks. Raises Refusal if BALIGN_PUBLIC cannot be understood."""
    guard_output()
    connections.prepare()
    logging.getLogger("uvicorn.error").addFilter(_said_once)
    gradio.routes.CustomCORSMiddleware = GuardedCors
    gradio.route_utils.GradioMultiPartParser = OneFile
    disk.uploads()  # tells gradio where they go
    with gr.Blocks(title="balign: make a model forget", analytics_enabled=False, fill_width=True) as blocks:
        endpoints.build()  # first, so that no event of the page takes one of their names
        browser = plain({"run": ""}, "kept", html_template="", visible="hidden")  # a value, and nothing to see
        plain(header, "header")
        with gr.Tabs(elem_id="views"):
            with gr.Tab("Erase", id="erase"):
                fields, duel, look = erase_layout.build(blocks, browser)
            page = Page(blocks, browser, fields, duel, look)
            with gr.Tab("Try", id="try"):
                try_layout.build(page)
            with gr.Tab("Runs", id="runs"):
                runs_layout.build(page)
        plain(lambda: foot(_space()), "foot")
        told_again(blocks, browser)
    translatable(blocks)
    events.queue(blocks)
    return blocks


def _said_once(record: logging.LogRecord) -> bool:
    """Pass all of uvicorn's lines but those that come second: for a request to be a websocket, and a zip broken off."""
    return not any(words in str(record.msg) for words in ("WebSocket library", "returned without completing response"))


def header() -> Markup:
    """The head of the page: who may see what is typed here, a shared instance's banner, a Space's button to copy it."""
    days = f"{LIMITS.hours / 24:g}"
    return render("ui/header.html", shared=public(), alone=alone(), locked=password.needed(), days=days, space=_space())


def _space() -> str:
    """The name of the Space that this is, if it is one."""
    space = os.environ.get("SPACE_ID", "")
    return space if SPACE.fullmatch(space) else ""


def options(host: str | None = None, port: int | None = None, share: bool | None = None) -> dict[str, Any]:
    """How the page is served: our look, our file route, and none of gradio's own pages.

    Where that is depends on host and share, or GRADIO_SERVER_NAME and GRADIO_SHARE, and so does whether the instance is
    public. They are noted in the environment, and so must be known before the page is built.
    """
    if host is not None:
        os.environ["GRADIO_SERVER_NAME"] = host
    if share is not None:
        os.environ["GRADIO_SHARE"] = str(share)
    # An address in a header is what a caller says, unless that is a known proxy; uvicorn takes this machine for one.
    os.environ.setdefault("FORWARDED_ALLOW_IPS", "")
    return {
        "server_name": host,
        "server_port": port,
        "share": os.environ.get("GRADIO_SHARE", "").lower() == "true",  # never by itself, as in a hosted notebook
        "theme": theme(),
        "head": head(),
        "favicon_path": str(Path(__file__).with_name("icon.svg")),
        "i18n": gr.I18n(**{name: dict(languages.table(name, "sent")) for name in languages.languages()[1:]}),
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
            "middleware": [Middleware(Frontpage)],
            "lifespan": housekeeping.lifespan,
        }
        | dict.fromkeys(("docs_url", "redoc_url", "openapi_url")),
    }


def launch(host: str | None = None, port: int | None = None) -> None:
    """Serve the page until interrupted."""
    served = options(host, port)
    build().launch(**served)
