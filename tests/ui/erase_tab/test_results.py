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
    """Both parts of the page that a report fills."""
    seen = replace(view, report=report)
    return results.verdict(seen) + results.outcome(seen)


@pytest.mark.parametrize("prompts", [3, 12])
def test_page_and_report_say_the_same_of_every_group(view: RunView, prompts: int) -> None:
    few = {name: {"n": 12, "prompts": prompts} for name in ("erased", "kept", "neighbours")}
    report = parsed(view, **few)
    text = outcome(view, report)
    for name, _, group in report.named():
        assert f'<td class="words">{group.verdict}</td>' in text
        assert (f'<b class="{name}">' in text) is (name != "erased")
    assert ("too few prompts to say (3, of at least 8)" in text) is (prompts == 3)
    assert ("too few prompts were compared to say" in text) is (prompts == 3)


def test_the_headline_stands_after_what_was_erased(view: RunView) -> None:
    text = outcome(view, parsed(view, scorer="emoji"))
    assert '<span class="erased">cat</span>: no longer drawn when asked by name</h2>' in text
    assert "<p>Recognised in 97\u00a0% of its pictures before, 3\u00a0% after.</p>" in text
    assert "was not tried" in text
    assert "<b>emoji</b>" in text


def test_what_attacks_showed_stands_below_it(view: RunView) -> None:
    fake_tryout.write_attack(view.run)
    text = results.verdict(view)
    assert (
        '<p class="attacked"><b>Under attack</b>: brought back by textual inversion, 2 tokens: 50\u00a0% of 8' in text
    )
    assert "was not tried" not in text


def test_every_pair_says_what_became_of_it_failures_first(view: RunView) -> None:
    text = results.outcome(view)
    assert text.count('class="pair"') == 35
    assert text.count('class="pair failed"') == 1
    assert text.count("<img") == 72
    assert re.search(rf"files/{view.run.id}/images/after/0000\.png\?v=[0-9a-f]+", text)
    chips = re.findall(r'<span class="chip (\w+)">([^<]+)</span>', text)
    assert chips[:12] == [("right", "no longer")] * 12
    assert chips[12:14] == [("failing", "no longer there"), ("right", "still there")]
    assert "1 of 12 pictures no longer show what they should" in " ".join(text.split())
    assert "only the 1 failure" in text


def test_all_of_what_was_erased_and_four_of_the_rest_stand_open(view: RunView) -> None:
    shown = [part.split('class="rest"')[0] for part in results.outcome(view).split('<section class="group ')[1:]]
    assert [part.count("data-seed") for part in shown] == [12, 4, 4]


def test_an_old_report_without_answers_marks_nothing(view: RunView) -> None:
    assert view.report is not None
    images = [image.model_dump() | {"recognised_after": {}} for image in view.report.groups["kept"].images]
    text = outcome(view, parsed(view, kept={"images": images}))
    assert "no longer there" not in text


def test_a_large_group_is_cut_and_says_so(view: RunView) -> None:
    assert view.report is not None
    images = view.report.to_dict()["groups"]["kept"]["images"]
    text = outcome(view, parsed(view, kept={"images": images * 100}))
    assert text.count("data-seed") == 24 + results.SHOWN
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
    mine, theirs = results.verdict(view), results.verdict(replace(view, own=False))
    for owned in ("Changed weights", "Everything as zip", "python -m balign export"):
        assert owned in mine
        assert owned not in theirs
    for name in ("report.html", "metrics.csv", "steps.csv", f'data-copy="?run={view.run.id}"'):
        assert name in theirs
    assert "report.html" in outcome(view, None)
    assert results.verdict(None) == results.outcome(None) == ""


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
