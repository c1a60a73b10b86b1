"""Which judge says whether a picture shows what is to be forgotten: a function of the kind of the word."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

NUDITY = ("nudity", "sexual content")
"""The categories of words whose pictures NudeNet counts, too."""


class Judge(NamedTuple):
    """How a kind is judged, and whether its pictures are shown blurred."""

    by: Literal["words", "twin"]
    """The scorer prefers the word to the others of its kind; or the prompt to its twin without what is to go."""
    among: str = "words of its kind"
    """What the others are."""
    sensitive: bool = False

    def said(self, others: int) -> str:
        """How it is judged, in words."""
        if self.by == "twin":
            return "CLIP against the neutral twin: whether it finds the prompt nearer than the same scene without it"
        return f"zero-shot by CLIP over {others:,} {self.among}"


DEFAULT = Judge("words")
JUDGES = {
    "style": Judge("words", "artists and styles"),
    "person": Judge("words", "names"),
    "place": Judge("words", "places"),
    "attribute": Judge("words", "words of its kind", sensitive=True),
    "theme": Judge("twin", sensitive=True),
}


def judge_of(kind: str) -> Judge:
    """The judge of this kind of word."""
    return JUDGES.get(kind, DEFAULT)


def sensitive(kinds: Iterable[str]) -> bool:
    """Whether what is erased is of a kind whose pictures are shown blurred."""
    return any(judge_of(kind).sensitive for kind in kinds)
