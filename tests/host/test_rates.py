"""How often a visitor may ask: counts that end after an hour, in bounded memory."""

import contextlib

import pytest

from balign.host import rates
from balign.refusal import Refusal


def test_a_visitor_begins_so_many_runs_an_hour_and_no_more() -> None:
    rate = rates.Rate()
    rate.admit({"ann": 2}, now=0)
    rate.admit({"ann": 2, "here": 3}, now=600)
    with pytest.raises(ValueError, match=r"^2 runs were begun from here within an hour; try again in 50 min\.$"):
        rate.admit({"ann": 2, "here": 3}, now=601)
    rate.admit({"bob": 2, "here": 3}, now=602)
    rate.admit({"ann": 2, "here": 3}, now=3601)
    with pytest.raises(ValueError, match=r"^3 runs"):  # another secret, the same address
        rate.admit({"eve": 2, "here": 3}, now=3602)


def test_a_refused_start_is_not_counted() -> None:
    rate = rates.Rate()
    rate.admit({"here": 1}, now=0)
    for k in range(5):
        with pytest.raises(ValueError, match="try again"):
            rate.admit({"ann": 1, "here": 1}, now=k)
    rate.admit({"ann": 1}, now=6)


def test_refused_attempts_cost_no_memory_and_evict_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MAX_KEYS", 5)
    rate = rates.Rate()
    rate.admit({"here": 1}, now=0)
    for k in range(1_000):
        with pytest.raises(Refusal):
            rate.admit({f"secret {k}": 1, "here": 1}, now=1)
    assert list(rate._seen) == ["here"]


def test_amounts_add_up_and_an_hour_later_there_is_room() -> None:
    rate = rates.Rate()
    rate.admit({"a": 10, "all": 15}, "bytes may be uploaded", 10, now=0)
    for address in ("a", "b"):
        with pytest.raises(Refusal, match="bytes may be uploaded from here within an hour"):
            rate.admit({address: 10, "all": 15}, "bytes may be uploaded", 6, now=10)
    rate.admit({"a": 10, "all": 15}, "bytes may be uploaded", 10, now=3_601)


def test_however_many_come_nobody_is_freed_and_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MAX_KEYS", 5)
    monkeypatch.setattr(rates, "SHARED", 7)
    rate = rates.Rate()
    rate.admit({"at the limit": 1}, now=0)
    rate.admit({"half way": 2}, now=0)
    for k in range(1_000):
        with contextlib.suppress(Refusal):  # those beyond MAX_KEYS share their counts
            rate.admit({f"visitor {k}": 3}, now=k / 10)
    for key, most in (("at the limit", 1), ("half way", 1), ("one more", 1)):
        with pytest.raises(Refusal):
            rate.admit({key: most}, now=200)
    assert len(rate._seen) <= 5 + 7
    rate.admit({"one more": 1}, now=7_300)
    assert len(rate._seen) <= 5 + 7


def test_who_was_counted_with_others_is_not_freed_when_there_is_room_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MAX_KEYS", 1)
    rate = rates.Rate()
    rate.admit({"first": 1}, now=0)
    rate.admit({"second": 1}, now=3_000)
    with pytest.raises(Refusal):
        rate.admit({"second": 1}, now=3_700)  # the first is forgotten by now


def test_several_charges_are_counted_together_or_not_at_all() -> None:
    rate = rates.Rate()
    starts, images = rates.Charge("starts", 5), rates.Charge("images", 10, 11, "images may be drawn")
    for _ in range(9):
        with pytest.raises(Refusal, match=r"^10 images may be drawn from here within an hour; ask for less\.$"):
            rate.charge([starts, images])
    for _ in range(5):
        rate.charge([starts])
    assert not rate._recent("images", 0)


def test_many_small_amounts_cost_no_more_than_few_large_ones() -> None:
    rate = rates.Rate()
    for k in range(10_000):
        rate.admit({"a": 10_000}, amount=1, now=k / 10)
    assert len(rate._seen["a"]) <= 18
    with pytest.raises(Refusal):
        rate.admit({"a": 10_000}, now=1_001)


def test_it_is_said_when_there_will_be_room_for_all_of_it() -> None:
    rate = rates.Rate()
    for now in (0, 600, 1_200):
        rate.admit({"a": 3}, now=now)
    with pytest.raises(Refusal, match="try again in 40 min"):
        rate.admit({"a": 3}, amount=2, now=1_800)
