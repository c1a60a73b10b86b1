"""Degenerate data give exact answers, kin are not counted as strangers, and words claim no more than numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balign.measure.intervals import Change, change, cluster_means, interval, sign_flip, verdict, wilson


def test_no_difference_at_all_is_exactly_zero() -> None:
    found = change([0.3] * 20, [0.3] * 20, range(20))
    assert found == Change(0.0, 0.0, 0.0, 1.0, 20)
    assert verdict(found) == "no loss of alignment larger than 0.001 at 95\u00a0%"


def test_the_same_difference_everywhere() -> None:
    found = change([0.5] * 10, [0.25] * 10, range(10))
    assert (found.mean, found.low, found.high) == (-0.25, -0.25, -0.25)
    assert found.p == pytest.approx(2 / 2**10)
    assert verdict(found) == "a loss of alignment between 0.250 and 0.250 at 95\u00a0%"


def test_one_prompt_and_none() -> None:
    assert change([0.1, 0.3], [0.2, 0.5], ["a", "a"]) == Change(pytest.approx(0.15), None, None, None, 1)
    assert change([], [], []) == Change(None, None, None, None, 0)
    assert verdict(change([], [], [])) == "too few prompts to say (0, of at least 8)"


def test_one_odd_prompt_among_equals() -> None:
    found = change([0.0] * 12, [0.0] * 11 + [0.12], range(12))
    assert found.mean == pytest.approx(0.01)
    assert found.low is not None
    assert found.low <= 0.01 <= found.high
    assert found.p == 1.0


def test_few_prompts_are_flagged_however_many_images() -> None:
    found = change([0.0] * 70, [0.0] * 70, [i % 7 for i in range(70)])
    assert found.n == 7
    assert found.too_few
    assert verdict(found) == "too few prompts to say (7, of at least 8)"


def test_seeds_are_averaged_inside_a_prompt() -> None:
    assert cluster_means([1, 3, 10, 2], ["b", "b", "a", "b"]).tolist() == [2, 10]
    rng = np.random.default_rng(0)
    effect = rng.normal(0, 0.03, 16)
    d = effect.repeat(20) + rng.normal(0, 0.001, 320)
    many = change(np.zeros(320), d, np.arange(16).repeat(20))
    alone = change(np.zeros(320), d, np.arange(320))
    assert many.high - many.low > 2.5 * (alone.high - alone.low)


def test_small_samples_have_exact_sign_flips() -> None:
    assert sign_flip(np.array([1.0, 2.0, 3.0])) == pytest.approx(2 / 8)
    assert sign_flip(np.array([1.0, -1.0])) == 1.0


def test_a_shift_is_found_and_noise_is_not() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.02, 40)
    shifted = change(np.zeros(40), noise - 0.03, range(40))
    assert shifted.p < 0.001
    assert shifted.high < 0
    still = change(np.zeros(40), noise - noise.mean(), range(40))
    assert still.p > 0.5
    assert still.low < 0 < still.high
    assert change(np.zeros(40), noise, range(40)) == change(np.zeros(40), noise, range(40))


def test_the_interval_covers_what_it_says() -> None:
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(60):
        low, high = interval(rng.normal(0.1, 1, 25))
        hits += low <= 0.1 <= high
    assert hits >= 51  # 95 % of 60 is 57; fewer than 51 has odds below one in a thousand


@pytest.mark.parametrize(
    ("low", "high", "sentence"),
    [
        (0.01, 0.02, "closer to their prompts than before, by at least 0.010 at 95\u00a0%"),
        (-0.05, -0.02, "a loss of alignment between 0.020 and 0.050 at 95\u00a0%"),
        (-0.009, -0.001, "a loss of alignment between 0.001 and 0.009 at 95\u00a0%"),
        (-0.01, 0.02, "no loss of alignment larger than 0.010 at 95\u00a0%"),
        (0.0, 0.0, "no loss of alignment larger than 0.001 at 95\u00a0%"),
        (-0.05, 0.001, "not clear: a loss of up to 0.050 cannot be ruled out at 95\u00a0%"),
    ],
)
def test_the_verdict_says_what_the_interval_allows(low: float, high: float, sentence: str) -> None:
    assert verdict(Change((low + high) / 2, low, high, 0.5, 20)) == sentence


def test_four_prompts_of_four_seeds_are_too_few() -> None:
    prompts = [f"prompt {k // 4}" for k in range(16)]
    few = change([0.3] * 16, [0.3 + 0.001 * (k % 3) for k in range(16)], prompts)
    assert few.n == 4
    assert verdict(few) == "too few prompts to say (4, of at least 8)"
    assert verdict(Change(None, None, None, None, 0)) == "too few prompts to say (0, of at least 8)"
    assert verdict(Change(0.1, None, None, None, 20)).startswith("too few prompts to say")


def test_wilson_intervals() -> None:
    low, high = wilson(0, 142)
    assert low == 0.0
    assert high == pytest.approx(0.0263, abs=1e-4)
    assert wilson(142, 142)[1] == 1.0
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)


def test_what_does_not_pair_up_is_refused() -> None:
    with pytest.raises(ValueError, match="do not pair up"):
        change([1], [1, 2], ["a", "b"])
    with pytest.raises(ValueError, match="not a finite number"):
        change([float("nan")] * 3, [1, 2, 3], range(3))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=12))
def test_any_differences_have_an_ordered_finite_answer(d: list[float]) -> None:
    found = change([0.0] * len(d), d, range(len(d)))
    assert found.low <= found.high
    assert 0 < found.p <= 1
    assert min(d) - 1e-9 <= found.low
    assert found.high <= max(d) + 1e-9
