"""What is refused and what is warned of in the two lists, before anything is drawn. Knows words only, no model."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from balign.data.lexicon import Lexicon, Word, names, resolve, same
from balign.refusal import Refusal


class Asked(Protocol):
    """A concept as a run's config holds it."""

    @property
    def name(self) -> str: ...
    @property
    def replace_with(self) -> str | None: ...


class Concept(NamedTuple):
    """A thing to erase and what to draw instead; `None` leaves that to the lexicon."""

    name: str
    replace_with: str | None = None


class Target(NamedTuple):
    """A concept found in its lexicon, with everything else it is called."""

    lexicon: Lexicon
    word: Word
    replacement: str | None

    @property
    def forms(self) -> tuple[str, ...]:
        return (self.word.name, *self.word.synonyms)


def targets(concepts: Sequence[Asked | str], lexicon: str) -> tuple[list[Target], list[str]]:
    """The concepts as words of their lexicons, each once, and what should be said about them.

    Raises ValueError for an empty list, a word a closed lexicon does not know, or a replacement that is itself erased.
    """
    if not concepts:
        raise Refusal("Nothing to erase was given; name at least one concept.")
    found: list[Target] = []
    warnings = []
    for concept in concepts:
        name, replacement = (concept, None) if isinstance(concept, str) else (concept.name, concept.replace_with)
        if not name.strip():
            raise Refusal("An empty concept was given to erase; write at least one word.")
        where, word = resolve(name, lexicon)
        if any(target.word.kind == word.kind and same(target.word.name, word.name) for target in found):
            warnings.append(f"{name!r} was given twice to erase; it counts once.")
            continue
        if not same(name, word.name) and not name.lower().endswith("style"):
            warnings.append(f"{name!r} is another word for {word.name!r}; {word.name!r} is erased with all its names.")
        if word not in where.all_words():
            warnings.append(f"{name!r} is in no list of words; it is taken as one more {word.kind}.")
        found.append(Target(where, word, _replacement(replacement, word, where)))
    for target in found:
        clash = target.replacement and names(target.replacement, _all_forms(found))
        if clash:
            raise Refusal(
                f"{target.word.name!r} cannot be replaced with {target.replacement!r}, which is itself to be erased; "
                "choose something that is kept."
            )
    return found, warnings


def _replacement(name: str | None, word: Word, lexicon: Lexicon) -> str | None:
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


def _all_forms(found: Iterable[Target]) -> list[str]:
    return [form for target in found for form in target.forms]


def kept(keep: Sequence[str], found: Sequence[Target]) -> tuple[list[str], list[str]]:
    """The keep list without duplicates, and what should be said about it; refuses one that names what is erased."""
    forms = _all_forms(found)
    clean: dict[str, str] = {}
    warnings = []
    twice = 0
    for text in keep:
        if not text.strip():
            raise Refusal("An empty text was given to keep; write at least one word.")
        named = names(text, forms)
        if named is not None:
            raise Refusal(f"The text to keep {text!r} names {named!r}, which is to be erased; take it off one list.")
        key = " ".join(text.lower().split())
        twice += key in clean
        clean.setdefault(key, " ".join(text.split()))
    if twice:
        warnings.append(
            f"{twice} of the {len(keep)} texts to keep {'is a duplicate' if twice == 1 else 'are duplicates'}."
        )
    own = found[0].lexicon
    if own.closed:
        strange = [text for text in clean.values() if own.find(text) is None and not own.named_in(text)]
        if strange:
            warnings.append(
                f"The model knows no word of {strange[0]!r}{f' and {len(strange) - 1} more' * (len(strange) > 1)}."
            )
    return list(clean.values()), warnings


def check(concepts: Sequence[Asked | str], keep: Sequence[str], lexicon: str) -> list[str]:
    """Everything worth saying about the two lists; ValueError with one sentence when no run is possible."""
    found, warnings = targets(concepts, lexicon)
    clean, more = kept(keep, found)
    for target in found:
        if not clean and not others(target, found):
            raise Refusal(
                f"Nothing is left to keep: every {target.word.kind} is to be erased; "
                "erase fewer, or name prompts to keep."
            )
    return warnings + more


def others(target: Target, found: Sequence[Target]) -> list[Word]:
    """The members of the target's kind that are not to be erased and do not contain a word that is."""
    forms = _all_forms(found)
    members = target.lexicon.words[target.word.kind].values()
    return [word for word in members if not any(names(name, forms) for name in (word.name, *word.synonyms))]
