"""What is shown while somebody types: close words, remarks, the prompts of a run, its estimate and its command.

An uploaded list is read once and not kept.
"""

import contextlib
import os
from pathlib import Path

from markupsafe import Markup

from balign.data import suggestions
from balign.markup.formats import counted, gigabytes
from balign.markup.render import render
from balign.refusal import Refusal
from balign.runs.estimate import forecast
from balign.ui.erase_tab.draft import Draft, Values, read
from balign.ui.page import Answer, Caller, notice

MAX_FILE = 200_000
"""Bytes of a file with prompts to keep."""
EXAMPLES = 3
"""Pairs of twins in the preview, and prompts of each test group."""
KINDS = {"object": "things", "style": "styles", "background": "backgrounds", "person": "kinds of people"}


def follow(caller: Caller | None, values: Values) -> Answer:
    """Everything on the page that keeps in step with the form."""
    draft = read(values)
    return {
        "assist": assist(draft),
        "prompts": prompts(draft),
        "estimate": estimate(draft),
        "command": draft.command,
    }


def assist(draft: Draft) -> Markup:
    """Close words, remarks, and how wide the keep side is."""
    sets = draft.sets
    return render(
        "ui/erase_tab/assist.html",
        offered=draft.offered,
        listed=draft.listed,
        remarks=sets.warnings if sets else [draft.refusal],
        breadth=suggestions.breadth(sets) if sets else [],
        kinds=KINDS,
    )


def prompts(draft: Draft) -> Markup:
    """A few prompts of each set that a run would use."""
    return render(
        "ui/erase_tab/prompts.html",
        sets=draft.sets,
        twins=suggestions.twins(draft.sets)[:EXAMPLES] if draft.sets else [],
        shown=EXAMPLES,
        refusal=draft.refusal,
    )


def estimate(draft: Draft) -> Markup:
    """What each run of the form will take; empty while the form is refused, which `assist` says."""
    if draft.sets is None:
        return Markup()
    expected = forecast.estimate(draft.configs[0], draft.sets)
    return render(
        "ui/erase_tab/estimate.html",
        words=forecast.sentence(expected),
        disk=gigabytes(expected.disk_gb),
        obstacle=expected.obstacle,
        runs=len(draft.configs),
    )


def from_file(caller: Caller | None, file: object, keep: object) -> Answer:
    """The text of Keep with an uploaded list below it, and how many lines it added."""
    if not isinstance(file, str):
        raise Refusal("No file was uploaded.")
    try:
        added = read_list(Path(file))
    finally:
        with contextlib.suppress(OSError):
            os.unlink(file)
    before = [keep.rstrip()] if isinstance(keep, str) and keep.rstrip() else []
    message = f"{counted(len(added), 'line')} {'was' if len(added) == 1 else 'were'} added to Keep."
    return {"keep": "\n".join([*before, *added]), "added": notice(message, "remark")}


def read_list(file: Path) -> list[str]:
    """The lines of a text file that are not blank."""
    size = file.stat().st_size
    if size > MAX_FILE:
        raise Refusal(f"The file has {size:,} bytes; a text file of at most {MAX_FILE:,} is accepted.")
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refusal(f"Byte {error.start:,} of the file is not UTF-8; a plain text file is accepted.") from None
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise Refusal("The file has no text in it; one word or prompt a line is accepted.")
    return lines
