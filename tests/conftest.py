"""Fixtures that every floor's tests share."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from balign.runs import examples
from balign.runs.config import RunConfig
from balign.runs.folder import Run
from tests.measure.tiny_clip import tiny_clip
from tests.pipelines import tiny_pipeline
from tests.runs.small import small_config

Claim = Callable[[Run], Callable[[], None]]
os.environ["HF_HUB_OFFLINE"] = "1"  # no test asks the hub anything; its client reads this once, when it is imported


def pytest_itemcollected(item: pytest.Item) -> None:
    """Several workers (`-n 2 --dist loadgroup`) take a file each."""
    item.add_marker(pytest.mark.xdist_group(item.location[0]))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """``tiny_model(prediction_type="epsilon", like="sd1", …)``: the folder of a tiny pipeline, made once a session."""
    root: Path = tmp_path_factory.mktemp("models")

    def make(prediction_type: str = "epsilon", size: int = 16, latent_channels: int = 4, like: str = "sd1") -> str:
        name = f"{like}-{prediction_type}-{size}-{latent_channels}"
        return tiny_pipeline(root / name, prediction_type, size, latent_channels, like=like)

    return make


@pytest.fixture(scope="session")
def tiny_model_path(tiny_model: Callable[..., str]) -> str:
    """The folder of a tiny epsilon-predicting Stable Diffusion 1."""
    return tiny_model()


@pytest.fixture
def claim() -> Iterator[Claim]:
    """``leave = claim(run)``: this process has the run until ``leave()``, at the latest until the test ends."""
    with ExitStack() as all_claims:

        def enter(run: Run) -> Callable[[], None]:
            one = all_claims.enter_context(ExitStack())
            one.enter_context(run.claim())
            return one.close

        yield enter


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into the user's cache or runs, and the examples that ship are there only for who asks for them."""
    monkeypatch.setattr(examples, "FOLDER", tmp_path / "examples")
    monkeypatch.setenv("BALIGN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BALIGN_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))


@pytest.fixture(scope="session")
def tiny_scorer_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_clip(tmp_path_factory.mktemp("scorer")))


@pytest.fixture(scope="session")
def configure(tiny_model_path: str, tiny_scorer_path: str) -> Callable[..., RunConfig]:
    """``configure(steps=2, …)``: the config of a small run."""

    def make(**changes: Any) -> RunConfig:
        return small_config(**{"model": tiny_model_path, "scorer": tiny_scorer_path} | changes)

    return make
