"""What is refused and warned of before anything is drawn."""

import time

import pytest

from balign.data.lexicon import load
from balign.data.targets import resolve
from balign.runs.config import Concept


@pytest.mark.parametrize(
    ("concepts", "keep", "said"),
    [
        ([], [], "Nothing to erase"),
        ([" "], [], "empty concept"),
        (["cat"], ["a golden cat"], "'a golden cat' names 'cat'"),
        (["cat"], ["two Kittens, flat"], "names 'kitten'"),
        (["cat"], [""], "empty text was given to keep"),
        ([Concept.parse("cat=dragon")], [], "'cat' cannot be replaced with 'dragon'; another thing is accepted"),
        ([Concept.parse("cat=ink")], [], "another thing is accepted"),
        ([Concept.parse("cat=dog"), "dog"], [], "'dog', which is itself to be erased"),
        ([Concept.parse("cat=kitty")], [], "which is itself to be erased"),
        (list(load("emoji").words["style"]), [], "Nothing is left to keep: every style"),
    ],
)
def test_impossible_lists_are_refused_in_one_sentence(concepts: list, keep: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said) as raised:
        resolve(concepts, keep, "emoji")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("concepts", "keep", "lexicon", "said"),
    [
        (["cat", "cat"], [], "emoji", "'cat' was given twice"),
        (["cat", "kitten"], [], "emoji", "'kitten' was given twice"),
        (["kitten"], [], "emoji", "'kitten' is another word for 'cat'"),
        (["cat"], ["a dog", "A  dog"], "emoji", "1 of the 2 texts to keep is a duplicate"),
        (["cat"], ["an astronaut", "a knight"], "emoji", "knows no word of 'an astronaut' and 1 more"),
        (["snoopy"], [], "objects", "'snoopy' is in no list of words; it is taken as one more thing"),
    ],
)
def test_odd_lists_are_warned_of(concepts: list, keep: list[str], lexicon: str, said: str) -> None:
    assert any(said in warning for warning in resolve(concepts, keep, lexicon).warnings)


def test_plain_lists_pass_in_silence() -> None:
    assert resolve(["cat", Concept.parse("ink=flat")], ["dog", "a caterpillar and a dog"]).warnings == ()
    assert resolve(["Van Gogh", "nude"], ["a watercolor by a child"], "objects").warnings == ()


def test_ten_thousand_texts_to_keep_are_checked_in_seconds() -> None:
    began = time.monotonic()
    resolve(["cat"], [f"a dog number {i} on a hill" for i in range(10_000)], "emoji")
    assert time.monotonic() - began < 60
