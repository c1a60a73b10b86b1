"""The head of the page: on a shared instance it says that it is one, and how to have one's own.

It reads the environment and nothing else.
"""

import os
import re

from balign.host.limits import LIMITS, public

SPACE = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
OWN_MACHINE = "Everything runs on this machine. Nothing you type leaves it."
SHARED = "Everything runs on this shared machine."


def header(own: str) -> str:
    """The head as it is on a machine of one's own or, in public, with true words and the banner below."""
    return own.replace(OWN_MACHINE, SHARED) + shared() if public() else own


def shared() -> str:
    """The banner, with a button that copies the Space if this is one."""
    days = LIMITS.hours / 24
    return (
        '<aside class="notice shared" aria-label="Shared instance"><span>This machine is shared: runs wait in line, '
        f"are seen by this browser and by whoever has their link, and are deleted after {days:g} days.</span>"
        f"{_duplicate(os.environ.get('SPACE_ID', ''))}</aside>"
    )


def _duplicate(space: str) -> str:
    if not SPACE.fullmatch(space):
        return ""
    address = f"https://huggingface.co/spaces/{space}?duplicate=true"
    return f' <a class="duplicate" href="{address}" target="_blank" rel="noopener">Duplicate this Space</a>'
