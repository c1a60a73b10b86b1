"""The one exception that means: what was asked for cannot be done. Every other exception is a fault of ours."""

from collections.abc import Iterator
from contextlib import contextmanager


class Refusal(ValueError):
    """What was asked for is not possible. Its text is one sentence that names the value and what would be accepted."""

    field = ""
    """The field of a config that it is about, such as erase, where that is known."""


@contextmanager
def about(field: str) -> Iterator[None]:
    """Say of a refusal that comes from in here which field it is about, unless that was said further in."""
    try:
        yield
    except Refusal as refusal:
        refusal.field = refusal.field or field
        raise
