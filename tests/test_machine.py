"""Free memory and disk are read from the machine; a card out of order counts as none."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from balign import machine


@pytest.fixture
def cards(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``cards("0, GPU-aa, 1000", visible="1")``: what nvidia-smi answers."""

    def answer(*lines: str, visible: str | None = None) -> None:
        done = subprocess.CompletedProcess([], 0, "\n".join(lines) + "\n", "")
        monkeypatch.setattr(machine.subprocess, "run", lambda *a, **k: done)
        if visible is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        machine._cards_free.cache_clear()

    monkeypatch.setattr(machine.shutil, "which", lambda name: name)
    return answer


def test_the_card_that_will_be_used_is_asked(cards: Callable[..., None], tmp_path: Path) -> None:
    two = ("0, GPU-aa, 1000", "1, GPU-bb, 8000")
    small, large = (megabytes * 2**20 / 1e9 for megabytes in (1000, 8000))
    for device, visible, expected in (
        ("auto", None, large),
        ("cuda", None, small),
        ("cuda:1", None, large),
        ("cuda", "1", large),
        ("cuda:1", "1,0", small),
        ("cuda", "GPU-bb", large),
        ("auto", "0", small),
    ):
        cards(*two, visible=visible)
        assert machine.free(device, tmp_path / "runs").memory == pytest.approx(expected), (device, visible)
    for device, visible in (("cpu", None), ("auto", ""), ("auto", "-1"), ("cuda:2", None)):
        cards(*two, visible=visible)
        assert machine.free(device, tmp_path).gpu is False
    cards("No devices were found")
    assert machine.free("auto", tmp_path).gpu is False
    machine._cards_free.cache_clear()


def test_this_process_has_held_memory() -> None:
    assert 0.005 < machine.peak_gb("cpu") < 1000
