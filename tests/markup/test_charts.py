"""Charts: few points, no lost spike, no markup from a name, and only finite numbers."""

import math
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from balign.markup import charts
from balign.markup.charts import Cell, Place, Series

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
    cells = [Cell(1, True, True), Cell(2, False, None), Cell(3, True, False, 0.02)]
    assert charts.ledger_words(cells) == (
        "1 of 3 steps were predicted to raise a loss; of 2 that were measured, 1 did raise one, "
        "by at most 2\u00a0% of it."
    )
    assert charts.ledger_words([]) == "No step has been taken yet."


AXES = (("erased", "forgotten", "the erased group"), ("kept", "lost", "the kept group"))


def place(label: str, x: float, y: float, spread: float = 0.0) -> Place:
    return Place(label, (x - spread, x, x + spread), (y - spread, y, y + spread))


def marks(text: str) -> list[tuple[float, float]]:
    """Where the labels stand, in percent of the drawing."""
    return [(float(x), float(y)) for x, y in re.findall(r'class="mark" style="left:([-\d.]+)%;top:([-\d.]+)%"', text)]


def test_a_scatter_draws_every_place_within_its_frame() -> None:
    text = charts.scatter("Trade", AXES, [place("1", -0.2, 0.01, 0.02), place("2", -0.1, -0.03), place("3", 0.3, 0.0)])
    assert len(marks(text)) == text.count("dots plain") == 3
    assert text.count("whisker") == 1
    assert all(0 <= x <= 100 and 0 <= y <= 100 for x, y in marks(text))
    (x1, y1), (x2, y2), (x3, _) = marks(text)
    assert x1 < x2 < x3
    assert y1 < y2  # the larger value is higher up


def test_a_scatter_around_zero_has_its_cross_inside() -> None:
    text = charts.scatter("Trade", AXES, [place("1", 0.2, 0.1)], zero=True)
    cross = re.search(r'class="grid" d="M0 ([\d.]+)H1000M([\d.]+) 0V300"', text)
    assert cross is not None
    ((x, y),) = marks(text)
    assert 0 < float(cross[2]) / 10 < x <= 100
    assert 0 <= y < float(cross[1]) / 3 < 100


def test_joined_places_have_a_line_in_their_order() -> None:
    places = [place("0", 0.0, 0.0), place("1", 0.4, 0.1), place("2", 0.2, 0.2)]
    (line,) = re.findall(r'<path class="plain" d="M([^"]+)"', charts.scatter("Strength", AXES, places, joined=True))
    dots = re.findall(r'class="dots plain" d="M([^"]+)h0"', charts.scatter("Strength", AXES, places))
    assert line.split("L") == dots


def test_a_scatter_without_places_waits() -> None:
    text = charts.scatter("Trade", AXES, [place("nan", math.nan, 0.1), place("inf", 0.1, math.inf)])
    assert text == charts.scatter("Trade", AXES, [])
    assert "Waiting for the first run to finish" in text
    assert "nan" not in text


@settings(deadline=None)
@given(st.lists(st.tuples(FLOATS, FLOATS, st.floats(0, 10)), max_size=8), st.booleans(), st.booleans())
def test_any_places_give_numbers_and_no_markup(
    values: list[tuple[float, float, float]], joined: bool, zero: bool
) -> None:
    places = [place("<script>", x, y, spread) for x, y, spread in values]
    text = charts.scatter("<script>", AXES, places, joined=joined, zero=zero)
    assert "<script" not in text
    assert "nan" not in text
    assert len(marks(text)) == len(values)


def test_attributes_of_a_place_are_kept_as_markup() -> None:
    text = charts.scatter("Strength", AXES, [place("1", 0.1, 0.1)._replace(attributes=Markup(' data-frame="4"'))])
    assert '" data-frame="4">1</b>' in text
