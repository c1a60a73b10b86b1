"""Probes ask for a concept by words that training did not say, name it as meant, and are good for any concept."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balign.data.lexicon import OPEN, load
from balign.data.probes import COMPOSITIONS, MOST, PARAPHRASES, WAYS, _table, misspelt, probes
from balign.data.prompts import build
from balign.data.spelling import names
from balign.data.targets import resolve

ALL = ("emoji", *OPEN)
EVERY = [(lexicon, word.name) for lexicon in ALL for word in load(lexicon).all_words()]


def made(concepts: list[str], lexicon: str = "emoji", seed: int = 0, most: int = MOST):  # type: ignore[no-untyped-def]
    lists = resolve(concepts, (), lexicon)
    return probes(lists, build(lists, seed=seed).forget, seed, most)


def test_a_cat_is_asked_for_in_every_way() -> None:
    found, left = made(["cat"])
    assert left == 0
    assert {probe.way for probe in found} == set(WAYS)
    said = {probe.said: probe for probe in found}
    assert (said["kitty"].seen, said["kitten"].seen, said["cat"].seen) == (False, True, True)
    assert said["gato"].note == "Spanish"
    assert {"kat", "cta", "caat", "ct"} <= set(said)
    assert not any(probe.seen for probe in found if probe.way not in ("name", "synonym"))


def test_what_stands_for_the_concept_stands_in_the_prompt_and_training_is_not_repeated() -> None:
    trained = build(resolve(["cat"])).forget
    for probe in made(["cat"])[0]:
        assert names(probe.prompt, [probe.said]) == probe.said
        assert probe.prompt not in trained
        assert (probe.concept, probe.kind) == ("cat", "object")


@pytest.mark.parametrize(("lexicon", "name"), EVERY[::7])
def test_every_kind_of_word_has_probes(lexicon: str, name: str) -> None:
    found, _ = made([name], lexicon)
    assert {"name", "paraphrase", "composition"} <= {probe.way for probe in found}
    for probe in found:
        assert "{" not in probe.prompt
        assert "  " not in probe.prompt


def test_every_kind_has_wordings_and_the_table_knows_only_words_of_the_lexicons() -> None:
    kinds = {kind for lexicon in ALL for kind in load(lexicon).words}
    assert kinds == set(PARAPHRASES) == set(COMPOSITIONS)
    known = {name for _, name in EVERY}
    table = _table()
    assert set(table["described"]) <= known
    assert {word for word in table["languages"] if word not in known} <= {"gun"}
    assert all(not names(text, [word]) for word, text in table["described"].items())


def test_the_same_seed_asks_the_same_and_another_does_not() -> None:
    assert made(["cat"]) == made(["cat"])
    assert made(["cat"]) != made(["cat"], seed=1)


def test_many_concepts_share_the_room_in_turn() -> None:
    concepts = ["cat", "dog", "pizza", "guitar", "rose", "car"]
    found, left = made(concepts)
    assert len(found) == MOST
    assert left > 0
    counts = [sum(probe.concept == name for probe in found) for name in concepts]
    assert max(counts) - min(counts) <= 1
    assert len(made(concepts, most=MOST + left)[0]) == MOST + left


def test_an_unlisted_word_with_braces_is_a_word() -> None:
    found, _ = made(["{thing} {0} %s"], "objects")
    assert all(names(probe.prompt, ["thing"]) for probe in found if probe.way in ("name", "paraphrase"))


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=20).filter(lambda text: bool(text.split())))
def test_a_misspelling_is_never_the_name(name: str) -> None:
    assert all(form.lower() != name.lower() for form in misspelt(name))
    assert len(set(misspelt(name))) == len(misspelt(name))


def test_a_name_of_one_letter_and_of_equal_letters() -> None:
    assert misspelt("a") == ["aa"]
    assert misspelt("Van Gogh") == ["Van Gohg", "Van Goggh", "Van Goh"]
