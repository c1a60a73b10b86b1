"""Names that are known without being on a list that prompts draw from: artists, things, categories, other languages."""

import json
import re
from functools import cache
from typing import Any

from balign.data.lexicon import Lexicon, Word, load
from balign.data.spelling import FOLDER, folded, same, vocabulary

GROUP = re.compile(r"^(?:(?:all|every|any|all the|all kinds of|kinds of)\s+)?(?P<of>\S.*)$", re.IGNORECASE)


def category(text: str, lexicon: Lexicon) -> tuple[Word, ...]:
    """All words of the category of this name: animals -> cat, dog and so on. Two at least, else none."""
    match = GROUP.match(text)
    text = match["of"] if match else text
    groups = vocabulary()["categories"]
    one = next((each for each in groups if same(each, text)), None)
    if one is None:
        return ()
    names = groups[one] if isinstance(groups[one], list) else groups[groups[one]]
    found = tuple(w for w in lexicon.all_words() if w.category in names or f"={w.name}" in names)
    return found if len(found) > 1 else ()


PLURALS = {
    "s": ("Spanish", "French", "Portuguese", "Dutch"),
    "es": ("Spanish", "Portuguese"),
    "x": ("French",),
    "n": ("German",),
    "en": ("German", "Dutch"),
    "e": ("German",),
    "er": ("German",),
}
"""How languages whose words are listed in the singular make a plural of them."""


@cache
def _names() -> Any:
    return json.loads((FOLDER / "words" / "recognised.json").read_text(encoding="utf-8"))


@cache
def _styles() -> dict[str, Word]:
    return {
        called: Word(name, "style", about["category"], tuple(about["synonyms"]), instead=about.get("instead", ""))
        for name, about in _names()["styles"].items()
        for called in (name, *about["synonyms"])
    }


def style(text: str) -> Word | None:
    """The artist, movement or medium of this name."""
    return next((word for called, word in _styles().items() if same(called, text)), None)


def elsewhere(text: str) -> Word | None:
    """The thing of this name that the words of a bundled or class-conditional model have."""
    return load("emoji").find(text, "object") or load("imagenet").find(text)


def thing(text: str) -> str | None:
    """The name of the thing called so."""
    return next((name for name in things() if same(name, text)), None)


def things() -> dict[str, str | None]:
    """Things that are recognised, each with its category among the things for photographs, where it has one."""
    known: dict[str, str | None] = _names()["things"]
    return known


@cache
def _languages() -> dict[str, tuple[str, str]]:
    """A name in another language, folded -> its English name and that language."""
    probes = json.loads((FOLDER / "probes" / "words.json").read_text(encoding="utf-8"))["languages"]
    return {
        folded(text): (name, language)
        for table in (_names()["languages"], probes)
        for name, each in table.items()
        for language, text in each.items()
    }


def translated(text: str) -> tuple[str, str] | None:
    """The English for a word of another language, and which one that is; None for a word that is not listed."""
    whole = folded(text)
    found = _languages().get(whole)
    for ending in PLURALS if found is None else ():
        one = _languages().get(whole.removesuffix(ending)) if whole.endswith(ending) else None
        if one is not None and one[1] in PLURALS[ending]:
            return one
    return found
