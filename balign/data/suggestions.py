"""What helps to fill the second list: close words to keep, twins to look at, and how wide the keep side is.

It counts words and prompts. It knows no model: whether the pictures of two words look alike is not known here.
"""

from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import NamedTuple

from balign.data.lexicon import Word
from balign.data.plan import KEEP_ROUNDS
from balign.data.prompts import PromptSets
from balign.data.targets import Asked, Target, kept, others, targets

OFFERED = 10
"""No more close words than this at once."""


class Breadth(NamedTuple):
    """How much of what could be kept the retain prompts name: words, categories, and prompts, each of how many."""

    kind: str
    words: int
    of_words: int
    categories: int
    of_categories: int
    prompts: int
    of_prompts: int


def close(concepts: Sequence[Asked | str], lexicon: str, count: int = OFFERED) -> list[str]:
    """Words of the erased ones' own categories, one of each in turn; none that is to be erased or contains its name.

    Raises what `checks.targets` raises. A word that no list holds has no category, and so nothing close.
    """
    found, _ = targets(concepts, lexicon)
    rows = [[word.name for word in others(t, found) if word.category == t.word.category] for t in found]
    in_turn = dict.fromkeys(name for name in chain.from_iterable(zip_longest(*rows)) if name)
    return list(in_turn)[:count]


def twins(
    sets: PromptSets, concepts: Sequence[Asked | str], keep: Sequence[str], lexicon: str, uniform: bool = False
) -> list[tuple[str, str]]:
    """Forget prompts, each with the retain prompt that says the same of another word."""
    found, _ = targets(concepts, lexicon)
    listed = 0 if uniform else KEEP_ROUNDS * len(kept(keep, found)[0])  # these come first and are no twins
    return list(zip(sets.forget, sets.retain[min(listed, len(sets.retain) // 2) :], strict=False))


def breadth(sets: PromptSets, concepts: Sequence[Asked | str], lexicon: str) -> list[Breadth]:
    """How wide the retain prompts are, for every kind of thing that is erased."""
    found, _ = targets(concepts, lexicon)
    return [_breadth(sets, target, found) for target in {t.word.kind: t for t in found}.values()]


def _breadth(sets: PromptSets, target: Target, found: Sequence[Target]) -> Breadth:
    there: dict[str, Word] = {word.name: word for word in others(target, found)}
    different = list(dict.fromkeys(sets.retain))
    said = {word.name for prompt in different for word in target.lexicon.named_in(prompt) if word.name in there}
    return Breadth(
        kind=target.word.kind,
        words=len(said),
        of_words=len(there),
        categories=len({there[name].category for name in said}),
        of_categories=len({word.category for word in there.values()}),
        prompts=len(different),
        of_prompts=len(sets.retain),
    )
