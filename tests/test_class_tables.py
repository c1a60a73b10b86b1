"""The paper's Tables 1 and 3 are read from the cells of a grid over the classes of a tiny model."""

from pathlib import Path

import pytest

from balign.data.lexicon import load
from balign.grid import rows
from balign.grid.grid_file import Grid
from balign.markup.formats import NONE
from benchmarks import classes
from tests.grid.small_grid import compare, write_grid
from tests.models.tiny_dit import tiny_dit
from tests.pipelines import edit_json

GRIDS = Path(__file__).parents[1] / "benchmarks" / "grids"
NINE = [word for word in load("fashion").words["object"] if word != "coat"]


def row(method: str, concept: str, seed: int, ua: float, kept: float, fid: float) -> rows.Row:
    groups = {"kept": {"recognised_before": 0.9, "recognised": kept}}
    far = {"fashion-judge": {"fid": fid, "fid_floor": 5.0}, "Inception": {"fid": 99.0, "fid_floor": 99.0}}
    place = {"method": method, "concept": concept, "seed": seed, "done": True}
    return place | {"ua": ua, "groups": groups, "distances": far}


def test_mean_and_deviation_are_over_classes_and_each_is_the_mean_of_its_seeds() -> None:
    found = [
        row("rgd", "coat", 0, 1.0, 0.8, 6.0),
        row("rgd", "coat", 1, 0.8, 0.6, 8.0),
        row("rgd", "bag", 0, 1.0, 0.9, 9.0),
        row("rgd", "coat, two nearest", 0, 1.0, 0.5, 20.0),
        {"method": "rgd", "concept": "shirt", "seed": 0, "done": False},
    ]
    table = classes.summary(classes.scores(found))
    sign = "\N{PLUS-MINUS SIGN}"
    assert f"| rgd | balanced | 2 | 0.950 {sign} 0.071 | 0.800 {sign} 0.141 | 8.000 {sign} 1.414 |" in table
    assert "| rgd | two nearest | 1 | 1.000 | 0.500 | 20.000 |" in table
    assert f"| base model | balanced | 2 | {NONE} | 0.900 {sign} 0.000 | 5.000 {sign} 0.000 |" in table
    assert table.index("base model") < table.index("rgd")
    assert "| coat | rgd | balanced | 0.900 | 0.700 | 7.000 |" in classes.by_class(classes.scores(found))


@pytest.mark.parametrize(("name", "concepts"), [("classes", 10), ("nearest", 20)])
def test_the_grids_erase_every_class_and_keep_the_other_nine(name: str, concepts: int) -> None:
    grid = Grid.read(GRIDS / f"{name}.toml")
    assert len(grid.concepts) == concepts
    for target in grid.concepts:
        assert {target.erase[0].name, *target.keep} == {*NINE, "coat"}
        narrow = target.title.endswith(classes.NARROW)
        assert len([word for word in target.retain_words.split(", ") if word in target.keep]) == 2 * narrow
    assert sum(target.title.endswith(classes.NARROW) for target in grid.concepts) == concepts - 10


def test_both_tables_from_a_small_grid(tmp_path: Path) -> None:
    model = tiny_dit(tmp_path / "model")
    edit_json(Path(model) / "model_index.json", id2label=dict(enumerate([*NINE, "coat"])))
    concepts = [
        {"title": "coat", "erase": ["coat"], "keep": NINE},
        {"title": f"coat{classes.NARROW}", "erase": ["coat"], "keep": NINE, "retain_words": "pullover, shirt"},
    ]
    path = write_grid(
        tmp_path / "grid.toml", model, "fashion-judge", methods=["rgd"], concepts=concepts, seeds=[0], attack=None
    )
    assert compare(path, tmp_path / "cells", "--workers", "1") == 0
    found = classes.scores(rows.read(tmp_path / "cells"))
    assert [(each.method, each.retain) for each in found] == [
        ("base model", "balanced"),
        ("base model", "two nearest"),
        ("rgd", "balanced"),
        ("rgd", "two nearest"),
    ]
    assert found[0].values[1:] == found[1].values[1:]  # the same test pictures of the base
    assert found[2].values != found[3].values
    assert all(value is not None for each in found[2:] for value in each.values)
