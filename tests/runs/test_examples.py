"""The finished examples that ship: whole, small, open to everybody, and changed by nobody."""

from pathlib import Path

import pytest

from balign.host import listing, status, visitors
from balign.host.visitors import Visitor
from balign.refusal import Refusal
from balign.runs import examples
from balign.runs.folder import Run, example_runs, find, list_runs
from balign.runs.tryout import attack_store, store

SHIPPED = Path(__file__).parents[2] / "assets" / "examples"
MOST_BYTES = 2_000_000


@pytest.fixture(autouse=True)
def _shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examples, "FOLDER", SHIPPED)


def test_they_are_whole_with_all_that_can_be_tried() -> None:
    kinds = [run.config.erase[0].name for run in example_runs()]
    assert kinds == ["cat", "ink"]
    for run in example_runs():
        assert sum(file.stat().st_size for file in run.path.rglob("*") if file.is_file()) <= MOST_BYTES
        report, view = run.report(), status.look(run)
        assert report is not None
        assert view.state == "done"
        assert run.file("erased.safetensors") is None
        pictures = [getattr(pair, side) for g in report.groups.values() for pair in g.images for side in SIDES]
        assert all(run.file(name) for name in pictures)
        assert store.strength(run) is not None
        assert store.probes(run) is not None
        assert len(store.tries(run)) == 4
    assert attack_store.attacked(example_runs()[0])


SIDES = ("before", "after")


@pytest.mark.parametrize("shared", ["0", "1"])
def test_everybody_sees_them_and_nobody_changes_them(shared: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALIGN_PUBLIC", shared)
    run = find("example-cat")
    assert run is not None
    assert run.example
    assert [entry.run for entry in listing.examples()] == example_runs()
    assert run not in list_runs()
    assert visitors.opens(run, None)
    assert not visitors.owns(run, Visitor("x" * 43))
    before = sorted(run.path.iterdir())
    for change in (run.delete, lambda: run.rename("mine"), lambda: run.claim().__enter__()):
        with pytest.raises(Refusal, match="finished example, to be looked at and not changed"):
            change()
    assert sorted(run.path.iterdir()) == before


def test_a_run_in_the_root_is_no_example(tmp_path: Path) -> None:
    assert not Run(tmp_path / "example-cat").example
    assert find("example-../../x") is None
