"""Lines and differences from rows whose answers are known, and the page made of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from balign.grid import rows as stored
from balign.grid import summary
from balign.grid.cells import PLAN
from balign.grid.rows import Row, phase_seconds
from balign.telemetry import Phase
from benchmarks import results

CONCEPTS = ("cat", "dog", "owl", "tree", "car", "hat", "cup", "bed", "sun")


def row(method: str, concept: str, seed: int, change: float, ua: float = 1.0, brought: int = 0, **more: Any) -> Row:
    group = {"n": 10, "prompts": 5, "recognised_before": 1.0, "recognised": 0.9, "recognised_interval": [0.6, 0.98]}
    group |= {"change": change, "change_interval": [change - 0.01, change + 0.01], "p": 0.4}
    group |= {"error": 0.003, "redrawn": 0.004}
    points = [
        {"attack": "Textual inversion", "budget": budget, "erased": [shown, 24], "base": [23, 24], "control": [1, 24]}
        for budget, shown in ((50, brought // 2), (250, brought))
    ]
    return {
        **{"id": f"{method}{concept}{seed}", "method": method, "model": "emoji", "concept": concept, "seed": seed},
        **{"variant": "", "done": True, "eval_seeds": 2, "ua": ua, "steps": 100, "memory_gb": 1.5, "stored": 2_000_000},
        "groups": {name: group for name in ("erased", "kept", "neighbours")},
        "seconds": {"run": 60.0, "attack": 30.0},
        "ledger": {"steps": 100, "retain_violations": 2, "measured": 10, "retain_rises": 6},
        "attacks": points,
        **more,
    }


@pytest.fixture
def rows() -> list[Row]:
    """`worse` loses 0.02 more of every concept and brings back half; every other seed differs by 0.004."""
    return [
        row(method, concept, seed, 0.004 * seed - loss + 0.001 * k, brought=brought)
        for method, loss, brought in (("best", 0.0, 0), ("worse", 0.02, 12))
        for k, concept in enumerate(CONCEPTS)
        for seed in (0, 1)
    ]


def test_a_line_counts_pictures_and_cells(rows: list[Row]) -> None:
    best, worse = summary.lines([*rows, {"done": False}])
    assert (best.method, len(best.rows)) == ("best", 18)
    assert best.unlearned is not None
    assert best.unlearned[:1] + best.unlearned[3:] == (1.0, 180)
    assert best.unlearned.low > 0.97
    assert worse.attacks()["Textual inversion"][0] == 0.5  # at its best budget
    assert worse.attacks("base")["Textual inversion"][0] == pytest.approx(23 / 24)
    change = worse.alignment("kept")
    assert change.n == len(CONCEPTS)
    assert change.low is not None
    assert change.high is not None
    assert change.mean == pytest.approx(0.002 - 0.02 + 0.004)
    assert change.low < -0.014 < change.high
    assert best.spread("kept") == pytest.approx((0.004 / 2**0.5, 0.003, 0.004))


def test_a_single_cell_has_the_interval_of_its_prompts() -> None:
    (line,) = summary.lines([row("best", "cat", 0, 0.01)])
    assert line.alignment("kept") == pytest.approx((0.01, 0.0, 0.02, 0.4, 5))


def test_differences_are_paired_and_corrected(rows: list[Row]) -> None:
    found = {each.measure: each for each in summary.differences(rows, "best")}
    assert found.keys() == {*summary.MEASURES, "Textual inversion"}
    lost = found["kept, alignment"]
    assert (lost.method, lost.change.n) == ("worse", 9)
    assert lost.change.mean == pytest.approx(-0.02)
    assert lost.change.high == pytest.approx(-0.02)  # paired: what concepts and seeds have in common is gone
    assert lost.change.p == pytest.approx(2 / 2**9)
    assert lost.p == pytest.approx(len(found) * 2 / 2**9)
    assert found[summary.UA].p == 1.0
    assert found["Textual inversion"].change.mean == 0.5


def test_holm_by_hand() -> None:
    assert summary.holm([0.01, None, 0.04, 0.03]) == pytest.approx([0.03, None, 0.06, 0.06])
    assert summary.holm([]) == []


def test_the_seconds_of_a_phase_over_two_sessions() -> None:
    told = [("load", 0.0), ("load", 2.0), ("unlearn", 0.0), ("unlearn", 5.0), ("load", 0.0), ("load", 1.0)]
    told += [("unlearn", 0.0), ("unlearn", 3.0), ("done", 0.0)]
    spent = phase_seconds([Phase(name, 0, 1, seconds) for name, seconds in told])
    assert (spent["load"], spent["unlearn"], spent["save"]) == (3.0, 8.0, 0.0)


def test_the_page_is_made_from_rows_alone(rows: list[Row], tmp_path: Path) -> None:
    folder = tmp_path / "somewhere"
    folder.mkdir()
    stored.save(folder, [*rows, row("best", "late", 0, 0) | {"done": False}])
    cells = [{name: each[name] for name in ("method", "model", "concept", "seed", "variant")} for each in rows]
    (folder / PLAN).write_text(json.dumps({"name": "front", "against": "best", "threads": 1, "cells": cells}))
    kept = results.take(folder, tmp_path / "results")
    assert sorted(path.name for path in kept.iterdir()) == ["cost.json", "plan.json", "rows.jsonl"]
    cost = json.loads((kept / "cost.json").read_text())
    assert cost == {"cells": 36, "run_seconds": 36 * 60.0, "attack_seconds": 36 * 30.0}
    (kept / results.READING).write_text("What wins, wins.\n")
    page = results.page(tmp_path / "results")
    for words in (
        "## front",
        "2 methods \N{MULTIPLICATION SIGN} 1 model \N{MULTIPLICATION SIGN} 9 concepts \N{MULTIPLICATION SIGN} 2 seeds",
        "37 cells, of which 36 are done",
        "What wins, wins.",
        "### Against best",
        "| worse, emoji | kept, alignment | \N{MINUS SIGN}0.020 ",
        "| *control* |",
        "36 of 1,800, 108 of 180",
        "n 432",
        "2.0 MB",
    ):
        assert words in page, words
    assert page == results.page(tmp_path / "results")
    header = (folder / stored.TABLE).read_text().splitlines()[0]
    assert {"Textual inversion.erased", "groups.kept.change_interval.low", "ledger.steps"} <= set(header.split(","))
