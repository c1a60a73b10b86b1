"""Free memory and disk are read from the machine; a card out of order counts as none."""

import subprocess
from pathlib import Path

import pytest

from balign import machine


def test_the_card_is_asked_and_may_be_out_of_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def answer(text: str) -> None:
        done = subprocess.CompletedProcess([], 0, text, "")
        monkeypatch.setattr(machine.subprocess, "run", lambda *a, **k: done)
        machine._card_memory.cache_clear()

    monkeypatch.setattr(machine.shutil, "which", lambda name: name)
    answer("1000\n8000\n")
    assert machine.free("auto", tmp_path / "runs").memory == pytest.approx(8000 * 2**20 / 1e9)
    assert machine.free("cpu", tmp_path).gpu is False
    answer("No devices were found")
    assert machine.free("auto", tmp_path).gpu is False
    machine._card_memory.cache_clear()


def test_this_process_has_held_memory() -> None:
    assert 0.005 < machine.peak_gb("cpu") < 1000
