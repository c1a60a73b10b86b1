"""Runs side by side: what differs is named, pictures pair, and nothing is compared that cannot be."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from balign.method.objectives import DEFAULT_METHOD, METHODS
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.folder import Run
from balign.runs.outcome.comparison import compare, differing, sentence

Fake = Callable[..., Run]


def new(**values: object) -> Run:
    return Run.create(RunConfig.parse({"erase": ["cat"], "steps": 6, **values}))


def test_a_duel_of_methods_is_told_from_anything_else() -> None:
    base = new()
    assert sentence([base, new(method="esd")]).startswith("Same model, lists, data, seed and steps")
    assert "retain weight" in sentence([base, new(method="esd")])
    assert sentence([base, new(method=DEFAULT_METHOD)]) == "The runs have the same settings throughout."
    assert sentence([base, new(learning_rate=1e-5)]) == "The runs differ only in learning rate."
    assert sentence([base, new(method="esd", seed=1)]).endswith("seed (0, 1).")
    assert "erase (cat, dog)" in sentence([base, new(erase=["dog"])])


def test_a_default_is_the_number_it_stands_for() -> None:
    assert differing([new(sampling_steps=None), new(sampling_steps=12)]) == {}
    assert differing([new(steps=None), new(steps=METHODS[DEFAULT_METHOD].steps)]) == {}
    assert differing([new(model="nobody/nothing"), new(model="/gone")]).keys() >= {"model"}


def test_pictures_pair_and_the_difference_has_an_interval(fake: Fake) -> None:
    first, second = compare([fake(), fake(method="esd")])
    assert first.against == {}
    kept = second.against["kept"]
    assert kept.n == 12
    assert kept.mean == pytest.approx(-0.02)
    assert kept.low is not None
    assert kept.high is not None
    assert kept.low <= kept.mean <= kept.high < 0
    assert second.against["erased"].mean == 0


def test_a_run_without_a_report_has_a_row_all_the_same(fake: Fake) -> None:
    waiting, done = compare([new(), fake()])
    assert waiting.report is None
    assert done.report is not None
    assert waiting.against == done.against == {}


def test_scores_of_two_scorers_are_not_subtracted(fake: Fake) -> None:
    runs = [fake(), fake()]
    path = runs[1].path / "report.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"scorer": "another"}))
    assert compare(runs)[1].against == {}


def test_the_name_is_the_label_or_what_was_erased(fake: Fake) -> None:
    runs = [fake(), fake(erase=["dog", "cat"])]
    runs[0].rename("my first")
    assert [row.name for row in compare(runs)] == ["my first", "dog, cat"]


@pytest.mark.parametrize("count", [0, 1, 9])
def test_too_few_and_too_many_are_a_sentence(count: int, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=f"{count} runs were named; 2 to 8"):
        compare([new() for _ in range(count)])
    run = new()
    with pytest.raises(Refusal, match="different"):
        compare([run, run])
