"""The benchmark of a card, on the processor with a small model: every figure once, and a line for one that fails."""

import json
from pathlib import Path

import pytest
import torch

from balign.method.method_table import METHODS
from benchmarks import gpu
from benchmarks.step import PROJECTED

KEPT = {f"{kind}, fp32" for kind in ("plain sum", "restricted", "reference", "drawing")} | {"plain sum, tf32"}
KEPT |= {"peak of a step, 4 + 4, parts of 4", "peak of a step, 4 + 4, parts of 1"}


def test_it_measures_what_is_missing_and_tells_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def too_large(card: gpu.Card) -> str:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2.00 GiB.")

    monkeypatch.setattr(gpu, "whole", too_large)
    monkeypatch.setitem(METHODS, "projected", PROJECTED)
    (tmp_path / "figures.json").write_text(json.dumps(dict.fromkeys(KEPT, "found before")))
    gpu.main([str(tmp_path), "--miniature"])
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert {name for name, found in figures.items() if found == "found before"} == KEPT
    assert figures["peak of a step, 4 + 4, parts of 1, checkpointing"].startswith("formula 0.0")
    assert all("steps a second" in figures[name] for name in ("projected, fp32", "plain sum, bf16"))
    assert "pictures a second, 2 steps each" in figures["drawing, bf16"]
    assert figures["a whole run"] == "failed: CUDA out of memory."
    assert capsys.readouterr().out.count("\n| ") == len(figures) == len(KEPT) + 5


def test_a_card_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="torch sees no graphics card"):
        gpu.main([str(tmp_path)])
