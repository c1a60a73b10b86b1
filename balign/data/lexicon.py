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
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from balign.refusal import Refusal

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "prompts"
OPEN = ("objects", "styles", "people")  # lexicons for hub models; a concept is looked for in all of them
KINDS = {  # key of the file -> the kind of its words
    "objects": "object",
    "styles": "style",
    "backgrounds": "background",
    "attributes": "attribute",
    "people": "person",
}


class Word(NamedTuple):
    """Something a prompt can name: a thing, a style, a colour behind it, a kind of person."""

    name: str
    kind: str
    category: str | None = None
    synonyms: tuple[str, ...] = ()
    plural: bool = False


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
    index: Mapping[str, Sequence[tuple[str, Word]]] = field(default_factory=dict, repr=False)  # by a name's first token

    def all_words(self) -> Iterable[Word]:
        return (word for members in self.words.values() for word in members.values())

    def find(self, name: str) -> Word | None:
        """The word called `name`: by its name, a synonym, a plural or another case."""
        for members in self.words.values():
            if name in members:
                return members[name]
        return next((word for known, word in self._beginning(tokens(name)[:1]) if same(name, known)), None)

    def _beginning(self, starts: Iterable[frozenset[str]]) -> Iterator[tuple[str, Word]]:
        """Every name that begins with one of the tokens, and its word, in the file's order for one token."""
        for token in starts:
            yield from dict.fromkeys(entry for form in token for entry in self.index.get(form, ()))

    def near(self, name: str, count: int = 3) -> list[str]:
        """Names that look like `name`, best first."""
        names = {other.lower(): word.name for word in self.all_words() for other in (word.name, *word.synonyms)}
        close = difflib.get_close_matches(name.lower(), names, n=count + 3, cutoff=0.55)
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
        for kind in values:
            if values[kind] in self.plurals:
                template = re.sub(rf"\ba (?=(\{{(?!{kind})\w+\}} )*\{{{kind}\}})", "", template)
        text = " ".join(template.format_map(values).split())
        return re.sub(r"\b([Aa]) (?=(?!uni|use|eu|one\b|uk)[aeiouAEIOU8])", r"\1n ", text)

    def captions(self, word: Word) -> list[str]:
        """Captions of `word` alone, to recognise it by."""
        return [self.fill(template, {word.kind: word.name}) for template in self.zero_shot[word.kind]]


def forms(token: str) -> frozenset[str]:
    """A word and what may be its singular: `cherries` -> cherries, cherrie, cherri, cherry."""
    singulars = {token}
    if len(token) > 3 and token.endswith("s") and not token.endswith("ss"):
        singulars.add(token[:-1])
        if token.endswith("es") and len(token) > 4:
            singulars.add(token[:-2])
        if token.endswith("ies") and len(token) > 4:
            singulars.add(token[:-3] + "y")
    return frozenset(singulars)


@lru_cache(maxsize=2_048)
def tokens(text: str) -> tuple[frozenset[str], ...]:
    """The text as whole words in lower case, each with what may be its singular."""
    return tuple(forms(token) for token in re.findall(r"[^\W_]+(?:[-.][^\W_]+)*", text.lower()))


def same(one: str, other: str) -> bool:
    """Whether two names are one, whatever their case, spacing or number."""
    a, b = tokens(one), tokens(other)
    return bool(a) and len(a) == len(b) and all(x & y for x, y in zip(a, b, strict=True))


def names(text: str, phrases: Iterable[str]) -> str | None:
    """The first of `phrases` that the text contains as whole words, whatever case or number; None when it has none."""
    whole = tokens(text)
    for phrase in phrases:
        part = tokens(phrase)
        for start in range(len(whole) - len(part) + 1):
            if part and all(token & whole[start + k] for k, token in enumerate(part)):
                return phrase
    return None


@cache
def load(name: str) -> Lexicon:
    """The lexicon of this name in `assets/prompts`. Raises Refusal if there is none."""
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
            n for members in words.values() for w in members.values() if w.plural for n in (w.name, *w.synonyms)
        ),
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
    return Word(name, kind, about.get("category"), tuple(about.get("synonyms", ())), about.get("plural", False))


def look_up(name: str, lexicon: str) -> tuple[Lexicon, Word]:
    """The lexicon that has the word meant by `name`, and the word.

    A closed lexicon refuses what it does not list, naming what is near. An open one looks in the other open ones, then
    takes the name as a new word of its first kind (`Banksy style` as a style). Raises Refusal for an unknown word.
    """
    own = load(lexicon)
    word = own.find(name)
    if word is not None:
        return own, word
    if own.closed:
        near = own.near(name)
        hint = f"did you mean {' or '.join(near)}?" if near else f"it knows words such as {_examples(own)}."
        raise Refusal(f"The model does not know {name!r}; {hint}")
    for other in OPEN:
        word = load(other).find(name)
        if word is not None:
            return load(other), word
    style = re.fullmatch(
        r"(?:(?:in )?(?:the )?style of (?P<of>.+))|(?:(?P<before>.+) style)", name.strip(), re.IGNORECASE
    )
    if style is not None:
        artist = style["of"] or style["before"]
        return load("styles"), load("styles").find(artist) or Word(artist, "style")
    return own, Word(name.strip(), next(iter(own.words)))


def _examples(lexicon: Lexicon) -> str:
    return ", ".join(next(iter(members)) for members in lexicon.words.values())
