"""Words that can be erased or kept, the other parts of a prompt, and the wordings that join them.

A lexicon is a json file in `assets/prompts`; its author sees to it that the model can draw its words. A *closed*
lexicon lists every word its model knows (the bundled model); an *open* one is a set of examples, and a word it does not
list is taken as one more of its kind.
"""

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from balign.data.spelling import FOLDER, bare, names, same, tokens
from balign.plain_text import harmless
from balign.refusal import Refusal

LONGEST_LABEL = 100
"""Characters of a label that is taken for a word."""
OPEN = ("objects", "styles", "people", "portraits", "themes", "places", "backgrounds")
"""Lexicons for hub models; a concept is looked for in all of them."""
KINDS = {  # key of the file -> the kind of its words
    "objects": "object",
    "styles": "style",
    "backgrounds": "background",
    "attributes": "attribute",
    "people": "person",
    "themes": "theme",
    "places": "place",
}


class Word(NamedTuple):
    """Something a prompt can name: a thing, a style, a colour behind it, a kind of person."""

    name: str
    kind: str
    category: str | None = None
    synonyms: tuple[str, ...] = ()
    plural: bool = False
    sensitive: bool = False
    """Nothing to keep: it is in no twin and no neighbour."""
    instead: str = ""
    """What stands for an unlisted word: a car for a red car."""


@dataclass(frozen=True)
class Lexicon:
    """One file of words: kind -> name -> Word, and the train and test halves of the other parts of a prompt."""

    name: str
    closed: bool
    words: Mapping[str, Mapping[str, Word]]
    dimensions: Mapping[str, Mapping[str, Sequence[str]]]
    templates: Mapping[str, Sequence[str]]
    optional: frozenset[str] = frozenset()  # kinds that a prompt may leave out
    usual: Mapping[str, Sequence[str]] = field(default_factory=dict)  # kind -> the words used by default
    generic: Mapping[str, str] = field(default_factory=dict)  # kind -> what stands for an unlisted word
    zero_shot: Mapping[str, Sequence[str]] = field(default_factory=dict)  # kind -> captions to recognise it by
    plurals: frozenset[str] = frozenset()  # names that take no article
    listed: frozenset[str] = frozenset()  # every name and synonym
    articles: bool = True  # whether its words take one at all
    plain: Mapping[str, Sequence[str]] = field(default_factory=dict)  # kind -> wordings of a scene without the word
    replace: Mapping[str, str] = field(default_factory=dict)  # kind -> what stands for a listed word too
    index: Mapping[str, Sequence[tuple[str, Word]]] = field(default_factory=dict, repr=False)  # by a name's first token

    def all_words(self) -> Iterable[Word]:
        return (word for members in self.words.values() for word in members.values())

    def find(self, name: str, kind: str | None = None) -> Word | None:
        """The word called `name`, of this kind if one is given: by its name, a synonym, a plural, another case."""
        for own, members in self.words.items():
            if name in members and kind in (None, own):
                return members[name]
        known = self._beginning(tokens(name)[:1])
        return next((word for said, word in known if kind in (None, word.kind) and same(name, said)), None)

    def _beginning(self, starts: Iterable[frozenset[str]]) -> Iterator[tuple[str, Word]]:
        """Every name that begins with one of the tokens, and its word, in the file's order for one token."""
        for token in starts:
            yield from dict.fromkeys(entry for form in token for entry in self.index.get(form, ()))

    def near(self, name: str, count: int = 3) -> list[str]:
        """Names that look like `name`, best first."""
        names = {other.lower(): word.name for word in self.all_words() for other in (word.name, *word.synonyms)}
        close = difflib.get_close_matches(name.lower(), names, n=count + 3, cutoff=0.7)
        return list(dict.fromkeys(names[match] for match in close))[:count]

    def named_in(self, text: str) -> list[Word]:
        """Words whose name (not a synonym) the text contains, each kind's longest one only."""
        longest: dict[str, Word] = {}
        for known, word in self._beginning(tokens(text)):
            best = longest.get(word.kind)
            if known == word.name and names(text, [known]) and (best is None or len(best.name) < len(known)):
                longest[word.kind] = word
        return list(longest.values())

    def fill(self, template: str, values: Mapping[str, str]) -> str:
        """The template with every field filled in and the articles corrected."""
        for kind, value in values.items():
            unlisted = value and kind in self.words and value not in self.listed
            if value in self.plurals or (unlisted and (not self.articles or bare(value))):
                template = re.sub(rf"\ba (?=(\{{(?!{kind})\w+\}} )*\{{{kind}\}})", "", template)
        text = " ".join(template.format_map(values).split())
        if "" in values.values():  # no comma is left where a word was left out
            text = re.sub(r"^[,\s]+|,\s*(?=,|$)", "", text)
        return re.sub(r"\b([Aa]) (?=(?!uni|use|eu|one\b|uk)[aeiouAEIOU8])", r"\1n ", text)

    def captions(self, word: Word) -> list[str]:
        """Captions of `word` alone, to recognise it by."""
        return [self.fill(template, {word.kind: word.name}) for template in self.zero_shot[word.kind]]


def of_labels(index: Path) -> Lexicon:
    """The labels of a class-conditional model, by its pipeline's index: each class's first word that is its alone.

    A word of two classes means the later one, as to the stock pipeline. Raises Refusal if there is none.
    """
    try:
        labels = json.loads(index.read_text(encoding="utf-8"))["id2label"]
        said = {int(number): [word.strip() for word in str(words).split(",")] for number, words in labels.items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        raise Refusal(f"The labels in {index} cannot be read; accepted are numbers with words.") from None
    meant = {word: number for number, words in said.items() for word in words if 0 < len(word) <= LONGEST_LABEL}
    meant = {word: number for word, number in meant.items() if harmless(word) == word}
    words: dict[str, Word] = {}
    for number in said:
        own = [word for word in said[number] if meant.get(word) == number]
        if own:
            words[own[0]] = Word(own[0], "object", synonyms=tuple(own[1:]))
    if not words:
        raise Refusal(f"The labels in {index} name no class; a pipeline whose id2label does is accepted.")
    plain = {"object": words}
    alone = {"train": ["{object}"], "test": ["{object}"]}
    captions = {"object": ["a photo of a {object}"]}
    listed = frozenset(name for word in words.values() for name in (word.name, *word.synonyms))
    return Lexicon(str(index), True, plain, {}, alone, zero_shot=captions, index=_index(plain), listed=listed)


@cache
def load(name: str) -> Lexicon:
    """The lexicon of this name in `assets/prompts`, or of the labels of a pipeline's index. Raises Refusal for none."""
    if name.endswith(".json"):
        return of_labels(Path(name))
    file = FOLDER / f"{name}.json"
    known = sorted(path.stem for path in FOLDER.glob("*.json"))
    if name not in known:
        raise Refusal(f"There is no lexicon {name!r}; there are {', '.join(known)}.")
    data = json.loads(file.read_text(encoding="utf-8"))
    words = {}
    for key, kind in KINDS.items():
        listed = data.get(key, {})
        listed = listed if isinstance(listed, dict) else {word: {} for word in listed}
        if listed:
            words[kind] = {word: _word(word, kind, about) for word, about in listed.items()}
    every = [word for members in words.values() for word in members.values()]
    articles = data.get("articles", True)
    return Lexicon(
        name=name,
        closed=not data.get("open", False),
        words=words,
        dimensions=data.get("dimensions", {}),
        templates=data["templates"],
        optional=frozenset(data.get("optional", ())),
        usual=data.get("usual", {}),
        generic=data.get("generic", {}),
        zero_shot=data["zero_shot"],
        index=_index(words),
        plurals=frozenset(
            name for word in every if word.plural or not articles for name in (word.name, *word.synonyms)
        ),
        listed=frozenset(name for word in every for name in (word.name, *word.synonyms)),
        articles=articles,
        plain=data.get("plain", {}),
        replace=data.get("replace", {}),
    )


def _index(words: Mapping[str, Mapping[str, Word]]) -> dict[str, list[tuple[str, Word]]]:
    """First token of a name, or its singular -> the names that begin with it, and their words."""
    index: dict[str, list[tuple[str, Word]]] = {}
    for word in (word for members in words.values() for word in members.values()):
        for name in (word.name, *word.synonyms):
            for form in tokens(name)[0]:
                index.setdefault(form, []).append((name, word))
    return index


def _word(name: str, kind: str, about: Mapping[str, Any]) -> Word:
    plural, sensitive = about.get("plural", False), about.get("sensitive", False)
    return Word(name, kind, about.get("category"), tuple(about.get("synonyms", ())), plural, sensitive)
