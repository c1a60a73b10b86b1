"""The texts of a config: names of concepts and models, prompts, kinds; each is accepted or told of in a sentence."""

import reprlib
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from balign import plain_text
from balign.data.kinds import KINDS, kind_named

MAX_PROMPT = 2_000
MAX_NAME = 100
SHORT = reprlib.Repr()
SHORT.maxlevel, SHORT.maxstring, SHORT.maxother = 2, 60, 60
"""How a refused value is written, however long or deep it is."""


def _clean(text: str) -> str:
    """One line of printable text, without the space around it."""
    text = " ".join(text.split())
    if not text:
        raise ValueError("an empty text was given; write at least one word")
    plain_text.check(text)
    return text


def model_name(text: str) -> str:
    """The name of a model or scorer, which may be a path and stays as it is."""
    plain_text.check(text)
    return text


def _concept_name(text: str) -> str:
    text = _clean(text)
    if len(text) > MAX_NAME:
        raise ValueError(f"a concept of {len(text):,} characters was given; at most {MAX_NAME} are accepted")
    return text


def _prompt(text: str) -> str:
    text = _clean(text)
    if len(text) > MAX_PROMPT:
        raise ValueError(f"a prompt of {len(text):,} characters was given; at most {MAX_PROMPT:,} are accepted")
    return text


ConceptName = Annotated[str, AfterValidator(_concept_name)]
Prompt = Annotated[str, AfterValidator(_prompt)]


def _kind(value: Any) -> Any:
    """One of KINDS, by any of its names; nothing for an empty text."""
    if not isinstance(value, str) or not value.strip():
        return value if value is not None and not isinstance(value, str) else None
    kind = kind_named(value)
    if kind is None:
        raise ValueError(f"kind is {SHORT.repr(value)}; accepted are {', '.join(KINDS)}")
    return kind


Kind = Annotated[str | None, BeforeValidator(_kind)]
