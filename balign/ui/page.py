"""What the parts of the page share: which run this browser shows, the form, and how a part asks for a fresh look."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr


@dataclass(frozen=True)
class Page:
    """Handed to every part's `build`. It knows no part."""

    blocks: gr.Blocks
    browser: gr.BrowserState
    """{"run": id} of the run shown; a visitor may have written anything into it."""
    fields: dict[str, Any]
    """The form's components by the name they have in the config."""
    look: Callable[[Any], Any]
    """Refreshes the page after an event: `page.look(button.click(...))`."""


PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": None}


def plain(value: str, name: str, **more: Any) -> gr.HTML:
    """A piece of the page as html of ours, without gradio's own look; `part-` and the name find it."""
    return gr.HTML(
        value, elem_id=f"part-{name}", elem_classes="plain", apply_default_css=False, js_on_load=None, **more
    )
