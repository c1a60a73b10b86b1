"""Prompts of the attacks on an erased concept: scenes to learn it in, scenes to draw it in, and a word to learn."""

import random
from itertools import islice
from typing import NamedTuple

from balign.data.scenes import Scene, scenes
from balign.data.spelling import same
from balign.data.targets import Lists, Target
from balign.refusal import Refusal

LEARNED = "<learned>"
"""The word that textual inversion learns. No prompt of anybody else has it."""
SEEDS = 30_011
"""Added to a seed, so that no attack shares its noise with a training or test image or a probe."""


class AttackPrompts(NamedTuple):
    """Scenes of the training half to learn a concept in, and of the test half to draw it in."""

    target: Target
    learn: list[Scene]
    test: list[Scene]

    def learning(self, called: str) -> list[str]:
        """The prompts to learn in, with the concept called so."""
        return [scene.of(self.target.lexicon, self.target.word.kind, called) for scene in self.learn]

    def testing(self, *called: str) -> list[str]:
        """The prompts to draw, with the concept called by these names in turn."""
        kind = self.target.word.kind
        return [s.of(self.target.lexicon, kind, called[k % len(called)]) for k, s in enumerate(self.test)]

    @property
    def unseen_synonyms(self) -> tuple[str, ...]:
        """The half of the synonyms that `Plan.forget` leaves out of the training."""
        synonyms = self.target.word.synonyms
        return synonyms[len(synonyms) // 2 :]


def attack_prompts(lists: Lists, concept: str | None, learn: int, test: int, seed: int) -> AttackPrompts:
    """Prompts for one concept of the list to erase, the first if none is named. Raises Refusal for any other."""
    chosen = [t for t in lists.targets if concept is None or any(same(concept, form) for form in t.forms)]
    if not chosen:
        erased = ", ".join(target.word.name for target in lists.targets)
        raise Refusal(f"{concept!r} was not erased in this run; it erased {erased}.")
    target = chosen[0]

    def of(half: str, count: int) -> list[Scene]:
        rng = random.Random(f"{seed} attack {half} {target.word.name}")
        return list(islice(scenes(target.lexicon, half, target.word.kind, lists.forms, rng), count))

    return AttackPrompts(target, of("train", learn), of("test", test))
