"""A run that needs no model, in place of the real one."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from balign.run.config import RunConfig
from balign.run.folder import Run
from balign.ui import worker
from tests.ui import fake_run

FAKE = Path(fake_run.__file__)


@pytest.fixture(autouse=True)
def _fake_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The studio starts the fake, and nothing it started outlives the test."""
    monkeypatch.setattr(worker, "COMMAND", (sys.executable, str(FAKE)))
    monkeypatch.setenv("FAKE_PAUSE", "0.01")
    monkeypatch.setenv("FAKE_STEPS", "10")
    yield
    for child in worker._children.values():
        if child.poll() is None:
            child.kill()
        child.wait()
    worker._children.clear()
    worker._started.clear()


@pytest.fixture
def new_run(tmp_path: Path) -> Callable[..., Run]:
    """``new_run(erase=["cat"])``: a folder with a config and nothing else."""

    def make(**values: object) -> Run:
        return Run.create(RunConfig.parse({"erase": ["cat"], **values}))

    return make


@pytest.fixture
def finished(new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run that is done, made in this process."""
    monkeypatch.setenv("FAKE_PAUSE", "0")
    run = new_run()
    fake_run.main(str(run.path))
    return run
