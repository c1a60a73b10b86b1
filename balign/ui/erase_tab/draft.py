"""What is typed into the form, read and resolved once for everything that is shown of it while somebody types."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from balign.data import suggestions
from balign.data.prompts import PromptSets
from balign.host import limits
from balign.refusal import Refusal
from balign.runs import prompt_lists
from balign.runs.config import RunConfig
from balign.ui import form

Values = Mapping[str, Any]


class Draft(NamedTuple):
    """The runs that the form asks for, one per seed, and their prompts; empty and None as far as it is refused."""

    configs: list[RunConfig]
    sets: PromptSets | None
    offered: list[str] | None
    """Close words to keep."""
    listed: frozenset[str]
    """The texts in Keep, in small letters."""
    refusal: str = ""

    @property
    def command(self) -> str:
        """The same runs as a command, or why there is none."""
        return form.command(*self.configs) if self.configs else f"# {self.refusal}"


def read(values: Values) -> Draft:
    """What these values of the form come to. It loads no model."""
    configs: list[RunConfig] = []
    try:
        configs = form.configs(values)
        limits.check(configs[0])
        sets = prompt_lists.prompt_sets(configs[0], prompt_lists.resolve(configs[0]))
    except Refusal as refusal:
        return Draft(configs, None, _offered(values), _listed(values), str(refusal))
    return Draft(configs, sets, suggestions.close(sets.lists), _listed(values))


def _offered(values: Values) -> list[str] | None:
    """Close words of a form that is refused, by the concepts and the model alone; None where these are refused too."""
    try:
        config = form.config({name: values.get(name) for name in ("erase", "replace", "model")})
        limits.check(config)
        return suggestions.close(prompt_lists.resolve(config))
    except Refusal:
        return None


def _listed(values: Values) -> frozenset[str]:
    try:
        return frozenset(text.lower() for text in form.lines(values.get("keep"), "the prompts to keep"))
    except Refusal:
        return frozenset()
