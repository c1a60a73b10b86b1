"""The keep assistant: close words to add with one press, what is odd about the lists, and the prompts they would give.

All of it is asked while somebody types, so nothing here loads a model; what is shown comes from the same functions that
a run uses. Every text is escaped. An uploaded list is read once and not kept.
"""

import contextlib
import os
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from balign.data import suggestions, targets
from balign.data.scenes import Labelled
from balign.refusal import Refusal
from balign.runs.prompt_lists import prompt_sets, resolve
from balign.ui import form
from balign.ui.erase_tab import estimate_line
from balign.ui.page import PRIVATE, plain

MAX_FILE = 200_000
"""Bytes of a file with prompts to keep."""
EXAMPLES = 3
"""Pairs of twins in the preview, and prompts of each test group."""
KINDS = {"object": "things", "style": "styles", "background": "backgrounds", "person": "kinds of people"}
TESTED = (("erased", "erased_test"), ("kept", "kept_test"), ("neighbours", "neighbours_test"))
Values = Mapping[str, Any]


def place(fields: dict[str, Any]) -> dict[str, Any]:
    """The assistant's parts, where the page is being built; `fields` are those above it."""
    values = {name: field.value for name, field in fields.items()}
    parts: dict[str, Any] = {"assist": plain(assist(values), "assist")}
    parts["file"] = gr.UploadButton(
        "Keep prompts from a file", file_types=[".txt"], size="sm", elem_id="keep-file", min_width=120
    )
    parts["said"] = plain("", "keep-said")
    with gr.Accordion("The prompts this gives", open=False, elem_id="keep-prompts"):
        parts["prompts"] = plain(preview(values), "prompts")
    return parts


def bind(page: gr.Blocks, fields: dict[str, Any], parts: dict[str, Any]) -> None:
    """Keep the parts, and the estimate above the button, in step with what is typed."""
    names = {field: name for name, field in fields.items()}

    def follow(data: dict[Any, Any]) -> list[str]:
        values = {names[field]: value for field, value in data.items()}
        return [assist(values), preview(values), estimate_line.line(values)]

    gr.on(
        [page.load, *(field.change for field in fields.values())],
        follow,
        set(fields.values()),
        [parts["assist"], parts["prompts"], parts["estimate"]],
        trigger_mode="always_last",
        **PRIVATE,
    )
    parts["file"].upload(from_file, [parts["file"], fields["keep"]], [fields["keep"], parts["said"]], **PRIVATE)


def assist(values: Values) -> str:
    """Chips, remarks, and how wide the keep side is."""
    chips, remarks, wide = _chips(values), [], ""
    try:
        wanted = form.allowed(values)[0]
        sets = prompt_sets(wanted, resolve(wanted))
        remarks = sets.warnings
        wide = " ".join(map(_wide, suggestions.breadth(sets)))
    except (ValueError, OSError) as error:
        remarks = [_why(error)]
    said = "".join(f"<p>{escape(words)}</p>" for words in remarks)
    term = "how diverse the retain set is: distinct words of the erased concept's kind, their categories, prompts"
    return (
        f'<div class="assist">{chips}<div class="remarks" role="status">{said}</div>'
        f'<p class="soft wide" title="{term}">{wide}</p></div>'
    )


def _why(error: ValueError | OSError) -> str:
    """One sentence; the system's own words, as for a name too long for a folder, without its numbers and paths."""
    return f"The model cannot be looked for: {error.strerror}." if isinstance(error, OSError) else str(error)


def _chips(values: Values) -> str:
    """Close words, each a button that is down while the word is on the list; keeping.js moves them there and back."""
    try:
        erase = form.concepts(values.get("erase"), values.get("replace"))
        lexicon = form.base(str(values.get("model") or form.default("model"))).lexicon
        offered = suggestions.close(targets.resolve(erase, (), lexicon))
        listed = {text.lower() for text in form.lines(values.get("keep"), "the prompts to keep")}
    except (ValueError, OSError):
        return ""  # what is wrong is said among the remarks
    if not offered:
        return '<p class="soft">No close words are known for this one; type what should stay.</p>'
    buttons = "".join(
        f'<button type="button" class="chip" data-word="{escape(word)}" '
        f'aria-pressed="{"true" if word.lower() in listed else "false"}">{escape(word)}</button>'
        for word in offered
    )
    return (
        '<div class="chips" role="group" aria-label="Close words; a press adds one to Keep, another takes it off">'
        '<span title="words of the same category; those left alone may be tested as neighbours">Close to it</span>'
        f"{buttons}</div>"
    )


def _wide(found: suggestions.Breadth) -> str:
    things = KINDS.get(found.kind, f"words of the kind {found.kind}")
    words = f"Guarded: {found.words:,} of {found.of_words:,} other {escape(things)}"
    if found.of_categories > 1:
        words += f" from {found.categories} of {found.of_categories} categories"
    return f"{words}, in {found.prompts:,} different prompt{'s' * (found.prompts > 1)}."


def preview(values: Values) -> str:
    """A few prompts of each set that a run would use."""
    try:
        wanted = form.allowed(values)[0]
        sets = prompt_sets(wanted, resolve(wanted))
        pairs = suggestions.twins(sets)
    except (ValueError, OSError) as error:
        return f'<p class="soft">{escape(_why(error))}</p>'
    learnt = "".join(
        f'<li><span class="key erased">{escape(forget)}</span><span class="key kept">{escape(retain)}</span></li>'
        for forget, retain in pairs[:EXAMPLES]
    )
    tested = "".join(_tested(name, getattr(sets, group)) for name, group in TESTED)
    return (
        f'<div class="said"><p>Learnt from, {len(sets.forget):,} to forget and {len(sets.retain):,} to keep; each '
        f"pair says the same of two things:</p><ul>{learnt}</ul><p>Tested on, and never learnt from:</p>"
        f"<ul>{tested}</ul></div>"
    )


def _tested(name: str, group: Sequence[Labelled]) -> str:
    return "".join(f'<li><span class="key {name}">{escape(test.prompt)}</span></li>' for test in group[:EXAMPLES])


def from_file(file: object, keep: object) -> tuple[Any, str]:
    """What is in the box with an uploaded list below it, and a word on what came of it."""
    from balign.ui.erase_tab.erase_handlers import notice

    if not isinstance(file, str):
        return gr.skip(), notice("No file was uploaded.", "refused")
    try:
        added = listed(Path(file))
    except ValueError as error:
        return gr.skip(), notice(str(error), "refused")
    except OSError as error:
        return gr.skip(), notice(f"The file could not be read: {error.strerror or 'the disk refused'}.", "refused")
    finally:
        with contextlib.suppress(OSError):
            os.unlink(file)
    before = keep.rstrip() if isinstance(keep, str) else ""
    text = "\n".join([*([before] if before else []), *added])
    return text, notice(f"{len(added):,} lines were added to Keep.", "remark")


def listed(file: Path) -> list[str]:
    """The lines of a text file that say something."""
    size = file.stat().st_size
    if size > MAX_FILE:
        raise Refusal(f"The file has {size:,} bytes; a text file of at most {MAX_FILE:,} is accepted.")
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refusal(f"Byte {error.start:,} of the file is no UTF-8; a plain text file is accepted.") from None
    found = [line.strip() for line in text.splitlines() if line.strip()]
    if not found:
        raise Refusal("The file has no text in it; one word or prompt a line is accepted.")
    return found
