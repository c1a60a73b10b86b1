"""The scenes a word is put in: a wording and a value for each of its other fields, balanced.

There is a training and a test half; they share no wording and no combination.
"""

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from balign.data.lexicon import Lexicon
from balign.data.spelling import names
from balign.refusal import Refusal

HOLD_OUT = 4  # one combination of kinds in so many belongs to the test half
TRIES = 100  # draws for a new scene before one is repeated


class Labelled(NamedTuple):
    """A prompt and what its image should show: kind -> word, for the kinds that the prompt names."""

    prompt: str
    labels: dict[str, str]
    twin: str = ""
    """The prompt with what replaces the concept in its place, for a test of what is erased."""


class Scene(NamedTuple):
    """A wording and the value of each of its fields but one."""

    template: str
    values: tuple[tuple[str, str], ...]

    def of(self, lexicon: Lexicon, kind: str, called: str) -> str:
        """The prompt that has `called` in the field left open."""
        return lexicon.fill(self.template, dict(self.values) | {kind: called})

    def labelled(self, lexicon: Lexicon, kind: str, name: str) -> Labelled:
        shown = {k: word for k, word in (*self.values, (kind, name)) if word and k in lexicon.words}
        return Labelled(self.of(lexicon, kind, name), shown)


def scenes(lexicon: Lexicon, half: str, kind: str, banned: Sequence[str], rng: random.Random) -> Iterator[Scene]:
    """An endless sequence of scenes for prompts about a `kind`; they repeat only when no new one is left.

    half: "train" or "test". banned: names that no field may contain. Raises Refusal if they leave no scene.
    """
    fields = _fields(lexicon, half, kind, banned)
    cycles = {name: shuffled(values, rng) for name, values in fields.items()}
    wordings = shuffled(lexicon.templates[half], rng)
    combined = [name for name, values in fields.items() if len(values) > 1 and name in lexicon.words]
    position = {name: {word: i for i, word in enumerate(lexicon.words[name])} for name in combined}
    seen: dict[Scene, None] = {}
    while True:
        for _ in range(TRIES):
            values = {name: next(cycle) for name, cycle in cycles.items()}
            scene = Scene(next(wordings), tuple(values.items()))
            place = sum(position[name][values[name]] for name in combined)
            in_half = len(combined) < 2 or (place % HOLD_OUT == 0) == (half == "test")
            if in_half and scene not in seen:
                break
        else:
            if not seen:
                raise Refusal(f"Too much is to be erased to leave any combination to {half} on; erase fewer.")
            scene = rng.choice(list(seen))
        seen[scene] = None
        yield scene


def _fields(lexicon: Lexicon, half: str, kind: str, banned: Sequence[str]) -> dict[str, list[str]]:
    """Every field but that of the `kind`, and its possible values."""
    fields = {}
    for other, members in lexicon.words.items():
        if other != kind:
            usual = [""] if other in lexicon.optional else list(lexicon.usual.get(other, members))
            fields[other] = [word for word in usual if not names(word, banned)]
            if not fields[other]:  # the usual word is erased: any other does
                fields[other] = [word for word in members if not names(word, banned)]
    for name, halves in lexicon.dimensions.items():
        fields[name] = [value for value in halves[half] if not names(value, banned)]
    for name, values in fields.items():
        if not values:
            raise Refusal(f"Nothing is left to keep: every {name} is to be erased; erase fewer.")
    return fields


def shuffled(values: Sequence[str], rng: random.Random) -> Iterator[str]:
    """The values over and over, in a new order each time."""
    while True:
        yield from rng.sample(list(values), len(values))
