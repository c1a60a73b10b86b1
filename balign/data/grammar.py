"""A grammar for the prompts of a run: one wording, the words of its fields, and what a twin has for the concept.

After the paper (§3, App. D): the training and the test half have words of their own in every field; a prompt to retain
is a prompt to forget, word for word, with another word or none where the concept stood. Nothing is corrected: an
article stays as the wording has it.
"""

import itertools
import math
import random
import string
from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from balign import plain_text
from balign.data.scenes import shuffled
from balign.refusal import Refusal

CONCEPT = "concept"
"""The field of the concept."""
MOST_FIELDS, MOST_WORDS, LONGEST = 12, 200, 100
Half = Literal["train", "test"]


def _word(text: str) -> str:
    return plain_text.one_line(text) if text.strip() else ""


Entry = Annotated[str, Field(max_length=LONGEST), AfterValidator(plain_text.one_line)]
Twin = Annotated[str, Field(max_length=LONGEST), AfterValidator(_word)]
Entries = Annotated[tuple[Entry, ...], Field(min_length=1, max_length=MOST_WORDS)]
Fields = Annotated[dict[Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")], Entries], Field(max_length=MOST_FIELDS)]


class Composed(NamedTuple):
    """A prompt that names the concept, and its twin that does not."""

    prompt: str
    twin: str


class Grammar(BaseModel):
    """A wording such as ``A {mood} {concept} person {action}.``, and the words of both halves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    template: Annotated[str, Field(max_length=500), AfterValidator(plain_text.one_line)]
    """One wording, with a field in braces for the concept and for each kind of word."""
    concept: Entries
    """What the concept is called, in both halves; each name is used equally often."""
    twin: Annotated[tuple[Twin, ...], Field(min_length=1, max_length=MOST_WORDS)] = ("",)
    """What a prompt to retain has in its place, each equally often; an empty text leaves it out."""
    neighbours: Annotated[tuple[Entry, ...], Field(max_length=MOST_WORDS)] = ()
    """What it has in prompts that are tested and never trained on."""
    train: Fields
    """The words of each field to train with."""
    test: Fields
    """Those to test with."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        named = sorted(name for _, name in self._parts() if name)
        if len(named) != len(set(named)):
            raise ValueError(f"the template {self.template[:60]!r} has a field twice; each stands there once")
        for half, fields in (("train", self.train), ("test", self.test)):
            if named != sorted((CONCEPT, *fields)):
                listed = ", ".join(sorted(fields))
                raise ValueError(
                    f"the template has the fields {', '.join(named) or 'none'}, and {half} has words for {listed}; "
                    f"they must be the same, with {CONCEPT} in the template"
                )
        for name, words in self.train.items():
            both = {word.casefold() for word in words} & {word.casefold() for word in self.test[name]}
            if both:
                raise ValueError(f"{name} has {min(both)!r} in both halves; train and test share no word")
        both = {word.casefold() for word in self.neighbours} & {word.casefold() for word in self.twin}
        if both:
            raise ValueError(f"{min(both)!r} is a twin and a neighbour; a neighbour is never trained on")
        return self

    def composed(self, half: Half, count: int, seed: int) -> list[Composed]:
        """So many prompts, each with its twin, all in different scenes. Raises Refusal for more than there are."""
        names = zip(self._cycle(self.concept, half, seed), self._cycle(self.twin, half, seed), strict=False)
        return [Composed(self._fill(scene, name), self._fill(scene, twin))
                for scene, (name, twin) in zip(self.scenes(half, count, seed), names, strict=False)]  # fmt: skip

    def beside(self, count: int, seed: int) -> list[str]:
        """So many test prompts of the neighbours, in the scenes of the others; empty where there are none."""
        if not self.neighbours:
            return []
        named = self._cycle(self.neighbours, "test", seed)
        return [self._fill(scene, next(named)) for scene in self.scenes("test", count, seed)]

    def scenes(self, half: Half, count: int, seed: int) -> Iterator[dict[str, str]]:
        """So many different combinations of the words of a half, at random; fewer are the beginning of more."""
        fields: dict[str, tuple[str, ...]] = getattr(self, half)
        every = math.prod(map(len, fields.values()))
        if count > every:
            purpose = {"train": "to train on", "test": "to test with"}[half]
            raise Refusal(f"{count:,} prompts {purpose} were asked for; the grammar makes at most {every:,}.")
        rng, drawn = random.Random(f"{seed} grammar {half}"), dict[int, None]()
        while len(drawn) < count:
            drawn[rng.randrange(every)] = None
        for place in drawn:
            scene = {}
            for name, words in fields.items():
                place, which = divmod(place, len(words))
                scene[name] = words[which]
            yield scene

    def _cycle(self, words: tuple[str, ...], half: Half, seed: int) -> Iterator[str]:
        return shuffled(words, random.Random(f"{seed} grammar {half} {' '.join(words)}"))

    def _fill(self, scene: dict[str, str], called: str) -> str:
        values = scene | {CONCEPT: called}
        text = "".join(itertools.chain(*((text, values[name] if name else "") for text, name in self._parts())))
        return " ".join(text.split())

    def _parts(self) -> Iterator[tuple[str, str]]:
        """The wording as pieces of text, each with the field that follows it. Raises ValueError for odd braces."""
        try:
            pieces = list(string.Formatter().parse(self.template))
        except ValueError:
            pieces = [("", "", "!", None)]
        for text, name, form, conversion in pieces:
            if form or conversion or (name is not None and not name.isidentifier()):
                raise ValueError(f"the template {self.template[:60]!r} has braces that hold no plain name of a field")
            yield text, name or ""
