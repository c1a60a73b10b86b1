"""The small scorer, and one finished run that tests look at and leave alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from balign.run.config import RunConfig
from balign.run.folder import Run
from balign.telemetry import Record
from tests.measure.tiny_clip import tiny_clip
from tests.run.small import small_config


class Finished(NamedTuple):
    run: Run
    events: list[Record]


@pytest.fixture(scope="session")
def tiny_scorer_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_clip(tmp_path_factory.mktemp("scorer")))


@pytest.fixture(scope="session")
def configure(tiny_model_path: str, tiny_scorer_path: str) -> Callable[..., RunConfig]:
    """``configure(steps=2, …)``: the config of a small run."""

    def make(**changes: Any) -> RunConfig:
        return small_config(**{"model": tiny_model_path, "scorer": tiny_scorer_path} | changes)

    return make


@pytest.fixture(scope="session")
def finished(configure: Callable[..., RunConfig], tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run that nothing disturbed."""
    from balign.run import execute

    root: Path = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BALIGN_CACHE", str(root / "cache"))
        run = Run.create(configure(), root)
        return Finished(run, list(execute.run(run)))
