"""The lists of a run as somebody types them, wherever: concepts with their replacements and kinds, prompts to keep."""

from collections.abc import Iterable, Sequence
from functools import partial

from pydantic import ValidationError

from balign.data import lists
from balign.data.kinds import KINDS
from balign.data.meaning import known
from balign.data.spelling import same
from balign.models.catalogue import find
from balign.refusal import Refusal
from balign.runs.config import Concept, explain


def concepts(texts: Iterable[str], kinds: Sequence[str] = (), model: str = "emoji") -> list[Concept]:
    """The concepts in these texts, each a name or `name=replacement`; a text may hold a whole list.

    kinds: one for all, one for each, or `name=kind` for those they name. Raises Refusal for what cannot be a concept.
    """
    named = partial(known, lexicon=_lexicon(model))
    return _of_kinds([Concept.parse(part) for text in texts for part in lists.split(text, named)], kinds)


def prompts(texts: Iterable[str]) -> list[str]:
    """The words and prompts in these texts; a text may hold a whole list."""
    return [part for text in texts for part in lists.split_prompts(text)]


def _lexicon(model: str) -> str:
    try:
        return find(model).lexicon
    except Refusal:  # said of the model later on, and no reason to say nothing of the lists
        return "objects"


def _of_kinds(listed: list[Concept], kinds: Sequence[str]) -> list[Concept]:
    """The concepts with the kinds that were given for them."""
    pairs = [kind.rpartition("=") for kind in kinds]
    if all(name for name, _, _ in pairs):
        given = [next((k for name, _, k in pairs if same(name, c.name) or name == c.name), None) for c in listed]
    elif len(kinds) not in (1, len(listed)):
        raise Refusal(
            f"{len(kinds)} kinds were given for {len(listed)} concepts; give one for all, or one for each, "
            f"of {', '.join(KINDS)}."
        )
    else:
        given = [kind.rpartition("=")[2] for kind in (kinds if len(kinds) == len(listed) else [*kinds] * len(listed))]
    try:
        return [
            Concept(name=concept.name, replace_with=concept.replace_with, kind=kind or concept.kind)
            for concept, kind in zip(listed, given, strict=True)
        ]
    except ValidationError as error:
        raise Refusal(explain(error)) from None
