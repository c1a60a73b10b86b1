"""The collateral matrix: what each run erased against what was tested."""

import json
from collections.abc import Callable

import pytest

from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.outcome.matrix import matrix
from balign.terminal import Terminal, matrix_table
from balign.ui.runs_tab import comparison_panel

Fake = Callable[..., Run]


def erasing(fake: Fake, erased: str, drop: float, keep: list[str] | None = None, **changes: object) -> Run:
    """A finished run whose pictures are of what it erased, of a guitar and of a pizza."""
    run = fake(erase=[erased], keep=keep or [])
    path = run.path / "report.json"
    report = json.loads(path.read_bytes()) | changes
    for name, word in (("erased", erased), ("kept", "guitar"), ("neighbours", "pizza")):
        for k, image in enumerate(report["groups"][name]["images"]):
            image["labels"] = {"object": word, "style": "ink"}
            image["alignment_after"] = image["alignment_before"] - (drop + k / 1_000 if name == "erased" else 0.0)
    path.write_text(json.dumps(report))
    return run


def test_a_cell_is_the_paired_difference_with_its_interval(fake: Fake) -> None:
    rows = matrix([erasing(fake, "cat", 0.2), erasing(fake, "guitar", 0.1, keep=["pizza", "a red barn"])])
    assert [row.name for row in rows] == ["cat", "guitar"]
    assert [cell.concept for cell in rows[0].cells] == ["cat", "guitar", "pizza"]
    cat, guitar = rows[0].cells[:2]
    assert cat.erased
    assert not guitar.erased
    assert cat.change.mean == pytest.approx(-0.2055)
    assert cat.change.low is not None
    assert cat.change.low < cat.change.mean < (cat.change.high or 0) < 0
    assert (guitar.change.mean, guitar.change.n) == (0.0, 12)
    other = rows[1].cells[0]
    assert (other.concept, other.change.n, other.images) == ("cat", 0, ())
    assert rows[1].cells[1].erased
    assert len(cat.images) == 12


def test_a_picture_of_what_was_erased_counts_for_nothing_else(fake: Fake) -> None:
    cat, ink = matrix([erasing(fake, "cat", 0.2), erasing(fake, "ink", 0.1)])
    assert [(cell.concept, cell.change.n) for cell in cat.cells] == [("cat", 12), ("ink", 24)]
    assert not any("cat" in pair.labels.values() for _, pair in cat.cells[1].images)
    assert [(cell.concept, cell.change.n) for cell in ink.cells] == [("cat", 0), ("ink", 36)]


def test_it_is_shown_in_the_terminal_and_on_the_page_with_its_pictures(fake: Fake) -> None:
    runs = [erasing(fake, "cat", 0.2), erasing(fake, "guitar", 0.1)]
    with Terminal(record=True, width=200) as terminal:
        terminal.print(matrix_table(matrix(runs)))
    assert "\N{MINUS SIGN}0.205*" in (text := terminal.export_text()) or "\N{MINUS SIGN}0.206*" in text
    panel = comparison_panel.panel(runs)
    assert panel.count("popovertarget=") == panel.count(" popover ") == 3
    assert f"files/{runs[0].id}/images/before/0000.png" in panel
    assert 'class="target fell"' in panel


def test_runs_of_different_scorers_have_no_matrix(fake: Fake) -> None:
    runs = [erasing(fake, "cat", 0.2), erasing(fake, "guitar", 0.1, scorer="another")]
    with pytest.raises(Refusal, match="scored by emoji-clip and another; a matrix is of one scorer"):
        matrix(runs)
    assert "popovertarget" not in comparison_panel.panel(runs)
    with pytest.raises(Refusal, match="1 runs were named"):
        matrix(runs[:1])
