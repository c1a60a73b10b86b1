"""The two lists of a run, resolved and checked once: what to erase as words of a lexicon, and what to keep."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from balign.data.kinds import TITLES
from balign.data.lexicon import Lexicon, Word
from balign.data.meaning import understand
from balign.data.readings import readings
from balign.data.recognised import translated
from balign.data.spelling import folded, names, places, same, spoken, tokens, vocabulary
from balign.refusal import Refusal, about

MENTIONED = 3
"""So many texts to keep are named that hold a word that is erased; the others are counted."""

LONGEST_WORD = 60
"""Characters of a text that may be one word of another language, or an emoji."""


class ConceptLike(Protocol):
    """A concept as a run's config holds it."""

    @property
    def name(self) -> str: ...
    @property
    def replace_with(self) -> str | None: ...
    @property
    def kind(self) -> str | None: ...


class Target(NamedTuple):
    """A concept to erase: its lexicon and word there, what to draw instead (None: the lexicon decides), and the rest.

    ``others`` are the words of its kind that are not to be erased and contain no name of anything that is.
    """

    lexicon: Lexicon
    word: Word
    replacement: str | None
    others: tuple[Word, ...] = ()
    alias: str = ""
    """The word of another language or the emoji that was typed."""
    explicit: bool = False
    """Whether its kind was given. Runs of earlier releases have none, and no plain wordings among their twins."""

    @property
    def forms(self) -> tuple[str, ...]:
        """Everything the concept is called."""
        return (self.word.name, *self.word.synonyms, *((self.alias,) if self.alias else ()))


@dataclass(frozen=True)
class Lists:
    """Both lists as they count: each concept and each text to keep once, and a sentence for everything odd."""

    targets: tuple[Target, ...]
    keep: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def forms(self) -> list[str]:
        """Everything the concepts are called."""
        return [form for target in self.targets for form in target.forms]


def resolve(concepts: Sequence[ConceptLike | str], keep: Sequence[str] = (), lexicon: str = "emoji") -> Lists:
    """Look up the concepts, check both lists against each other, and drop duplicates.

    Raises Refusal for an empty list, a word that a closed lexicon does not know, a replacement or a text to keep that
    names what is erased, or lists that leave nothing to keep.
    """
    if not concepts:
        raise Refusal("Nothing to erase was given; name at least one concept.")
    with about("erase"):
        targets, warnings = _targets(concepts, lexicon)
    forms = [form for target in targets for form in target.forms]
    for target in targets:
        clash = target.replacement and names(target.replacement, forms)
        with about("replace"):
            if clash:
                raise Refusal(
                    f"{target.word.name!r} cannot be replaced with {target.replacement!r}, which is itself to be "
                    "erased; choose something that is kept."
                )
    with about("keep"):
        clean, more = _kept(keep, forms, targets[0].lexicon)
    targets = [target._replace(others=_others(target, forms)) for target in targets]
    for target in targets:
        if not clean and not target.others:
            raise Refusal(
                f"Nothing is left to keep: every {target.word.kind} is to be erased; "
                "erase fewer, or name prompts to keep."
            )
    return Lists(tuple(targets), tuple(clean), (*warnings, *more))


def _targets(concepts: Sequence[ConceptLike | str], lexicon: str) -> tuple[list[Target], list[str]]:
    """The concepts as words of their lexicons, each once, and the warnings about them."""
    found: list[Target] = []
    warnings = []
    for concept in concepts:
        name, replacement, kind = (
            (concept, None, None) if isinstance(concept, str) else (concept.name, concept.replace_with, concept.kind)
        )
        if not name.strip():
            raise Refusal("An empty concept was given to erase; write at least one word.")
        meant = understand(name, lexicon, kind)
        fresh = [w for w in meant.words if not any(t.word.kind == w.kind and same(t.word.name, w.name) for t in found)]
        if not fresh:
            warnings.append(f"{name!r} was given twice to erase; it counts once.")
            continue
        if meant.remark:
            warnings.append(meant.remark)
        if meant.unsure:
            warnings.append(f"{name!r} is in no list of words; it is taken as one more {meant.kind}.")
        if replacement and any(same(replacement, word.name) for word in fresh):
            fresh = fresh if len(fresh) == 1 else [word for word in fresh if not same(replacement, word.name)]
        for word in fresh:
            with about("replace"):
                instead = _replacement(replacement, word, meant.lexicon)
            found.append(Target(meant.lexicon, word, instead, alias=meant.alias, explicit=kind is not None))
    return found, warnings


def _replacement(name: str | None, word: Word, lexicon: Lexicon) -> str | None:
    """The name of the replacement in the lexicon; an open lexicon takes any text."""
    if name is None:
        return None
    other = lexicon.words[word.kind].get(name) or lexicon.find(name)
    if other is not None and other.kind == word.kind:
        return other.name
    if not lexicon.closed:
        return _without_article(name)
    near = [close for close in lexicon.near(name) if close in lexicon.words[word.kind] and close != word.name]
    example = near or [member for member in lexicon.words[word.kind] if member != word.name][:3]
    raise Refusal(
        f"{word.name!r} cannot be replaced with {name!r}; "
        f"another {TITLES[word.kind]} is accepted, such as {', '.join(example)}."
    )


def _kept(keep: Sequence[str], forms: Iterable[str], lexicon: Lexicon) -> tuple[list[str], list[str]]:
    """The keep list without duplicates, and the warnings about it."""
    clean: dict[str, str] = {}
    warnings = []
    holding: list[str] = []
    duplicates = 0
    for text in keep:
        if not text.strip():
            raise Refusal("An empty text was given to keep; write at least one word.")
        named, only_holds = clash(text, forms, lexicon)
        if named and not only_holds:
            raise Refusal(f"The text to keep {text!r} names {named!r}, which is to be erased; take it off one list.")
        if named:
            holding.append(f"{text!r} holds the word {named!r} and is something else; it is kept.")
        text = _as_listed(text, lexicon)
        key = " ".join(folded(text).split())
        duplicates += key in clean
        clean.setdefault(key, " ".join(text.split()))
    warnings += holding[:MENTIONED]
    if len(holding) > MENTIONED:
        warnings.append(f"{len(holding) - MENTIONED:,} more texts to keep hold such a word and are something else.")
    if duplicates:
        verb = "is a duplicate" if duplicates == 1 else "are duplicates"
        warnings.append(f"{duplicates} of the {len(keep)} texts to keep {verb}.")
    if lexicon.closed:
        unknown = [text for text in clean.values() if lexicon.find(text) is None and not lexicon.named_in(text)]
        if unknown:
            warnings.append(
                f"The model knows no word of {unknown[0]!r}{f' and {len(unknown) - 1} more' * (len(unknown) > 1)}."
            )
    return list(clean.values()), warnings


def clash(text: str, forms: Iterable[str], lexicon: Lexicon) -> tuple[str | None, bool]:
    """The first name of what is erased that the text holds, and whether all it holds are other things: hot dog."""
    said, held = tokens(text), None
    for form in forms:
        part = tokens(form)
        for start in places(said, part):
            if not _something_else(said, start, len(part), form, lexicon):
                return form, False
            held = held or form
    return held, held is not None


def _something_else(said: tuple[frozenset[str], ...], start: int, length: int, form: str, lexicon: Lexicon) -> bool:
    """Whether the name that begins there is part of a name for something else."""
    after = said[start + length] if start + length < len(said) else frozenset()
    if after & frozenset(vocabulary()["heads"]):
        return True
    own = {name for key, names_ in vocabulary()["compounds"].items() if same(key, form) for name in names_}
    longer = [word.name for word in lexicon.all_words() if " " in word.name]  # a cat's eye, but no black cat
    for name in (*own, *longer):
        part = tokens(name)
        for k in places(said, part):
            inside = k <= start and start + length <= k + len(part) and length < len(part)
            if inside and (name in own or start + length < k + len(part)):
                return True
    return False


def _as_listed(text: str, lexicon: Lexicon) -> str:
    """A text to keep; an emoji, or the word of another language, by the name that the lexicon lists."""
    if text.isascii() or len(text) > LONGEST_WORD:
        return text
    for said, _ in readings(text):
        english = translated(said)
        word = lexicon.find(said) or (lexicon.find(english[0]) if english else None)
        if word is not None and (english or spoken(text) != text):
            return word.name
    return spoken(text)


def _without_article(name: str) -> str:
    """A replacement as it fits behind the articles of the wordings."""
    return re.sub(r"^(?:an?|the)\s+(?=\S)", "", name, flags=re.IGNORECASE)


def _others(target: Target, forms: Sequence[str]) -> tuple[Word, ...]:
    every = target.lexicon.words[target.word.kind].values()
    members = [word for word in every if not (word.sensitive and (target.explicit or target.word.kind == "theme"))]
    return tuple(word for word in members if not any(names(name, forms) for name in (word.name, *word.synonyms)))
