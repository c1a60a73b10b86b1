"""A grid on a real Ray cluster of two nodes, of which one is killed; what is said where Ray is not installed."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from balign.grid import cluster
from balign.refusal import Refusal
from tests.grid.conftest import DoneGrid
from tests.grid.small_grid import outcome, write_grid

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (`pip install ray`)")
def test_a_node_that_dies_costs_no_cell(
    done_grid: DoneGrid, tmp_path: Path, tiny_model_path: str, tiny_scorer_path: str
) -> None:
    grid, folder = write_grid(tmp_path / "g.toml", tiny_model_path, tiny_scorer_path, seeds=[0]), tmp_path / "cells"
    done = subprocess.run(
        [sys.executable, "-m", "tests.grid.lose_a_node", str(grid), str(folder)],
        cwd=ROOT,
        env=os.environ | {"RAY_worker_niceness": "0"},  # else everything else on the machine goes first
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "A node was lost." in done.stdout
    (rows, weights), (all_rows, all_weights) = outcome(folder), outcome(done_grid.folder)
    assert rows == [row for row in all_rows if row["seed"] == 0]
    assert weights == {row["id"]: all_weights[row["id"]] for row in rows}


def test_without_ray_a_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(Refusal, match="needs Ray, which is not installed"):
        cluster.work(tmp_path, [], 1, "auto", lambda *_: None)
