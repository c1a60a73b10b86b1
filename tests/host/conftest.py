"""A run that needs no model, in place of the real one."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from balign.host import housekeeping, limits, processes, rates, scheduler
from balign.runs.config import RunConfig
from balign.runs.folder import Run
from tests.host import fake_run

FAKE = Path(fake_run.__file__)


@pytest.fixture(autouse=True)
def _fake_runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The studio starts the fake, and nothing it started outlives the test."""
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, str(FAKE)))
    monkeypatch.setenv("FAKE_PAUSE", "0.01")
    monkeypatch.setenv("FAKE_STEPS", "10")
    for name in ("BALIGN_PUBLIC", "BALIGN_PASSWORD", "BALIGN_OPEN_MODELS", "SPACE_ID", "SPACES_ZERO_GPU"):
        monkeypatch.delenv(name, raising=False)
    for name in ("GRADIO_SERVER_NAME", "GRADIO_SHARE", "FORWARDED_ALLOW_IPS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(rates, "RATE", rates.Rate())
    monkeypatch.setattr(scheduler, "_troubles", {})
    monkeypatch.setattr(housekeeping, "_failures", {})
    yield
    for child in processes._children:
        child.process.kill()
        child.process.wait()
    processes._children.clear()


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


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers use the instance."""
    monkeypatch.setenv("BALIGN_PUBLIC", "1")


def nest(folder: Path, depth: int) -> None:
    """Folders in folders, deeper than a path can be."""
    for _ in range(depth):
        (folder.parent / "outer").mkdir()
        folder.rename(folder.parent / "outer" / "a")
        (folder.parent / "outer").rename(folder)


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``limit(steps=5)``: the limits, with these in place of the usual ones."""

    def change(**values: object) -> None:
        monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, **values))  # type: ignore[arg-type]

    return change


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """``later(60)``: a minute passes, for whoever asks the clock that no one sets."""
    real, passed = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: real() + sum(passed))
    return passed.append
