"""What people type is understood as the table says, which was read through; every group has its prompts."""

import unicodedata

import pytest

from balign.data.kinds import KINDS
from balign.data.spelling import names
from tests.data.input_table import read, row

ROWS = read()


def test_every_input_is_understood_as_in_the_table() -> None:
    now = [{"given": each["given"], **row(each["given"])} for each in ROWS]
    changed = [(then, new) for then, new in zip(ROWS, now, strict=True) if then != new]
    assert changed == []


def test_the_table_is_wide() -> None:
    typed = "".join(each["given"]["erase"] for each in ROWS)
    scripts = {unicodedata.name(char).split()[0] for char in typed if char.isalpha()}
    assert len(ROWS) >= 250
    assert len(scripts & {"LATIN", "CJK", "HIRAGANA", "HANGUL", "ARABIC", "HEBREW", "GREEK", "CYRILLIC", "THAI"}) == 9
    understood = {each.partition(":")[0] for row in ROWS for each in row.get("understood", ())}
    assert understood == set(KINDS)


@pytest.mark.parametrize("article", ["a a", "a an", "an a ", "the the", "a the", " ,", ",,", "  ", "a an "])
def test_no_prompt_stumbles(article: str) -> None:
    groups = ("forget", "instead", "retain", "erased", "kept", "neighbours")
    said = [f"{prompt} " for row in ROWS for group in groups for prompt in row.get(group, ())]
    assert [prompt for prompt in said if f" {article} " in f" {prompt}"] == []
    assert len(said) > 3_000


def test_nothing_that_is_kept_is_sensitive() -> None:
    sensitive = ("nude", "naked", "bloody", "violence", "hate", "self-harm", "sexual content", "illegal activity")
    for each in ROWS:
        if "keep" not in each["given"]:
            kept = [prompt for group in ("instead", "retain", "kept", "neighbours") for prompt in each.get(group, ())]
            assert [prompt for prompt in kept if names(prompt, sensitive)] == []
