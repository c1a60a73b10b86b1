"""Lexicons of models that draw classes: every prompt they make is the name of a class and nothing more."""

import json
from pathlib import Path

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


def test_any_models_labels_are_its_words(tmp_path: Path) -> None:
    index = tmp_path / "model_index.json"
    labels = {"0": "tench, Tinca tinca", "1": "crane", "2": "crane, derrick", "3": "x" * 101, "4": "\x1b[2J", "5": " "}
    index.write_text(json.dumps({"id2label": labels}))
    found = load(str(index))
    assert {word.name: word.synonyms for word in found.all_words()} == {
        "tench": ("Tinca tinca",),
        "crane": ("derrick",),
    }
    assert found.closed
    sets = build(resolve(["crane"], [], str(index)), n_forget=4, n_retain=4, n_test=4)
    assert set(sets.forget) <= {"crane", "derrick"}
    assert set(sets.retain) == {"tench"}
    with pytest.raises(Refusal, match="The model does not know 'cat'"):
        resolve(["cat"], [], str(index))


@pytest.mark.parametrize("content", ["", "{}", '{"id2label": 1}', '{"id2label": {"a": "cat"}}', '{"id2label": {}}'])
def test_labels_that_are_none_are_refused(content: str, tmp_path: Path) -> None:
    index = tmp_path / "model_index.json"
    index.write_text(content)
    with pytest.raises(Refusal, match=r"cannot be read|name no class"):
        load(str(index))


def test_a_narrow_retain_set_is_of_these_words_and_the_tests_are_the_same() -> None:
    lists = resolve(["coat"], [word for word in load("fashion").words["object"] if word != "coat"], "fashion")
    whole, narrow = (build(lists, n_retain=8, only=only) for only in ((), ("pullover", "shirt")))
    assert set(narrow.retain) == {"pullover", "shirt"}
    assert len(narrow.retain) == 8
    assert narrow.tests == whole.tests
    alone = build(resolve(["coat"], [], "fashion"), n_retain=8, only=("pullover", "shirt"))
    assert set(alone.retain) == {"pullover", "shirt"}
    for odd in ("coat", "cat"):
        with pytest.raises(Refusal, match="is no other word of the kind"):
            build(lists, only=(odd,))
