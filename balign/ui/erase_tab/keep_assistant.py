"""What is shown while somebody types: close words, remarks, the prompts of a run, its estimate and its command."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from balign.data import suggestions
from balign.data.prompts import PromptSets
from balign.host import limits
from balign.markup.formats import counted
from balign.markup.render import render
from balign.refusal import Refusal
from balign.runs import prompt_lists
from balign.runs.config import RunConfig
from balign.runs.estimate import forecast
from balign.ui import form
from balign.ui.page import Answer, Caller, notice, uploaded

MAX_FILE = 200_000
"""Bytes of a file with prompts to keep."""
EXAMPLES = 3
"""Pairs of twins in the preview, and prompts of each test group."""
Values = Mapping[str, Any]
KINDS = {"object": "things", "style": "styles", "background": "backgrounds", "person": "kinds of people"}


class Draft(NamedTuple):
    """The runs that the form asks for, one per seed, and their prompts; empty and None as far as it is refused."""

    configs: list[RunConfig]
    sets: PromptSets | None
    offered: list[str] | None
    """Close words to keep; None where the concepts or the model are refused."""
    listed: frozenset[str]
    """The texts in Keep, in small letters."""
    refusal: str = ""


def read(values: Values) -> Draft:
    """What these values of the form come to, resolved once for everything that is shown of it. It loads no model."""
    configs: list[RunConfig] = []
    listed: frozenset[str] = frozenset()
    offered = None
    try:
        with contextlib.suppress(Refusal):
            listed = frozenset(text.lower() for text in form.lines(values.get("keep"), "the prompts to keep"))
        configs = form.configs(values)
        limits.check(configs[0])
        sets = prompt_lists.prompt_sets(configs[0], prompt_lists.resolve(configs[0]))
    except Refusal as refusal:
        with contextlib.suppress(Refusal):  # close words need no more than the concepts and the model
            config = form.config({name: values.get(name) for name in ("erase", "replace", "model")})
            limits.check(config)
            offered = suggestions.close(prompt_lists.resolve(config))
        return Draft(configs, None, offered, listed, str(refusal))
    return Draft(configs, sets, suggestions.close(sets.lists), listed)


def follow(caller: Caller | None, values: Values) -> Answer:
    """Everything on the page that keeps in step with the form."""
    draft = read(values)
    command = form.command(*draft.configs) if draft.configs else f"# {draft.refusal}"
    return {"assist": assist(draft), "prompts": prompts(draft), "estimate": estimate(draft), "command": command}


def estimated(caller: Caller, values: Values) -> Answer:
    """The estimate alone, by what has run since the page was built."""
    return {"estimate": estimate(read(values))}


def assist(draft: Draft) -> Markup:
    """Close words, remarks, and how wide the keep side is."""
    breadth = suggestions.breadth(draft.sets) if draft.sets else []
    return render("ui/erase_tab/assist.html", draft=draft, breadth=breadth, kinds=KINDS)


def prompts(draft: Draft) -> Markup:
    """A few prompts of each set that a run would use."""
    twins = suggestions.twins(draft.sets)[:EXAMPLES] if draft.sets else []
    return render("ui/erase_tab/prompts.html", draft=draft, sets=draft.sets, twins=twins, shown=EXAMPLES)


def estimate(draft: Draft) -> Markup:
    """What each run of the form will take; empty while the form is refused, which `assist` says."""
    if draft.sets is None:
        return Markup()
    expected = forecast.estimate(draft.configs[0], draft.sets)
    words = forecast.sentence(expected)
    return render("ui/erase_tab/estimate.html", words=words, expected=expected, runs=len(draft.configs))


def from_file(caller: Caller | None, file: object, keep: object) -> Answer:
    """The text of Keep with an uploaded list below it, and how many lines it added."""
    with uploaded(file) as path:
        added = read_list(path)
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
