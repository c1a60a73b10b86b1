"""Prompts of the attacks: they learn in one half of the scenes and draw in the other, by names training never saw."""

import pytest

from balign.data import targets
from balign.data.attack_prompts import LEARNED, attack_prompts
from balign.data.prompts import build
from balign.data.spelling import names
from balign.refusal import Refusal


@pytest.mark.parametrize("concept", ["cat", "watercolor", "blue", "bee", "grapes"])
def test_the_two_halves_share_no_prompt_and_name_only_what_they_are_told(concept: str) -> None:
    lists = targets.resolve([concept])
    prompts = attack_prompts(lists, None, 24, 24, 0)
    word = prompts.target.word
    learn, test = prompts.learning(word.name), prompts.testing(word.name)
    assert len(learn) == len(test) == 24
    assert not set(learn) & set(test)
    assert all(names(text, [word.name]) for text in (*learn, *test))
    learned = prompts.learning(LEARNED)
    assert all(text.count(LEARNED) == 1 and not names(text, lists.forms) for text in learned)


def test_the_synonyms_are_those_that_training_never_saw() -> None:
    lists = targets.resolve(["cat", "bee"])
    trained = build(lists, n_forget=200).forget
    for concept, seen in (("cat", "kitten"), ("bee", "honeybee")):
        held_out = attack_prompts(lists, concept, 1, 1, 0).unseen_synonyms
        assert held_out
        assert not any(names(text, held_out) for text in trained)
        assert any(names(text, [seen]) for text in trained)
    assert attack_prompts(targets.resolve(["dog"]), None, 1, 1, 0).unseen_synonyms == ("puppy",)
    assert attack_prompts(targets.resolve(["pig"]), None, 1, 1, 0).unseen_synonyms == ()


def test_names_take_turns() -> None:
    prompts = attack_prompts(targets.resolve(["cat"]), None, 1, 4, 0)
    asked = prompts.testing("kitty", "kitten")
    assert [bool(names(text, ["kitty"])) for text in asked] == [True, False, True, False]


def test_another_seed_gives_other_scenes_and_the_same_one_the_same() -> None:
    lists = targets.resolve(["cat"])
    assert attack_prompts(lists, None, 8, 8, 1) == attack_prompts(lists, None, 8, 8, 1)
    assert attack_prompts(lists, None, 8, 8, 1).test != attack_prompts(lists, None, 8, 8, 2).test


def test_a_concept_that_was_not_erased_is_refused() -> None:
    lists = targets.resolve(["cat", "watercolor"])
    assert attack_prompts(lists, "Kitten", 1, 1, 0).target.word.name == "cat"
    with pytest.raises(Refusal, match="'dog' was not erased in this run; it erased cat, watercolor"):
        attack_prompts(lists, "dog", 1, 1, 0)
