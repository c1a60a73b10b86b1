"""Render a Jinja2 template that lies in this package. Every value is escaped, unless it is markup already.

Its own texts are in the language of the visitor who is answered, as `languages` has them.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.ext import Extension
from markupsafe import Markup

from balign.markup import formats
from balign.markup.languages import LANGUAGE, Template, said, table
from balign.plain_text import harmless

PACKAGE = Path(__file__).parents[1]
FILTERS = ("percent", "decimal", "signed", "p_value", "duration", "gigabytes", "ordinal", "counted")


class _OneLine(Extension):
    """A line break between two tags vanishes, any other becomes a space: the indentation of a file is not sent."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        source = Template(source).told(words) if (words := table(LANGUAGE.get())) else source
        return re.sub(r"\s*\n\s*", " ", re.sub(r"(?<=[>}])\s*\n\s*(?=<|\{[%#])|(?<=%\})\s*\n\s*(?=[<{])", "", source))


def render(template: str, **values: Any) -> Markup:
    """The template at this path in the package, such as ``ui/try_tab/strength.html``, filled with the values."""
    return Markup(_environment(LANGUAGE.get()).get_template(template).render(values).strip())


def macro(name: str, *values: Any, **named: Any) -> Markup:
    """One macro of ``markup/macros.html``."""
    return Markup(
        getattr(_environment(LANGUAGE.get()).get_template("markup/macros.html").module, name)(*values, **named)
    )


def _shown(value: Any) -> Any:
    """A value of a template as it is shown: in text that is no markup yet, harmful characters are escaped."""
    return harmless(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _environment(language: str) -> Environment:
    """The templates in a language, which compiles each of them once, while its visitor is answered."""
    environment = Environment(
        loader=FileSystemLoader(PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=[_OneLine],
        finalize=_shown,
    )
    environment.filters |= {name: getattr(formats, name) for name in FILTERS}
    environment.globals |= {"NONE": formats.NONE, "between": formats.between, "said": said}
    return environment
