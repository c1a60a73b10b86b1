"""A finished run to attack."""

from tests.runs.conftest import finished

__all__ = ["finished"]
