"""The head of the page: on a shared instance it says that it is one, and how to have your own."""

import os
import re

from markupsafe import Markup

from balign.host.limits import LIMITS, public
from balign.markup.render import render

SPACE = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


def header() -> Markup:
    """The head; on a public instance with a banner, and with a button that copies the Space if this is one."""
    space = os.environ.get("SPACE_ID", "")
    return render(
        "ui/header.html",
        shared=public(),
        days=f"{LIMITS.hours / 24:g}",
        space=space if SPACE.fullmatch(space) else "",
    )
