"""Charts: few points, no lost spike, no markup from a name, nothing that is not a number."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balign.markup import charts
from balign.markup.charts import Cell, Series

FLOATS = st.floats(-1e9, 1e9)


@settings(deadline=None)
@given(st.lists(FLOATS, max_size=600), st.integers(4, 100))
def test_decimation_keeps_the_ends_and_the_extremes(values: list[float], limit: int) -> None:
    points = [(float(k), v) for k, v in enumerate(values)]
    kept = charts.decimate(points, limit)
    assert len(kept) <= limit
    assert kept == sorted(set(kept))
    if points:
        assert {kept[0], kept[-1]} == {points[0], points[-1]}
        assert min(v for _, v in kept) == min(values)
        assert max(v for _, v in kept) == max(values)


@settings(deadline=None)
@given(FLOATS, st.floats(1e-6, 1e9))
def test_ticks_are_even_and_enclose_the_range(low: float, span: float) -> None:
    bottom, middle, top = charts.ticks(low, low + span)
    slack = 1e-6 * max(abs(low), span)
    assert bottom <= low + slack
    assert top >= low + span - slack
    assert middle - bottom == pytest.approx(top - middle, rel=1e-6, abs=slack)


def test_one_value_alone_still_has_a_scale() -> None:
    assert 'class="line erased"' in charts.lines("Loss", [Series("erased", "erased", [(1, 0.0)])], 10)


def test_smoothing_has_no_lag_at_the_start_and_keeps_a_constant() -> None:
    drawn = charts.smooth([(k, 2.0) for k in range(50)], 50)
    assert [y for _, y in drawn] == pytest.approx([2.0] * 50)
    assert charts.smooth([(0, 5.0), (1, 1.0)], 1000)[0] == (0, 5.0)


def test_what_is_not_finite_is_left_out() -> None:
    text = charts.lines("Loss", [Series("a", "erased", [(1, math.nan), (2, math.inf), (3, 1.0)])], 10)
    assert "nan" not in text
    assert "inf" not in text


def test_names_are_text() -> None:
    text = charts.lines("<script>", [Series('"><img src=x>', "erased", [(1, 1.0)], "<b>")], 10)
    assert "<script>" not in text
    assert "<img" not in text
    assert "<b>a" not in text


def test_a_chart_keeps_its_shape_from_empty_to_full() -> None:
    def tags(points: list[tuple[float, float]]) -> int:
        return charts.lines("Loss", [Series("a", "erased", points, "", True)], 10).count("<path")

    assert tags([]) == tags([(1, 1.0)]) == tags([(k, 1.0) for k in range(100)])


def test_two_thousand_steps_weigh_less_than_100_kb() -> None:
    noise = random.Random(0)
    points = [(float(k), noise.random()) for k in range(2000)]
    lines = [Series(name, name, points, "", True) for name in ("erased", "kept")]
    cells = [Cell(k, noise.random() < 0.9, noise.random() < 0.9 if k % 10 == 0 else None) for k in range(1, 2001)]
    text = charts.lines("Loss", lines, 2000) + charts.lines("Cosine", lines[:1], 2000) + charts.ledger(cells, 2000)
    assert len(text.encode()) < 100_000
    assert max(path.count("L") for path in text.split('d="')) < charts.LIMIT


def test_ledger_marks_a_stretch_broken_if_one_step_in_it_was() -> None:
    good = charts.ledger([Cell(k, True, None) for k in range(1, 2001)], 2000)
    bad = charts.ledger([Cell(k, k != 777, None) for k in range(1, 2001)], 2000)
    assert '<path class="broken" d=""/>' in good
    assert bad.count("M194.1 0") == 1
    assert bad.split('class="broken" d="')[1].startswith("M194.1 0")


def test_ledger_counts_in_words() -> None:
    cells = [Cell(1, True, True), Cell(2, False, None), Cell(3, True, False)]
    assert charts.ledger_words(cells) == (
        "2 of 3 steps were predicted to raise neither loss; of 2 that were measured, 1 raised neither."
    )
    assert charts.ledger_words([]) == "No step has been taken yet."
