"""The heat maps: means per place and part, in an order a reader knows, with no markup from a name."""

import math
import re
from collections.abc import Callable

import pytest

from balign import telemetry
from balign.host import status
from balign.measure import conflict_map
from balign.runs.folder import Run
from balign.telemetry import Conflict
from balign.ui.erase_tab import panels
from tests.conftest import Claim

EVIL = '<img src=x>"'
Show = Callable[..., str]


@pytest.fixture
def show(new_run: Callable[..., Run]) -> Show:
    """``show(*records)``: the heat maps of a run with these records."""

    def draw(*records: Conflict) -> str:
        run = new_run()
        for record in records:
            telemetry.append(run.path / "telemetry.jsonl", record)
        return panels.conflicts(status.look(run))

    return draw


def cells(text: str) -> list[tuple[str, str, str]]:
    return re.findall(r'<td class="(\w+)" style="--much:(\d+)%">([^<]*)</td>', text)


def test_means_are_over_the_steps_that_have_a_number() -> None:
    found = [Conflict(10, {"a x": -1.0, "b x": math.nan}), Conflict(20, {"a x": 0.5, "b x": 0.25})]
    assert conflict_map.mean(found) == {"a x": pytest.approx(-0.25), "b x": 0.25}


def test_rows_follow_the_way_through_a_denoiser() -> None:
    names = ["up_blocks.1 to_k", "mid_block to_k", "down_blocks.0 to_k", "conv_in", "new.thing odd_part"]
    found = conflict_map.by_part([Conflict(10, dict.fromkeys(names, 0.1))])
    assert [row[:2] for row in found.rows] == [
        ("conv_in", "conv in"),
        ("new.thing", "new"),
        ("down_blocks.0", "coarser 1"),
        ("mid_block", "middle"),
        ("up_blocks.1", "finer 2"),
    ]
    assert [name for name, _ in found.columns] == ["to_k", "all", "odd_part"]


def test_colour_says_which_way_and_how_strongly_and_the_number_is_there(show: Show) -> None:
    text = show(Conflict(10, {"a x": -0.25, "a y": 0.9, "a z": 0.0}))
    assert cells(text) == [("against", "50", "\u22120.25"), ("along", "100", "+0.90"), ("along", "0", "+0.00")]
    assert "Mean of 1 measured step, from \u22121 to 1." in text


def test_the_term_of_art_is_one_hover_away(show: Show) -> None:
    text = show(Conflict(10, {"a x": 0.1}))
    assert 'title="cosine of the forget and the retain gradient' in text


def test_a_group_that_is_not_there_is_an_empty_cell(show: Show) -> None:
    assert show(Conflict(10, {"a x": 0.1, "b y": 0.1})).count('<td class="none"></td>') == 2


def test_names_are_text(show: Show) -> None:
    text = show(Conflict(10, {f"{EVIL} {EVIL}": 0.1, EVIL: -3.0}))
    assert "<img" not in text
    assert all(float(value.replace("\u2212", "-")) >= -1 for _, _, value in cells(text))


def test_noise_is_told_apart_by_quarters_and_is_not_mixed_into_the_whole(show: Show) -> None:
    records = [Conflict(10, {"mid_block x": 0.1})] + [Conflict(10, {"mid_block": -k / 10}, k) for k in (1, 2, 3, 4)]
    whole, quarters = cells(show(*records))[:1], cells(show(*records))[1:]
    assert whole == [("along", "20", "+0.10")]
    assert [value for _, _, value in quarters] == [f"\u22120.{k}0" for k in (1, 2, 3, 4)]
    assert conflict_map.by_noise(records[:1]).rows == []


def test_a_run_shows_it_once_there_is_something(finished: Run, new_run: Callable[..., Run]) -> None:
    assert "2 measured steps" in panels.conflicts(status.look(finished))
    assert len(cells(panels.conflicts(status.look(finished)))) == 6 + 12
    assert panels.conflicts(None) == ""
    assert panels.conflicts(status.look(new_run())) == ""


def test_a_living_run_says_that_it_will_come(new_run: Callable[..., Run], claim: Claim) -> None:
    for every, said in ((10, True), (0, False)):
        run = new_run(measure_every=every)
        leave = claim(run)
        telemetry.append(run.path / "telemetry.jsonl", telemetry.Phase("load", 0, 1, 0.0))
        assert ("Waiting for the first measured step" in panels.conflicts(status.look(run))) is said
        leave()
