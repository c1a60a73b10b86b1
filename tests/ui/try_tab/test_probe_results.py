"""Probe results: counted against what the base model showed, called what they are, no text is markup."""

import pytest

from balign.runs.folder import Run
from balign.runs.tryout import store
from balign.runs.tryout.store import ProbePair
from balign.ui.try_tab import probe_results
from tests.host import fake_tryout

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"


def shown(run: Run) -> str:
    return probe_results.probe_results(run, store.probes(run))


def probe(before: bool | None, after: bool | None) -> ProbePair:
    texts = dict.fromkeys(("way", "concept", "kind", "said", "prompt"), "cat")
    return ProbePair(**texts, seed=0, alignment_before=0, alignment_after=0, shows_before=before, shows_after=after)


@pytest.mark.parametrize(
    ("before", "after", "name"),
    [
        (True, True, "still"),
        (True, False, "gone"),
        (False, True, "new"),
        (False, False, "never"),
        (None, True, "unknown"),
        (True, None, "unknown"),
    ],
)
def test_what_became_of_the_concept(before: bool | None, after: bool | None, name: str) -> None:
    assert probe_results.outcome(probe(before, after)) == name


def test_before_they_are_drawn_it_says_what_for(finished: Run) -> None:
    assert "A concept has more names than the one it was erased by" in shown(finished)


def test_only_what_the_base_model_showed_counts_as_erased(finished: Run) -> None:
    fake_tryout.write_probes(finished)
    html = shown(finished)
    assert "Of 4 probes that the base model showed the concept for, the erased one still does for 2" in html
    assert "and for 1 more that the base model did not" in html
    assert "These are probes, not proof." in html
    assert "3 more were left out" in html
    assert html.count('class="pair" data-group="probe"') == 7
    assert html.index("still shows it</span>") < html.index("no longer shows it</span>")


def test_synonyms_that_training_saw_are_told_apart(finished: Run) -> None:
    fake_tryout.write_probes(finished)
    html = shown(finished)
    cells = html.split("Synonyms, not used in training</th>")[1].split("</tr>")[0]
    assert cells == '<td>1</td><td>1</td><td>1</td><td class="words">kitty 1</td>'
    cells = html.split("Synonyms, used in training</th>")[1].split("</tr>")[0]
    assert cells == '<td>1</td><td>1</td><td>0</td><td class="words">\u2013</td>'


def test_a_base_model_that_showed_nothing_says_nothing() -> None:
    assert "say nothing of its erasure" in probe_results.summary([probe(False, False)])


def test_texts_of_strangers_are_not_markup(finished: Run) -> None:
    fake_tryout.write_probes(finished, EVIL)
    html = shown(finished)
    assert "<script" not in html
    assert "<img src=x" not in html
