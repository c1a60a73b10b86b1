"""A grid is done to its end by whoever is there, and gives the same however often it is killed on the way."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from balign.grid import cells, rows
from balign.grid.grid_file import Grid
from balign.measure.report import TESTED
from balign.runs.engine import execute
from balign.runs.folder import Run
from balign.telemetry import PHASES
from tests.grid.conftest import DoneGrid
from tests.grid.small_grid import compare, outcome, weights, write_grid

ROOT = Path(__file__).parents[2]
ENDED = 60


def begin(grid: Path, out: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "balign", "compare", str(grid), "--out", str(out), *options]
    return subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL)


def recorded(folder: Path) -> int:
    """How many records all cells have."""
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("*/telemetry.jsonl"))


def at_work(folder: Path) -> bool:
    return any(Run(path.parent).running() for path in folder.glob("*/pid"))


def until(condition, process: subprocess.Popen[bytes] | None = None) -> None:  # type: ignore[no-untyped-def]
    began = time.monotonic()
    while not condition() and (process is None or process.poll() is None):
        assert time.monotonic() - began < 10 * ENDED
        time.sleep(0.01)


def test_the_rows_say_what_became_of_every_cell(done_grid: DoneGrid, capsys: pytest.CaptureFixture[str]) -> None:
    found = rows.read(done_grid.folder)
    assert [(row["method"], row["seed"]) for row in found] == [
        *(("balign", 0), ("balign", 1)),
        *(("the paper's", 0), ("the paper's", 1)),
    ]
    for row in found:
        assert row["done"]
        assert row["steps"] == row["ledger"]["steps"] == 6
        assert row["ledger"]["measured"] == 2
        assert row["groups"].keys() == set(TESTED)
        assert row["stored"] == (done_grid.folder / row["id"] / "erased.safetensors").stat().st_size
        assert row["seconds"]["unlearn"] > 0
        phases = sum(row["seconds"][name] for name in PHASES[:-1])
        assert phases >= row["seconds"]["run"] - 0.1  # which is told before the last phase ends
        assert {point["attack"] for point in row["attacks"]} == {"Asked by name", "Rounded weights"}
        assert all(0 <= point["erased"][0] <= point["erased"][1] == 2 for point in row["attacks"])
    assert (done_grid.folder / "rows.csv").read_text().count("\n") == 5
    assert compare(done_grid.file, done_grid.folder, "--workers", "0") == 0  # nothing is left to do
    out = capsys.readouterr().out
    assert "4 of 4 cells are done." in out
    assert "Rounded" in out


def test_killed_five_times_and_ended_by_two_at_once_it_gives_the_same(done_grid: DoneGrid, tmp_path: Path) -> None:
    """By turns its whole process group dies, and its first process alone, whose cells then end by themselves."""
    chance, folder = random.Random(7), tmp_path / "cells"
    for turn in range(5):
        most = recorded(folder) + chance.randint(1, 30)
        process = begin(done_grid.file, folder)
        until(lambda most=most: recorded(folder) >= most, process)
        assert process.poll() is None, "it was done before it was killed five times"
        os.killpg(process.pid, signal.SIGKILL) if turn % 2 == 0 else process.kill()
        process.wait()
        until(lambda: not at_work(folder))
    both = [begin(done_grid.file, folder, "--workers", "1") for _ in range(2)]
    assert {process.wait(10 * ENDED) for process in both} <= {0, 2}  # 2 of the one that left cells to the other
    assert compare(done_grid.file, folder, "--workers", "0") == 0
    assert outcome(folder) == outcome(done_grid.folder)


def test_a_cell_run_again_from_its_config_gives_the_same(done_grid: DoneGrid, tmp_path: Path) -> None:
    cell = Grid.read(done_grid.file).cells()[-1]
    first, threads = Run.open(done_grid.folder / cell.id, done_grid.folder), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        again = Run.create(first.config, tmp_path / "runs")
        list(execute.run(again))
    finally:
        torch.set_num_threads(threads)
    assert weights(again.path / "erased.safetensors") == weights(first.path / "erased.safetensors")
    reports = [run.report() for run in (first, again)]
    assert reports[0] is not None
    assert reports[1] is not None
    assert reports[0].groups == reports[1].groups
    assert reports[0].ledger == reports[1].ledger


def test_a_cell_that_fails_is_told_of_and_left_for_another_time(
    done_grid: DoneGrid, tmp_path: Path, tiny_model_path: str, tiny_scorer_path: str, capfd: pytest.CaptureFixture[str]
) -> None:
    file = write_grid(
        tmp_path / "g.toml", tiny_model_path, "nobody/nothing", seeds=[0], methods=["balign"], attack=None
    )
    assert compare(file, tmp_path / "cells", "--workers", "1") == 2
    said = capfd.readouterr()
    assert "seed 0: " in said.err
    assert "0 of 1 cells are done." in said.out


def test_a_folder_begun_with_other_defaults_is_no_cell(done_grid: DoneGrid, tmp_path: Path) -> None:
    cell = Grid.read(done_grid.file).cells()[0]
    (tmp_path / cell.id).mkdir()
    (tmp_path / cell.id / "config.json").write_text(cell.config.model_copy(update={"n_eval": 2}).to_json())
    with pytest.raises(ValueError, match="was begun with other defaults"):
        cells.opened(tmp_path, cell)


def test_a_number_of_workers_that_cannot_be(done_grid: DoneGrid, tmp_path: Path, capsys) -> None:
    assert compare(done_grid.file, tmp_path / "cells", "--workers", "-1") == 2
    assert "--workers is -1; 0 to 1,000 is accepted." in capsys.readouterr().err
