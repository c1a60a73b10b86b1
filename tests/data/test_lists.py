"""Lists are split alike everywhere, what is in quotes is one entry, and what is written is read as it was."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balign.data.lists import split, split_prompts, written

FULL = "\uff0c"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "cat, dog",
            "cat; dog",
            "cat | dog",
            "cat\ndog",
            "cat,dog,",
            " cat ,\n dog ",
            "- cat\n- dog",
            "1) cat\n2) dog",
        ),
        *("* cat\n* dog", '["cat", "dog"]', "'cat', 'dog'", "“cat”, “dog”", "cat, and dog", "cat; ;dog", "cat\r\ndog"),
        *(f"cat{FULL}dog", "cat、dog", "cat، dog", "cat؛ dog", "cat\tdog", "cat & dog", "cat/dog", "cat and dog"),
    ],
)
def test_every_separator_parts(text: str) -> None:
    assert split(text, lambda name: name in ("cat", "dog")) == ["cat", "dog"]


@pytest.mark.parametrize(
    "text", ["salt and pepper", "Washington, D.C.", "Martin Luther King, Jr.", "1,000 cranes", "AC/DC", "R&B singer"]
)
def test_one_name_stays_one(text: str) -> None:
    assert split(text, lambda name: name == "cat") == [text]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("🐱🐶", ["🐱", "🐶"]),
        ("🐱 🐶, owl", ["🐱", "🐶", "owl"]),
        ("🇫🇷🇩🇪", ["🇫🇷", "🇩🇪"]),
        ("👩\u200d🍳👍🏽❤️", ["👩\u200d🍳", "👍🏽", "❤️"]),
        ("🐱 cat", ["🐱 cat"]),
        ('"🐱🐶"', ["🐱🐶"]),
    ],
)
def test_emoji_in_a_row_are_one_each(text: str, found: list[str]) -> None:
    assert split(text) == found


def test_a_prompt_keeps_its_commas() -> None:
    prompt = "a photo of a dog, oil painting, highly detailed picture of it"
    assert split_prompts(prompt) == [prompt]
    assert split_prompts(f"{prompt}\ndog, owl") == [prompt, "dog", "owl"]
    assert split_prompts('"a dog, red, big"\na sign that says "stop", in a street at night') == [
        "a dog, red, big",
        'a sign that says "stop", in a street at night',
    ]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["cat", "a; b", "a, b", "hot dog", "x | y", "one, two, three", "猫", "it's"]), max_size=6)
)
def test_what_is_written_is_read_again(entries: list[str]) -> None:
    assert split(written(entries, ", ")) == entries
    assert split_prompts(written(entries, "\n")) == entries
