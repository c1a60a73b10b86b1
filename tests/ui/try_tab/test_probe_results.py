"""Probes as html: counted against what the base model showed, called what they are, every word escaped."""

import pytest

from balign.runs.folder import Run
from balign.ui.try_tab import probe_results
from tests.host import fake_tryout

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        (True, True, "still"),
        (True, False, "gone"),
        (False, True, "new"),
        (False, False, "never"),
        (None, True, "unknown"),
        (True, "yes", "unknown"),
    ],
)
def test_what_became_of_the_concept(before: object, after: object, word: str) -> None:
    assert probe_results.state({"shows_before": before, "shows_after": after}) == word


def test_before_they_are_drawn_it_says_what_for(finished: Run) -> None:
    assert probe_results.probes(finished) == probe_results.EMPTY


def test_only_what_the_base_model_showed_counts_as_erased(finished: Run) -> None:
    fake_tryout.write_probes(finished)
    html = probe_results.probes(finished)
    assert "Of 4 probes that the base model showed the concept for, the erased one still does for 2" in html
    assert "and for 1 more that the base model did not" in html
    assert "These are probes, not proof." in html
    assert "3 more were left out" in html
    assert html.count('class="pair" data-group="probe"') == 7
    assert html.index("still shows it</span>") < html.index("no longer shows it</span>")


def test_synonyms_that_training_saw_are_told_apart(finished: Run) -> None:
    fake_tryout.write_probes(finished)
    html = probe_results.probes(finished)
    cells = html.split("Synonyms, not said in training</th>")[1].split("</tr>")[0]
    assert cells == '<td>1</td><td>1</td><td>1</td><td class="words">kitty 1</td>'
    cells = html.split("Synonyms, said in training</th>")[1].split("</tr>")[0]
    assert cells == '<td>1</td><td>1</td><td>0</td><td class="words">\u2013</td>'


def test_a_base_model_that_showed_nothing_says_nothing() -> None:
    assert "say nothing of its erasure" in probe_results._sentence([{"shows_before": False, "shows_after": False}])


def test_strangers_words_are_words(finished: Run) -> None:
    fake_tryout.write_probes(finished, EVIL)
    html = probe_results.probes(finished)
    assert "<script" not in html
    assert "<img src=x" not in html
