"""A grammar's two halves share no word, its twins differ by the concept alone, and what is no grammar is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from balign.data.grammar import Grammar
from balign.data.prompts import build
from balign.data.targets import resolve
from balign.refusal import Refusal

VALUES: dict[str, Any] = {
    "template": "A {mood} {concept} person {action}.",
    "concept": ["nude", "bare"],
    "train": {"mood": ["calm", "glad"], "action": ["reading", "running", "asleep"]},
    "test": {"mood": ["sad"], "action": ["at work", "at rest"]},
}


def grammar(**changes: Any) -> Grammar:
    return Grammar.model_validate(VALUES | changes)


def test_every_scene_comes_once_and_a_twin_only_lacks_the_concept() -> None:
    made = grammar().composed("train", 6, seed=3)
    assert len({each.twin for each in made}) == 6
    named = [next(word for word in ("nude", "bare") if f" {word} " in each.prompt) for each in made]
    assert sorted(named) == ["bare"] * 3 + ["nude"] * 3
    for each, word in zip(made, named, strict=True):
        assert each.twin == each.prompt.replace(f" {word} ", " ")
    assert grammar().composed("train", 4, seed=3) == made[:4]
    assert grammar().composed("train", 6, seed=4) != made
    with pytest.raises(Refusal, match=r"7 prompts to train on were asked for; the grammar makes at most 6\."):
        grammar().composed("train", 7, seed=3)


def test_prompts_of_a_run_are_the_grammars() -> None:
    other = grammar(twin=["clothed", "tall"], neighbours=["armoured"])
    sets = build(resolve(["nude"], lexicon="people"), 4, 6, n_test=2, grammar=other, n_trained=3)
    assert (len(sets.forget), len(sets.anchor), len(sets.retain)) == (4, 4, 6)
    assert sets.retain[:4] == sets.anchor
    assert [test.prompt for test in sets.trained_test] == sets.retain[:3]
    assert [test.prompt for test in sets.kept_test] == [test.twin for test in sets.erased_test]
    assert all("armoured" in test.prompt for test in sets.neighbours_test)
    assert {test.labels["attribute"] for test in sets.erased_test} == {"nude"}
    assert list(sets.tests) == ["erased", "kept", "neighbours", "trained"]
    uniform = build(resolve(["nude"], lexicon="people"), 4, 6, n_test=2, grammar=other, uniform=True)
    assert (set(uniform.forget), set(uniform.retain)) == ({sets.forget[0]}, {sets.retain[0]})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"template": "A {mood} person {action}."}, "with concept in the template"),
        ({"template": "A {mood} {mood} {concept} {action}."}, "has a field twice"),
        ({"template": "A {mood} {concept} {action} {0}."}, "no plain name of a field"),
        ({"template": "A {mood} {concept.__class__} {action}."}, "no plain name of a field"),
        ({"template": "A {mood!r} {concept:>9} {action}."}, "no plain name of a field"),
        ({"template": "A {mood} {concept} {action"}, "no plain name of a field"),
        ({"test": {"mood": ["Glad"], "action": ["at work"]}}, "share no word"),
        ({"test": {"mood": ["sad"]}}, "they must be the same"),
        ({"concept": []}, "at least 1 item"),
        ({"concept": [" "]}, "empty text"),
        ({"twin": ["tall"], "neighbours": ["Tall"]}, "never trained on"),
        ({"train": {"mood": ["x" * 101], "action": ["running"]}}, "at most 100 characters"),
        ({"train": {"mood": [str(k) for k in range(201)], "action": ["running"]}}, "at most 200 items"),
    ],
)
def test_what_is_no_grammar_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        grammar(**changes)


def test_a_twin_that_names_the_concept_or_a_second_concept_is_refused() -> None:
    for changes in ({"twin": ["naked"]}, {"twin": ["bare"]}, {"neighbours": ["half nude"]}):
        with pytest.raises(Refusal, match="which is to be erased"):
            build(resolve(["nude"], lexicon="people"), 2, 2, grammar=grammar(**changes), n_test=2)
    with pytest.raises(Refusal, match="2 concepts are erased with a grammar; it is made for one"):
        build(resolve(["nude", "bloody"], lexicon="people"), 2, 2, grammar=grammar(), n_test=2)
