"""The outcome in words: no more than what the names drew and what the attacks showed."""

import pytest

from balign.measure.headline import headline
from balign.measure.report import RunReport


def report(before: float | None, after: float | None, taken: int = 40) -> RunReport:
    """A report with these shares of erased pictures recognised."""
    group = {"n": 12, "accuracy_before": before, "accuracy_after": after}
    return RunReport.parse(
        {
            "model": "emoji", "method": "balign", "seed": 0, "steps": taken, "seconds": 1.0, "scorer": "emoji",
            "groups": {"erased": group}, "settings": {"steps": 40},
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (0.97, 0.03, "no longer drawn when asked by name (recognised in 97\u00a0% of its pictures before, "
         "3\u00a0% after)"),
        (0.97, 0.4, "weaker when asked by name (recognised in 97\u00a0% of its pictures before, 40\u00a0% after)"),
        (0.97, 0.9, "still drawn when asked by name (recognised in 97\u00a0% of its pictures before, 90\u00a0% after)"),
        (0.1, 0.0, "hardly drawn by the base model, so little can be said (recognised in 10\u00a0% of its pictures "
         "before, 0\u00a0% after)"),
        (None, None, "no pictures were scored"),
    ],
)  # fmt: skip
def test_it_says_what_the_name_draws(before: float | None, after: float | None, words: str) -> None:
    said = headline(report(before, after))
    assert (said.by_name, said.attacked) == (words, "")
    assert str(said) == words
    assert "gone" not in words


def test_a_training_that_ended_early_says_so() -> None:
    assert str(headline(report(0.97, 0.0, 12))).startswith("after 12 of 40 steps, no longer drawn when asked by name")


def test_attacks_are_added_and_not_mixed_in() -> None:
    said = headline(report(0.97, 0.0), "not brought back by these attacks")
    assert said.attacked == "not brought back by these attacks"
    assert str(said).endswith("0\u00a0% after); not brought back by these attacks")
