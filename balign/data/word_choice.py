"""The words to choose from: what a closed lexicon's model knows, or examples for a model that knows any word."""

from functools import cache
from typing import NamedTuple

from balign.data.kinds import TITLES
from balign.data.lexicon import OPEN, Word, load

FIRST = {
    "emoji": ("penguin", "pizza", "watercolor", "blue"),
    "fashion": ("sneaker", "bag"),
    "imagenet": ("goldfish", "pizza", "volcano"),
}
"""Examples to begin with, by lexicon."""
ANY = ("dog", "Van Gogh", "Albert Einstein", "Paris", "violence")
"""Examples for a model that knows any word."""


class WordGroup(NamedTuple):
    """Words of one kind and category."""

    kind: str
    """As people name it."""
    category: str
    words: tuple[Word, ...]


@cache
def groups(lexicon: str) -> tuple[WordGroup, ...]:
    """The words by kind and category, in the order of the lexicon; of an open one, those of all open ones."""
    own = load(lexicon)
    homes = [own] if own.closed else [load(name) for name in dict.fromkeys((lexicon, *OPEN))]
    found: dict[tuple[str, str], dict[str, Word]] = {}
    for word in (word for home in homes for word in home.all_words()):
        found.setdefault((TITLES[word.kind], word.category or ""), {}).setdefault(word.name, word)
    ordered = sorted(found.items(), key=lambda item: list(TITLES.values()).index(item[0][0]))
    return tuple(WordGroup(kind, category, tuple(words.values())) for (kind, category), words in ordered)


def examples(lexicon: str) -> tuple[str, ...]:
    """A few of the words to begin with."""
    return FIRST.get(lexicon, ANY)
