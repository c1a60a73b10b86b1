"""The outcome in words: what may be said and what may not; every text escaped."""

import json
import re
from typing import Any

import pytest

from balign.runs.folder import Run
from balign.ui import theme
from balign.ui.erase_tab import results


def group(
    n: int = 32, before: float = 0.97, after: float = 0.96, low: float = -0.004, high: float = 0.002
) -> dict[str, Any]:
    change = {"mean": (low + high) / 2, "low": low, "high": high, "p": 0.4}
    return {"n": n, "accuracy_before": before, "accuracy_after": after, "alignment_change": change, "images": []}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (group(), "no loss of alignment larger than 0.004 at 95\u00a0%"),
        (group(low=0.001, high=0.01), "closer to their words than before, by 0.001 or more at 95\u00a0%"),
        (group(low=-0.09, high=-0.05), "lost between 0.050 and 0.090 of alignment at 95\u00a0%"),
        (group(low=-0.09, high=0.02), "not clear: a loss of up to 0.090 cannot be ruled out at 95\u00a0%"),
        (group(n=4), "too few pictures to say"),
        ({}, "too few pictures to say"),
        (group(low=float("nan")), "too few pictures to say"),
    ],
)
def test_no_more_is_said_than_the_interval_allows(given: dict[str, Any], words: str) -> None:
    assert results.judge(given) == words


@pytest.mark.parametrize(("after", "word"), [(0.03, "is gone"), (0.4, "is weaker"), (0.9, "is still there")])
def test_headline(finished: Run, after: float, word: str) -> None:
    text = results.verdict(finished, {"groups": {"erased": group(after=after)}, "scorer": "emoji"})
    assert word in text
    assert "<b>emoji</b>" in text


def test_what_the_base_model_never_drew_is_not_called_gone(finished: Run) -> None:
    text = results.verdict(finished, {"groups": {"erased": group(before=0.1, after=0.0)}})
    assert "hardly drew it" in text
    assert "is gone" not in text


def test_a_group_without_scores_says_so(finished: Run) -> None:
    assert "no pictures were scored" in results.verdict(finished, {"groups": {}})


def test_every_pair_has_both_scores_under_its_pictures(finished: Run) -> None:
    text = results.gallery(finished, finished.report() or {})
    assert text.count('class="pair"') == 36
    assert text.count("<img") == 72
    assert f"files/{finished.id}/images/after/0000.png" in text
    assert text.count('class="scores"') == 36


def test_a_large_group_is_cut_and_says_so(finished: Run) -> None:
    report = finished.report() or {}
    report["groups"]["kept"]["images"] *= 100
    text = results.gallery(finished, report)
    assert text.count('class="pair"') == 24 + results.SHOWN
    assert "48 of 1,200 pairs" in text


def test_hostile_text_is_text(finished: Run) -> None:
    evil = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>${alert(1)}{{7*7}}"
    report = finished.report() or {}
    report["scorer"] = evil
    for image in report["groups"]["erased"]["images"]:
        image |= {"prompt": evil, "seed": evil, "before": "../../config.json", "after": "javascript:alert(1)"}
    report["groups"]["erased"]["n"] = evil
    text = results.verdict(finished, report) + results.gallery(finished, report) + results.table(report)
    for mark in ("<script", "<img src=x", "javascript:", "config.json", 'data-prompt=""'):
        assert mark not in text


def test_numbers_that_are_none_are_dashes() -> None:
    text = results.table({"groups": {"kept": {"n": 0, "alignment_change": None}}})
    assert "None" not in text
    assert "nan" not in json.dumps(text)
    assert results.percent(True) == results.decimal("0.5") == results.signed(None) == "\u2013"
    assert results.p_value(0.0) == "< 0.001"


def test_a_pair_is_compared_in_four_ways_each_with_a_key_of_its_own() -> None:
    found = re.search(r"const views = \{([^}]*)\}", theme.head())
    assert found
    views = dict(re.findall(r'(\w+): "([^"]+)"', found[1]))
    assert views == {
        "wipe": "Wipe",
        "side": "Side by side",
        "blink": "Blink",
        "difference": "Difference \u00d74",
    }
    keys = [name[0] for name in views]
    assert len({*keys, "n", "p"}) == 6  # n and p are the next pair and the one before
