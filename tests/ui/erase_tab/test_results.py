"""The outcome in words: what may be said and what may not, exactly as the report says it; every text escaped."""

import re
from dataclasses import replace
from typing import Any

import pytest

from balign.host.status import RunView, look
from balign.measure.report import RunReport
from balign.runs.folder import Run
from balign.ui import theme
from balign.ui.erase_tab import results
from tests.host import fake_tryout

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>${alert(1)}{{7*7}}"


@pytest.fixture
def view(finished: Run) -> RunView:
    """A finished run as the page sees it."""
    return look(finished)


def parsed(view: RunView, **changes: dict[str, Any] | str | float | None) -> RunReport:
    """The view's report with other values, those of groups by their name."""
    assert view.report is not None
    values = view.report.to_dict()
    for name, change in changes.items():
        if isinstance(change, dict):
            values["groups"][name] |= change
        else:
            values[name] = change
    return RunReport.parse(values)


def outcome(view: RunView, report: RunReport | None) -> str:
    return results.outcome(replace(view, report=report))


@pytest.mark.parametrize("prompts", [3, 12])
def test_page_and_report_say_the_same_of_every_group(view: RunView, prompts: int) -> None:
    few = {name: {"n": 12, "prompts": prompts} for name in ("erased", "kept", "neighbours")}
    report = parsed(view, **few)
    text = outcome(view, report)
    for name, _, group in report.named():
        assert f'<td class="words">{group.verdict}</td>' in text
        assert (f'<b class="{name}">' in text) is (name != "erased")
    assert ("too few prompts to say (3, of at least 8)" in text) is (prompts == 3)


def test_the_headline_stands_after_what_was_erased(view: RunView) -> None:
    text = outcome(view, parsed(view, scorer="emoji"))
    said = "no longer drawn when asked by name (recognised in 97\u00a0% of its pictures before, 3\u00a0% after)"
    assert f'<span class="erased">cat</span>: {said}' in text
    assert "was not tried" in text
    assert "<b>emoji</b>" in text


def test_what_attacks_showed_stands_below_it(view: RunView) -> None:
    fake_tryout.write_attack(view.run)
    text = results.outcome(view)
    assert '<p class="attacked">Under attack: brought back by textual inversion, 2 tokens: 50\u00a0% of 8' in text
    assert "was not tried" not in text


def test_every_pair_has_both_scores_under_its_pictures(view: RunView) -> None:
    text = results.outcome(view)
    assert text.count('class="pair"') == 36
    assert text.count("<img") == 72
    assert f"files/{view.run.id}/images/after/0000.png" in text
    assert text.count('class="scores"') == 36


def test_a_large_group_is_cut_and_says_so(view: RunView) -> None:
    assert view.report is not None
    images = view.report.to_dict()["groups"]["kept"]["images"]
    text = outcome(view, parsed(view, kept={"images": images * 100}))
    assert text.count('class="pair"') == 24 + results.SHOWN
    assert "48 of 1,200 pairs" in text


def test_hostile_text_is_text(view: RunView) -> None:
    assert view.report is not None
    images = view.report.to_dict()["groups"]["erased"]["images"]
    evil = {"prompt": EVIL, "before": "../../config.json", "after": "javascript:alert(1)"}
    text = outcome(view, parsed(view, erased={"images": [image | evil for image in images]}, scorer=EVIL))
    for mark in ("<script", "<img src=x", "javascript:", "config.json", 'data-prompt=""'):
        assert mark not in text


def test_numbers_that_are_none_are_dashes(view: RunView) -> None:
    nothing = {"n": 0, "prompts": 0, "alignment_before": None, "alignment_change": {"mean": None, "p": None}}
    text = outcome(view, parsed(view, kept=nothing, ua=None))
    assert "None" not in text
    assert "nan" not in text
    assert "<td>\u2013 \u2192 " in text
    assert "UA, unlearning accuracy" not in text
    assert "IRA, in-domain retain accuracy" in text


def test_downloads_are_those_of_who_looks(view: RunView) -> None:
    assert "Changed weights" in results.outcome(view)
    assert "Changed weights" not in results.outcome(replace(view, own=False))
    assert "report.html" in outcome(view, None)
    assert results.outcome(None) == ""


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
