"""Names are compared by what they mean to a reader: no accent, no form of a letter and no emoji variant parts them."""

import pytest

from balign.data.lexicon import load
from balign.data.spelling import bare, names, same, singular, spoken
from balign.data.targets import clash


@pytest.mark.parametrize(
    ("one", "other"),
    [
        *(("Pokémon", "Poke\u0301mon"), ("Albrecht Dürer", "albrecht durer"), ("Łódź", "lodz"), ("straße", "STRASSE")),
        *(
            ("ΓΆΤΑ", "γάτα"),
            ("\uff23\uff41\uff54", "cat"),
            ("❤️", "❤"),
            ("Ёлка", "елка"),
            ("قِطَّة", "قطة"),
            ("\u06af\u0631\u0628\u0647\u200c\u0647\u0627", "\u06af\u0631\u0628\u0647\u0647\u0627"),
        ),
        *(("wolves", "wolf"), ("boxes", "box"), ("children", "child"), ("Ørsted", "orsted"), ("ﬁsh", "fish")),
    ],
)
def test_the_same_name(one: str, other: str) -> None:
    assert same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("glasses", "glass"),
        ("news", "new"),
        ("cares", "car"),
        ("rates", "rat"),
        ("が", "か"),
        ("мой", "мои"),
        ("🐱", "🐶"),
    ],
)
def test_another_name(one: str, other: str) -> None:
    assert not same(one, other)


def test_scripts_without_spaces_and_with_signs_are_read_in_words() -> None:
    assert names("黒い猫がいる", ["猫"])
    assert names("แมวดำ", ["แมว"])
    assert not names("बिल्ली", ["बिल"])
    assert names("एक बिल्ली", ["बिल्ली"])
    assert names("two 🐱 on a mat", ["🐱"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("🐱", "cat face"),
        ("🐱 cat", "cat"),
        ("🇫🇷", "French flag"),
        ("👩\u200d🚀", "astronaut"),
        ("👍🏽", "thumbs up sign"),
        ("a cat", "a cat"),
        ("\U0001f3f3\ufe0f\u200d\U0001f308", "rainbow flag"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "family"),
    ],
)
def test_emoji_are_said(text: str, said: str) -> None:
    assert spoken(text) == said


@pytest.mark.parametrize(
    ("erased", "text", "found"),
    [
        ("dog", "hot dog", ("dog", True)),
        ("dog", "a hot dog and a dog", ("dog", False)),
        ("dog", "a black dog", ("dog", False)),
        ("dog", "dog house", ("dog", True)),
        ("glasses", "a glass of water", (None, False)),
        ("news", "a new car", (None, False)),
        ("tiger", "tiger cat", ("tiger", False)),
        ("cat", "category", (None, False)),
    ],
)
def test_what_merely_holds_the_word(erased: str, text: str, found: tuple[str | None, bool]) -> None:
    assert clash(text, [erased], load("objects")) == found


def test_unlisted_names() -> None:
    assert [
        bare(name) for name in ("Pikachu", "Albert Einstein", "猫", "water", "headphones", "unicorn", "red car")
    ] == [
        *[True] * 5,
        *[False] * 2,
    ]
    assert [singular(name) for name in ("dragons", "glasses", "red foxes", "cherries", "mice", "bus", "Beatles")] == [
        *("dragon", "glasses", "red fox", "cherry", "mouse", "bus", "Beatles")
    ]
