"""The two lists of a run, resolved and checked once: what to erase as words of a lexicon, and what to keep."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from balign.data.lexicon import Lexicon, Word, look_up, names, same
from balign.refusal import Refusal


class ConceptLike(Protocol):
    """A concept as a run's config holds it."""

    @property
    def name(self) -> str: ...
    @property
    def replace_with(self) -> str | None: ...


class Target(NamedTuple):
    """A concept to erase: its lexicon and word there, what to draw instead (None: the lexicon decides), and the rest.

    ``others`` are the words of its kind that are not to be erased and contain no name of anything that is.
    """

    lexicon: Lexicon
    word: Word
    replacement: str | None
    others: tuple[Word, ...] = ()

    @property
    def forms(self) -> tuple[str, ...]:
        """Everything the concept is called."""
        return (self.word.name, *self.word.synonyms)


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
    targets, warnings = _targets(concepts, lexicon)
    forms = [form for target in targets for form in target.forms]
    for target in targets:
        clash = target.replacement and names(target.replacement, forms)
        if clash:
            raise Refusal(
                f"{target.word.name!r} cannot be replaced with {target.replacement!r}, which is itself to be erased; "
                "choose something that is kept."
            )
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
    targets: list[Target] = []
    warnings = []
    for concept in concepts:
        name, replacement = (concept, None) if isinstance(concept, str) else (concept.name, concept.replace_with)
        if not name.strip():
            raise Refusal("An empty concept was given to erase; write at least one word.")
        home, word = look_up(name, lexicon)
        if any(target.word.kind == word.kind and same(target.word.name, word.name) for target in targets):
            warnings.append(f"{name!r} was given twice to erase; it counts once.")
            continue
        if not same(name, word.name) and not name.lower().endswith("style"):
            warnings.append(f"{name!r} is another word for {word.name!r}; {word.name!r} is erased with all its names.")
        if word not in home.all_words():
            warnings.append(f"{name!r} is in no list of words; it is taken as one more {word.kind}.")
        targets.append(Target(home, word, _replacement(replacement, word, home)))
    return targets, warnings


def _replacement(name: str | None, word: Word, lexicon: Lexicon) -> str | None:
    """The name of the replacement in the lexicon; an open lexicon takes any text."""
    if name is None:
        return None
    other = lexicon.words[word.kind].get(name) or lexicon.find(name)
    if other is not None and other.kind == word.kind:
        return other.name
    if not lexicon.closed:
        return name
    near = [close for close in lexicon.near(name) if close in lexicon.words[word.kind]]
    example = near or [member for member in lexicon.words[word.kind] if member != word.name][:3]
    raise Refusal(
        f"{word.name!r} cannot be replaced with {name!r}; "
        f"another {word.kind} is accepted, such as {', '.join(example)}."
    )


def _kept(keep: Sequence[str], forms: Iterable[str], lexicon: Lexicon) -> tuple[list[str], list[str]]:
    """The keep list without duplicates, and the warnings about it."""
    clean: dict[str, str] = {}
    warnings = []
    duplicates = 0
    for text in keep:
        if not text.strip():
            raise Refusal("An empty text was given to keep; write at least one word.")
        named = names(text, forms)
        if named is not None:
            raise Refusal(f"The text to keep {text!r} names {named!r}, which is to be erased; take it off one list.")
        key = " ".join(text.lower().split())
        duplicates += key in clean
        clean.setdefault(key, " ".join(text.split()))
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


def _others(target: Target, forms: Sequence[str]) -> tuple[Word, ...]:
    members = target.lexicon.words[target.word.kind].values()
    return tuple(word for word in members if not any(names(name, forms) for name in (word.name, *word.synonyms)))
