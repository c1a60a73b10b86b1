"""One finished run that tests look at and leave alone."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from balign.runs.config import RunConfig
from balign.runs.folder import Run
from balign.telemetry import Record


class Finished(NamedTuple):
    run: Run
    events: list[Record]


@pytest.fixture(scope="session")
def finished(configure: Callable[..., RunConfig], tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A run that nothing disturbed."""
    from balign.runs.engine import execute

    root: Path = tmp_path_factory.mktemp("undisturbed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BALIGN_CACHE", str(root / "cache"))
        run = Run.create(configure(), root)
        return Finished(run, list(execute.run(run)))


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """``fake(method="esd")``: a run that looks finished, made without a model."""
    from tests.host import fake_run

    monkeypatch.setenv("FAKE_PAUSE", "0")
    monkeypatch.setenv("FAKE_STEPS", "6")

    def make(**values: object) -> Run:
        run = Run.create(RunConfig.parse({"erase": ["cat"], "steps": 6, **values}))
        fake_run.main(str(run.path))
        return run

    return make
