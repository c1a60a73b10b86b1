"""What a public instance does not do for a visitor, and that one's own machine does."""

from pathlib import Path

import pytest

from balign.host import limits
from balign.refusal import Refusal
from balign.runs.config import RunConfig

SMALL = {"erase": ["cat"]}
TOO_MUCH = [
    {"erase": list("abcde")},
    {"keep": [f"dog {k}" for k in range(101)]},
    {"steps": 501},
    {"sampling_steps": 51},
    {"batch_forget": 33},
    {"batch_retain": 33},
    {"preview_every": 1, "steps": limits.LIMITS.previews + 1},
    {"n_forget": 1_000},
    {"n_retain": 1_000},
    {"n_eval": 500},
    {"n_eval": 50, "eval_seeds": 20},
    {"device": "cuda"},
    {"scorer": "ViT-L-14/laion2b_s32b_b82k"},
    {"scorer": "/etc"},
    {"model": "owner/name"},
    {"model": "/etc"},
    {"model": "."},
    {"model": "assets/models/emoji"},
]


@pytest.mark.parametrize("more", TOO_MUCH, ids=lambda more: next(iter(more)))
def test_each_refusal_is_a_sentence_and_holds_in_public_only(
    more: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = RunConfig.parse({**SMALL, "n_eval": 4, **more})
    limits.check(config)
    monkeypatch.setenv("BALIGN_PUBLIC", "1")
    with pytest.raises(ValueError, match=r"^[A-Z0-9].*\.$") as refused:
        limits.check(config)
    assert str(refused.value).count(". ") == 0


@pytest.mark.usefixtures("public")
def test_the_defaults_fit() -> None:
    limits.check(RunConfig.parse(SMALL))
    limits.check(RunConfig.parse({**SMALL, "steps": 500, "scorer": "emoji", "model": "CompVis/stable-diffusion-v1-4"}))


def test_other_models_of_the_hub_are_opened_and_folders_never(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BALIGN_PUBLIC", "1")
    monkeypatch.setenv("BALIGN_OPEN_MODELS", "1")
    monkeypatch.chdir(tmp_path)
    limits.check_model("owner/name")
    (tmp_path / "owner" / "name").mkdir(parents=True)
    for name in ("owner/name", "/etc", "..", "../x", "a/b/c", "a/..", "~/x", str(tmp_path), "https://x/y", "a/b\n"):
        with pytest.raises(ValueError, match="is no hub id"):
            limits.check_model(name)


@pytest.mark.parametrize(
    ("said", "space", "expected"),
    [("", "", False), ("1", "", True), ("0", "", False), ("", "a/b", True), ("0", "a/b", False), ("yes", "", True)],
)
def test_an_instance_is_public_if_it_is_said_or_if_it_is_a_space(
    said: str, space: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BALIGN_PUBLIC", said)
    monkeypatch.setenv("SPACE_ID", space)
    assert limits.public() is expected


def test_a_visitor_begins_so_many_runs_an_hour_and_no_more() -> None:
    rate = limits.Rate()
    rate.admit({"ann": 2}, now=0)
    rate.admit({"ann": 2, "here": 3}, now=600)
    with pytest.raises(ValueError, match=r"^2 runs were begun from here within an hour; try again in 50 min\.$"):
        rate.admit({"ann": 2, "here": 3}, now=601)
    rate.admit({"bob": 2, "here": 3}, now=602)
    rate.admit({"ann": 2, "here": 3}, now=3601)
    with pytest.raises(ValueError, match=r"^3 runs"):  # another secret, the same address
        rate.admit({"eve": 2, "here": 3}, now=3602)


def test_a_refused_start_is_not_counted() -> None:
    rate = limits.Rate()
    rate.admit({"here": 1}, now=0)
    for k in range(5):
        with pytest.raises(ValueError, match="try again"):
            rate.admit({"ann": 1, "here": 1}, now=k)
    rate.admit({"ann": 1}, now=6)


def test_refused_attempts_cost_no_memory_and_evict_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_KEYS", 5)
    rate = limits.Rate()
    rate.admit({"here": 1}, now=0)
    for k in range(1_000):
        with pytest.raises(Refusal):
            rate.admit({f"secret {k}": 1, "here": 1}, now=1)
    assert list(rate._seen) == ["here"]


def test_amounts_add_up_and_an_hour_later_there_is_room() -> None:
    rate = limits.Rate()
    rate.admit({"a": 10, "all": 15}, "bytes may be uploaded", 10, now=0)
    for address in ("a", "b"):
        with pytest.raises(Refusal, match="bytes may be uploaded from here within an hour"):
            rate.admit({address: 10, "all": 15}, "bytes may be uploaded", 6, now=10)
    rate.admit({"a": 10, "all": 15}, "bytes may be uploaded", 10, now=3_601)


def test_only_so_many_visitors_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_KEYS", 3)
    rate = limits.Rate()
    for k in range(10):
        rate.admit({f"visitor {k}": 1}, now=k)
    assert list(rate._seen) == ["visitor 7", "visitor 8", "visitor 9"]
