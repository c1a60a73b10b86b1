"""report.json as a type: old reports parse, anything else is a refusal and never another exception."""

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balign.measure.intervals import verdict
from balign.measure.report import GROUPS, RATES, RunReport
from balign.refusal import Refusal
from tests.ui.hostile import HOSTILE


def pair(k: int) -> dict[str, Any]:
    return {
        "prompt": f"a cat {k}", "seed": k, "labels": {"object": "cat"}, "alignment_before": 0.3,
        "alignment_after": 0.1, "recognised_before": {"object": True}, "recognised_after": {"object": False},
        "before": f"images/before/{k:04d}.png", "after": f"images/after/{k:04d}.png",
    }  # fmt: skip


def group(pairs: int = 2, prompts: int = 2) -> dict[str, Any]:
    return {
        "n": pairs, "prompts": prompts, "accuracy_before": 1.0, "accuracy_after": 0, "alignment_before": 0.3,
        "alignment_after": 0.1, "accuracy_after_interval": [0.0, 0.19], "verdict": "no loss larger than 0.01 at 95 %",
        "alignment_change": {"mean": -0.01, "low": -0.015, "high": 0.001, "p": 0.01},
        "images": [pair(k) for k in range(pairs)],
    }  # fmt: skip


def values(**changes: Any) -> dict[str, Any]:
    """What an old report.json holds."""
    return {
        "model": "emoji", "method": "balign", "seed": 0, "steps": 4, "seconds": 49.1, "memory_gb": 1.14,
        "scorer": "emoji", "groups": {name: group() for name in ("kept", "erased")}, "ua": 1.0, "ira": None, "cra": 1,
        "intervals": {"ua": [0.2, 1.0], "ira": None}, "warnings": ["careful"],
        "ledger": {
            "steps": 4, "forget_violations": 0, "retain_violations": 1,
            "measured": 2, "forget_rises": 0, "retain_rises": 1,
        },
        "settings": {"device": "cpu", "learning_rate": 1e-4, "fingerprint": "f" * 64, "measure_every": None},
        "versions": {"python": "3.11.7"},
    } | changes  # fmt: skip


def test_a_report_keeps_every_fact() -> None:
    report = RunReport.parse(json.dumps(values()).encode())
    assert report == RunReport.parse(values())
    assert [name for name, _, _ in report.named()] == ["erased", "kept"]
    assert report.ledger.retain_violations == 1
    written = report.to_dict()
    for name, part in written["groups"].items():
        assert part.pop("verdict") == report.groups[name].verdict
    expected = values() | {"distances": [], "judged": {}, "nudity": None, "sensitive": False}
    beside = {"in_prompt_before": None, "in_prompt_after": None}
    for part in expected["groups"].values():
        part.pop("verdict")
        part |= beside | {"images": [image | beside | {"twin": ""} for image in part["images"]]}
    expected["ledger"] |= {"retain_silent": 0}
    assert json.loads(json.dumps(written)) == expected
    assert RunReport.parse(report.to_dict()) == report


def test_an_old_report_without_later_facts_parses() -> None:
    old = values()
    for name in ("memory_gb", "intervals", "warnings", "settings", "versions", "ledger"):
        old.pop(name)
    for part in old["groups"].values():
        for name in ("prompts", "accuracy_after_interval", "verdict"):
            part.pop(name)
    report = RunReport.parse(old)
    assert report.groups["erased"].change.n == 2
    assert report.ledger.steps == 0


def test_a_reproduction_is_part_of_it() -> None:
    fact = {"run": "20260101-000000-abc", "equal": True, "words": "The weights are the same."}
    report = RunReport.parse(values(reproduces=fact))
    assert report.reproduces is not None
    assert report.to_dict()["reproduces"] == fact
    assert "reproduces" not in RunReport.parse(values()).to_dict()


def test_the_verdict_is_that_of_the_interval_over_prompts() -> None:
    report = RunReport.parse(values(groups={"kept": group(16, prompts=4), "erased": group(16, prompts=16)}))
    assert report.groups["kept"].verdict == "too few prompts to say (4, of at least 8)"
    assert report.groups["erased"].verdict == "no loss of alignment larger than 0.015 at 95\u00a0%"
    assert report.groups["erased"].verdict == verdict(report.groups["erased"].change)


UNREADABLE: list[Any] = [
    b"",
    b"[]",
    b"7",
    b"null",
    b"\xff\xfe",
    b'{"groups": {"erased": 7}}',
    b"[" * 100_000,
    b'{"settings": ' + b'{"a":' * 100_000,
    b"1" * 10_000,
    json.dumps(values())[:-9].encode(),
    json.dumps(values(seconds=float("nan"))).encode(),
    json.dumps(values(settings={"device": float("inf")})).encode(),
    values(steps="4"),
    values(steps=True),
    values(steps=-1),
    values(steps=1.5),
    values(seed=2**64),
    values(seconds="1e999"),
    values(seconds=1e300),
    values(groups=[]),
    values(groups={"evil": group()}),
    values(groups={"kept": group() | {"n": "2"}}),
    values(groups={"kept": group() | {"images": [{}]}}),
    values(groups={"kept": group() | {"images": [pair(0) | {"alignment_after": "0.1"}]}}),
    values(groups={"kept": group() | {"alignment_change": [0.1]}}),
    values(ledger={"steps": "x"}),
    values(ledger={"steps": 1, "evil": 2}),
    values(versions={"python": 3}),
    values(settings={"a": {"b": []}}),
    values(warnings="careful"),
    {name: value for name, value in values().items() if name != "scorer"},
]


@pytest.mark.parametrize("content", UNREADABLE, ids=range(len(UNREADABLE)))
def test_what_is_no_report_is_refused_in_a_sentence(content: Any) -> None:
    with pytest.raises(Refusal, match=r"^The report is unreadable: .*\.$") as refusal:
        RunReport.parse(content)
    assert len(str(refusal.value)) < 300
    assert "\n" not in str(refusal.value)


def places(node: Any) -> list[tuple[Any, Any]]:
    """Every container of the values with every key in it."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place for key, child in inner for place in [(node, key), *places(child)]]


@settings(max_examples=300, deadline=None)
@given(st.randoms(use_true_random=False), st.sampled_from([v for v in HOSTILE if not isinstance(v, bytes)]))
def test_a_report_changed_anywhere_parses_or_is_refused(chance: random.Random, hostile: Any) -> None:
    content = copy.deepcopy(values())
    node, key = chance.choice(places(content))
    if isinstance(node, dict) and chance.random() < 0.3:
        del node[key]
    else:
        node[key] = hostile
    for sent in (content, json.dumps(content).encode()):
        try:
            report = RunReport.parse(sent)
        except Refusal:
            continue
        json.dumps(report.to_dict(), allow_nan=False)
        assert [group.verdict for _, _, group in report.named()]


def test_titles_are_those_of_the_groups_and_rates() -> None:
    assert list(GROUPS) == ["erased", "kept", "neighbours", "trained", "own"]
    assert [term.partition(",")[0] for _, term in RATES.values()] == ["UA", "IRA", "CRA"]
