"""Fixtures that every floor's tests share."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pipelines import tiny_pipeline

os.environ["HF_HUB_OFFLINE"] = "1"  # no test asks the hub anything; its client reads this once, when it is imported


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


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into the user's cache or runs."""
    monkeypatch.setenv("BALIGN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BALIGN_RUNS", str(tmp_path / "runs"))
