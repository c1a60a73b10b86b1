"""Number formats: one for each kind of number, and a dash for what is none."""

from typing import Any

import pytest

from balign.markup import formats
from balign.markup.formats import MINUS, NONE
from tests.ui.hostile import HOSTILE

SPACE = "\N{NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (formats.decimal(0.5), "0.500"),
        (formats.decimal(-0.25), f"{MINUS}0.250"),
        (formats.decimal(1.25e-7, ".3g"), f"1.25e{MINUS}07"),
        (formats.signed(0.001), "+0.001"),
        (formats.signed(-0.2067), f"{MINUS}0.207"),
        (formats.percent(0.966), f"97{SPACE}%"),
        (formats.percent(0), f"0{SPACE}%"),
        (formats.percents(0.023, 0.258), f"2{formats.NONE}26{SPACE}%"),
        (formats.between(-0.3, 0.1), f"[{MINUS}0.300, +0.100]"),
        (formats.between(None, None), f"[{NONE}, {NONE}]"),
        (formats.p_value(0.0002), "< 0.001"),
        (formats.p_value(0.0410), "0.041"),
        (formats.duration(2), "5 s"),
        (formats.duration(47), "45 s"),
        (formats.duration(131), "2 min 10 s"),
        (formats.duration(599), "9 min 50 s"),
        (formats.duration(3_000), "50 min"),
        (formats.duration(9_000), "2.5 h"),
        (formats.duration(None), ""),
        (formats.gigabytes(0.01), "0.1 GB"),
        (formats.gigabytes(23.6), "24 GB"),
        (", ".join(map(formats.ordinal, (1, 2, 3, 4, 11, 12, 13, 21, 112, 1001))),
         "1st, 2nd, 3rd, 4th, 11th, 12th, 13th, 21st, 112th, 1,001st"),
        (formats.counted(1, "step"), "1 step"),
        (formats.counted(2_000, "pair"), "2,000 pairs"),
        (formats.counted(0, "pair"), "0 pairs"),
    ],
)  # fmt: skip
def test_each_kind_of_number_has_one_format(text: str, expected: str) -> None:
    assert text == expected


@pytest.mark.parametrize("value", [None, True, "3", float("nan"), float("inf"), [], {"a": 1}])
@pytest.mark.parametrize("form", [formats.decimal, formats.signed, formats.percent, formats.p_value])
def test_what_is_no_number_is_a_dash(form: Any, value: Any) -> None:
    assert form(value) == NONE


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_that_a_stranger_sends_breaks_a_format(value: Any) -> None:
    for form in (formats.decimal, formats.signed, formats.percent, formats.p_value, formats.duration):
        assert "<" not in form(value).replace("< 0.001", "")
