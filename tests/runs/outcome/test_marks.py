"""What is said of each pair, and whether that is a failure."""

import pytest

from balign.measure.report import Pair
from balign.runs.outcome import marks

ERASED = {"subject": ["cat"]}


def pair(word: str, before: bool, after: bool) -> Pair:
    seen = {"recognised_before": {"subject": before}, "recognised_after": {"subject": after}}
    return Pair.model_validate({"prompt": f"a {word}", "seed": 1, "labels": {"subject": word}} | seen)


@pytest.mark.parametrize(
    ("group", "word", "before", "after", "words", "failed"),
    [
        ("erased", "cat", True, True, "still shows it", True),
        ("erased", "cat", True, False, "no longer", False),
        ("kept", "dog", True, False, "no longer there", True),
        ("neighbours", "dog", True, True, "still there", False),
        ("own", "dog", True, False, "no longer there", True),
        ("own", "cat", True, False, "no longer", False),
        ("own", "cat", True, True, "still shows it", True),
    ],
)
def test_a_picture_is_judged_by_what_it_was_to_show(
    group: str, word: str, before: bool, after: bool, words: str, failed: bool
) -> None:
    [marked] = marks._marked(group, [pair(word, before, after)], ERASED)
    assert (marked.words, marked.failed) == (words, failed)


@pytest.mark.parametrize("group", ["erased", "kept", "own"])
def test_nothing_is_said_of_what_nobody_scored(group: str) -> None:
    [marked] = marks._marked(group, [Pair(prompt="a cat", seed=1)], ERASED)
    assert (marked.words, marked.failed) == ("", False)
