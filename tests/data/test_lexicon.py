"""Words are found by any of their names, never inside another word, and prompts are good English."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balign.data.lexicon import OPEN, load
from balign.data.meaning import understand
from balign.data.spelling import names, same

ALL = ("emoji", *OPEN)


@pytest.mark.parametrize(
    ("text", "phrase", "found"),
    [
        ("a CAT on a mat", "cat", True),
        ("two cats", "cat", True),
        ("cherries in a bowl", "cherry", True),
        ("three buses", "bus", True),
        ("tomatoes", "tomato", True),
        ("a scattered category", "cat", False),
        ("a caterpillar", "cat", False),
        ("a watermelon", "water", False),
        ("an ice-cream cone", "ice", False),
        ("the style of van gogh!", "Van Gogh", True),
        ("gogh van", "Van Gogh", False),
        ("an 8-bit drawing", "8-bit", True),
        ("", "cat", False),
        ("a cat", "", False),
    ],
)
def test_a_name_is_found_as_whole_words_only(text: str, phrase: str, found: bool) -> None:
    assert (names(text, [phrase]) is not None) == found


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=40), st.text(max_size=10))
def test_names_never_fails_and_a_text_names_itself(text: str, other: str) -> None:
    names(text, [other])
    if any(c.isalnum() for c in text):
        assert names(text, [text]) == text
        assert same(text, text.upper().lower()) or not text.isascii()


@pytest.mark.parametrize("name", ALL)
def test_every_lexicon_is_whole(name: str) -> None:
    lexicon = load(name)
    fields = set(lexicon.words) | set(lexicon.dimensions)
    taken: dict[str, str] = {}
    for word in lexicon.all_words():
        for called in (word.name, *word.synonyms):
            assert taken.setdefault(called.lower(), word.name) == word.name, f"{called} is said of two words"
    for half in ("train", "test"):
        for template in lexicon.templates[half]:
            said = lexicon.fill(template, {field: "x" for field in fields})
            assert "{" not in said
            assert "  " not in said
    for halves in lexicon.dimensions.values():
        assert not set(halves["train"]) & set(halves["test"])
    for kind in lexicon.words:
        assert lexicon.zero_shot[kind]


def test_the_bundled_wordings_differ_between_halves() -> None:
    templates = load("emoji").templates
    assert not set(templates["train"]) & set(templates["test"])


def test_articles_fit_what_follows() -> None:
    emoji = load("emoji")
    fill = emoji.fill
    shown = {"style": "ink", "object": "cat", "background": "orange"}
    assert fill("a {style} {object} on a {background} background", shown) == "an ink cat on an orange background"
    assert fill("a {object}", {"object": "scissors"}) == "scissors"
    assert fill("a {style} {object}", {"style": "flat", "object": "jeans"}) == "flat jeans"
    assert (
        fill("a {object} in a {style} look", {"style": "8-bit", "object": "umbrella"}) == "an umbrella in an 8-bit look"
    )
    assert load("objects").fill("a photo of a {object}", {"object": "unicorn"}) == "a photo of a unicorn"


def test_an_unknown_word_of_the_bundled_model_is_refused_with_what_is_near() -> None:
    with pytest.raises(ValueError, match=r"does not know 'guitarr'; did you mean guitar"):
        understand("guitarr", "emoji")
    with pytest.raises(ValueError, match=r"does not know 'zzzz'; it knows words such as cat, glossy, white"):
        understand("zzzz", "emoji")


@pytest.mark.parametrize(
    ("said", "lexicon", "word", "kind"),
    [
        ("Kittens", "emoji", "cat", "object"),
        ("8-bit", "emoji", "pixel", "style"),
        ("blue", "emoji", "blue", "background"),
        ("van gogh", "objects", "Van Gogh", "style"),
        ("naked", "styles", "nude", "attribute"),
        ("snoopy", "objects", "snoopy", "object"),
        ("Frank Miller style", "objects", "Frank Miller", "style"),
        ("the style of Monet", "objects", "Claude Monet", "style"),
    ],
)
def test_a_concept_is_found_by_any_of_its_names(said: str, lexicon: str, word: str, kind: str) -> None:
    (found,) = understand(said, lexicon).words
    assert (found.name, found.kind) == (word, kind)


def test_an_unknown_lexicon_is_one_sentence() -> None:
    with pytest.raises(
        ValueError, match="There is no lexicon 'x'; there are backgrounds, emoji, fashion, imagenet, objects, people,"
    ):
        load("x")
