"""Close words are close, kept and not erased; twins are twins; the width of the keep side is counted, not guessed."""

import re

import pytest

from balign.data.lexicon import load
from balign.data.prompts import build
from balign.data.spelling import names
from balign.data.suggestions import OFFERED, breadth, close, twins
from balign.data.targets import resolve
from balign.runs.config import Concept

OBJECTS = load("emoji").words["object"]


def test_close_words_are_of_the_same_category_and_never_erased() -> None:
    offered = close(resolve(["cat", "dog"]))
    assert len(offered) == len(set(offered)) == OFFERED
    assert {OBJECTS[name].category for name in offered} == {"animal"}
    assert not {"cat", "dog"} & set(offered)


def test_every_concept_has_its_turn() -> None:
    assert [OBJECTS[name].category for name in close(resolve(["cat", "pizza"]), 4)] == ["animal", "food"] * 2


def test_styles_are_close_to_those_of_their_category() -> None:
    styles = load("emoji").words["style"].values()
    printed = {word.name for word in styles if word.category == load("emoji").words["style"]["ink"].category}
    assert set(close(resolve(["ink"]))) == printed - {"ink"}
    assert 1 < len(printed) < len(styles)


def test_a_word_that_contains_what_is_erased_is_not_offered() -> None:
    erased = next(word for word in load("objects").words["object"].values() if word.name == "cat")
    forms = [erased.name, *erased.synonyms]
    assert [name for name in close(resolve(["cat"], (), "objects"), 99) if names(name, forms)] == []


def test_nothing_is_close_to_a_word_that_no_list_holds() -> None:
    assert close(resolve(["snoopy"], (), "objects")) == []


def test_an_impossible_list_is_refused() -> None:
    with pytest.raises(ValueError, match="did you mean cat"):
        close(resolve(["catt"]))


@pytest.mark.parametrize("keep", [[], ["dog", "Dog", "a big golden owl"], [f"a dog {i}" for i in range(99)]])
@pytest.mark.parametrize("n_retain", [7, 40])
def test_twins_differ_by_the_concept_alone(keep: list[str], n_retain: int) -> None:
    pairs = twins(build(resolve([Concept.parse("panda=fox")], keep), n_forget=40, n_retain=n_retain))
    assert pairs
    for forget, retain in pairs:
        words = names(retain, sorted(OBJECTS, key=len, reverse=True))
        assert words is not None
        said, other = (set(re.findall(r"\w+", prompt)) - {"a", "an"} for prompt in (forget, retain))
        assert said - {"panda"} == other - set(re.findall(r"\w+", words))


def test_uniform_sets_have_twins_too() -> None:
    sets = build(resolve(["cat"], ["dog"]), uniform=True, n_forget=4, n_retain=4)
    assert twins(sets) == list(zip(sets.forget, sets.retain, strict=True))


def test_the_width_is_what_counting_gives() -> None:
    sets = build(resolve(["cat"]), n_retain=60)
    (found,) = breadth(sets)
    said = {names(prompt, sorted(OBJECTS, key=len, reverse=True)) for prompt in sets.retain}
    assert (found.kind, found.words, found.of_words) == ("object", len(said), len(OBJECTS) - 1)
    assert found.categories == len({OBJECTS[name].category for name in said if name})
    assert (found.prompts, found.of_prompts) == (len(set(sets.retain)), 60)


def test_a_uniform_set_is_seen_to_be_narrow() -> None:
    (found,) = breadth(build(resolve(["cat"]), uniform=True, n_retain=60))
    assert (found.words, found.categories, found.prompts, found.of_prompts) == (1, 1, 1, 60)


def test_each_kind_is_counted_for_itself() -> None:
    assert [found.kind for found in breadth(build(resolve(["cat", "ink", "dog"])))] == [
        "object",
        "style",
    ]
