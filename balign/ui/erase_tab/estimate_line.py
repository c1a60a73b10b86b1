"""The line above the Erase button: how long this will take, what it needs, what would make an impossible run work."""

from collections.abc import Mapping
from html import escape
from typing import Any

from balign.runs.estimate import forecast
from balign.runs.prompt_lists import prompt_sets, resolve
from balign.ui import form


def line(values: Mapping[str, Any]) -> str:
    """What each run of the form will take; empty while it is none, or none allowed here, which is said elsewhere."""
    try:
        wanted = form.allowed(values)
        found = forecast.estimate(wanted[0], prompt_sets(wanted[0], resolve(wanted[0])))
    except (ValueError, OSError):
        return ""
    room = f"{max(found.disk_gb, 0.01):.2g} GB on the disk; time and memory as measured in runs of the same model here"
    words = forecast.sentence(found) + (f" That is for each of {len(wanted)} seeds." if len(wanted) > 1 else "")
    text = f'<p class="ahead" title="{escape(room)}">{escape(words)}</p>'
    blocked = f'<p class="ahead blocked">{escape(found.obstacle)}</p>' if found.obstacle else ""
    return f'<div role="status">{text}{blocked}</div>'
