"""Which cells a grid has, what they are called, and what is refused."""

from pathlib import Path

import pytest

from balign.grid.grid_file import Grid
from balign.refusal import Refusal

GRIDS = Path(__file__).parents[2] / "benchmarks" / "grids"
WHOLE = """
name = "whole"
methods = ["balign", {title = "RGD, w 3", method = "rgd", retain_weight = 3.0, steps = 40}]
models = ["emoji"]
concepts = ["cat", {erase = ["watercolor=ink"], keep = ["a dog"]}, {title = "two", erase = ["cat", "dog"]}]
seeds = [0, 1]
settings = {n_eval = 4, steps = 50}
variants = [{title = "as it is"}, {title = "short", steps = 20}]
against = "balign"
[attack]
attacks = ["rounding"]
control = {cat = "never-knew"}
"""
LEAST = {"name": 'name = "x"', "methods": 'methods = ["balign"]', "concepts": 'concepts = ["cat"]'}


@pytest.fixture
def read(tmp_path: Path):
    def of(text: str) -> Grid:
        path = tmp_path / "grid.toml"
        path.write_text(text)
        return Grid.read(path)

    return of


def test_every_combination_is_a_cell(read, tmp_path: Path, tiny_model_path: str) -> None:
    (tmp_path / "never-knew").symlink_to(tiny_model_path)
    cells = read(WHOLE).cells()
    assert len(cells) == len({cell.id for cell in cells}) == 2 * 3 * 2 * 2
    assert {(cell.method, cell.variant, cell.config.steps) for cell in cells} == {
        ("balign", "as it is", 50),
        ("RGD, w 3", "as it is", 40),
        ("balign", "short", 20),
        ("RGD, w 3", "short", 20),
    }
    assert {cell.concept for cell in cells} == {"cat", "watercolor", "two"}
    assert [cell.concept for cell in cells[:3]] == ["cat", "watercolor", "two"]  # neighbours draw nothing in common
    (some,) = (cell for cell in cells if (cell.method, cell.concept, cell.seed, cell.variant) == (*NAMED, 1, "short"))
    assert (some.config.retain_weight, some.config.n_eval, some.config.seed, some.config.keep) == (
        3.0,
        4,
        1,
        ("a dog",),
    )
    assert some.config.erase[0].replace_with == "ink"
    controls = {cell.concept: cell.attack.control for cell in cells if cell.attack}
    assert controls == {"cat": str(tmp_path / "never-knew"), "watercolor": None, "two": str(tmp_path / "never-knew")}


NAMED = ("RGD, w 3", "watercolor")


def test_a_cell_is_found_again_whatever_else_changes(read) -> None:
    before = {(cell.method, cell.concept): cell.id for cell in read("\n".join(LEAST.values())).cells()}
    text = """
    name = "other"
    methods = ["esd", {title = "another title", method = "balign"}]
    concepts = ["dog", "cat"]
    settings = {n_eval = 16}
    """  # 16 is the default
    after = {(cell.method, cell.concept): cell.id for cell in read(text).cells()}
    assert after["another title", "cat"] == before["balign", "cat"]
    assert len(set(after.values())) == 4


@pytest.mark.parametrize(
    ("part", "refusal"),
    [
        ('name = "A b"', "Name is 'A b'; small letters, digits, - and _ are accepted"),
        ('nme = "x"', "'nme' is no part of a grid; its parts are name, methods"),
        ("name = ", "grid.toml is not readable toml: Invalid value"),
        ('methods = ["nope"]', "There is no method 'nope'"),
        ("methods = [3]", "A method or variant is neither a name nor a table"),
        ("methods = []", "methods is"),
        ('methods = ["rgd", "rgd"]', "The title 'rgd' was given 2 times"),
        (
            'methods = ["rgd", {title = "b", method = "rgd"}]',
            "Two cells are the same run: rgd, emoji, cat, seed 0; and b",
        ),
        ("methods = [{steps = 3}]", "methods.0.title is ''"),
        ('seeds = ["a"]', "seeds.0 is 'a'"),
        ("seeds = [-1]", "seed is -1"),
        ('concepts = ["no such thing"]', "The model does not know 'no such thing'"),
        ("concepts = [{erase = []}]", "concepts.0.erase"),
        ("concepts = [7]", "A concept is neither a word nor a table"),
        ('models = ["no model"]', "There is no model 'no model'"),
        ("settings = {steps = -1}", "Steps is -1"),
        ('settings = {erase = ["dog"]}', "Erase is not a setting"),
        ('settings = {model = "emoji"}', "Model stands among the settings; list it in models"),
        ('settings = {device = "cuda:1"}', "Device is cuda:1; a grid takes every device"),
        ('against = "esd"', "against is 'esd', which is no method here; there are balign"),
        ('attack = {attacks = ["fire"]}', "There is no attack 'fire'"),
        ('attack = {concept = "cat"}', "Attack is not a table of what `balign attack` takes, without a concept"),
        ("threads = 0", "threads is 0"),
    ],
)
def test_refusals_are_one_sentence(read, part: str, refusal: str) -> None:
    with pytest.raises(Refusal) as refused:
        read("\n".join((LEAST | {part.split(" =")[0]: part}).values())).cells()
    assert str(refused.value).startswith(refusal)
    assert "\n" not in str(refused.value)


def test_a_control_that_is_not_there_is_refused(read, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="looks like a path, and there is no such folder or file") as refused:
        read("\n".join((LEAST | {"attack": 'attack = {control = {cat = "nowhere"}}'}).values())).cells()
    assert str(tmp_path / "nowhere") in str(refused.value)


@pytest.mark.parametrize("file", sorted(GRIDS.glob("*.toml")), ids=lambda file: file.stem)
def test_the_grids_of_the_results_can_be_done(file: Path) -> None:
    grid = Grid.read(file)
    assert grid.name.replace("-", "_") == file.stem
    assert grid.cells()
