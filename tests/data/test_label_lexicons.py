"""Lexicons of models that draw classes: every prompt they make is the name of a class and nothing more."""

import json

import pytest

from balign.data.lexicon import load
from balign.data.prompts import build
from balign.data.spelling import FOLDER
from balign.data.targets import resolve
from balign.refusal import Refusal


@pytest.mark.parametrize(
    ("lexicon", "concept", "kept"),
    [("fashion", "shirt", "ankle boot"), ("imagenet", "golden retriever", "white stork")],
)
def test_every_prompt_is_a_class(lexicon: str, concept: str, kept: str) -> None:
    sets = build(resolve([concept], [kept], lexicon), n_forget=24, n_retain=48, n_test=12)
    word = load(lexicon).words["object"][concept]
    own = {word.name, *word.synonyms}
    others = {
        name for other in load(lexicon).all_words() if other is not word for name in (other.name, *other.synonyms)
    }
    assert set(sets.forget) <= own
    assert set(sets.retain) <= others
    assert kept in sets.retain[: sets.listed]
    assert set(sets.anchor) <= others
    shown = [test.labels["object"] for group in sets.tests.values() for test in group]
    assert shown == [test.prompt for group in sets.tests.values() for test in group]
    assert len(sets.forget) == 24
    assert len(sets.retain) == 48


def test_the_classes_of_fashion_are_ten_and_a_t_shirt_is_no_shirt() -> None:
    assert len(load("fashion").words["object"]) == 10
    sets = build(resolve(["shirt"], ["T-shirt"], "fashion"))
    assert "T-shirt" in sets.retain
    assert "shirt" not in sets.retain


def test_what_is_no_class_is_refused() -> None:
    with pytest.raises(Refusal, match="does not know 'sneeker'; did you mean sneaker"):
        resolve(["sneeker"], (), "fashion")


def test_no_word_of_imagenet_is_of_two_classes() -> None:
    words = json.loads((FOLDER / "imagenet.json").read_text("utf-8"))["objects"]
    listed = [name for word, about in words.items() for name in (word, *about.get("synonyms", ()))]
    assert len(listed) == len(set(listed))
    assert len(words) == 997
