"""Help with the keep list: close words to add, pairs of prompts to look at, and how wide the retain set is."""

from itertools import chain, zip_longest
from typing import NamedTuple

from balign.data.prompts import PromptSets
from balign.data.targets import Lists, Target

OFFERED = 8
"""The most close words offered at once."""


class Breadth(NamedTuple):
    """How much of what could be kept the retain prompts name: words, categories and prompts, each of how many."""

    kind: str
    words: int
    of_words: int
    categories: int
    of_categories: int
    prompts: int
    of_prompts: int


def close(lists: Lists, count: int = OFFERED) -> list[str]:
    """Words of the erased concepts' own categories, one for each concept in turn; none that is to be erased.

    A word that no lexicon lists has no category, and so nothing close.
    """
    rows = [[word.name for word in t.others if word.category == t.word.category] for t in lists.targets]
    in_turn = dict.fromkeys(name for name in chain.from_iterable(zip_longest(*rows)) if name)
    return list(in_turn)[:count]


def twins(sets: PromptSets) -> list[tuple[str, str]]:
    """Forget prompts, each with the retain prompt that says the same of another word."""
    return list(zip(sets.forget, sets.retain[sets.listed :], strict=False))


def breadth(sets: PromptSets) -> list[Breadth]:
    """How wide the retain prompts are, for every kind of thing that is erased."""
    return [_breadth(sets, target) for target in {t.word.kind: t for t in sets.lists.targets}.values()]


def _breadth(sets: PromptSets, target: Target) -> Breadth:
    others = {word.name: word for word in target.others}
    different = list(dict.fromkeys(sets.retain))
    named = {word.name for prompt in different for word in target.lexicon.named_in(prompt) if word.name in others}
    return Breadth(
        kind=target.word.kind,
        words=len(named),
        of_words=len(others),
        categories=len({others[name].category for name in named}),
        of_categories=len({word.category for word in others.values()}),
        prompts=len(different),
        of_prompts=len(sets.retain),
    )
