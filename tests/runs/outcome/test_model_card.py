"""The model card: front matter that yaml reads, the run's numbers, and no stranger's markup."""

import json
from collections.abc import Callable

from balign.atomic import write
from balign.runs.config import RunConfig
from balign.runs.folder import Run
from balign.runs.outcome.model_card import card

EVIL = "<img src=x onerror=alert(1)> [a](javascript:b) `c` | d"


def front_matter(text: str) -> dict[str, object]:
    """The head of a card; every value is json, which yaml reads."""
    head = text.split("---\n")[1]
    return {name: json.loads(value) for name, value in (line.split(": ", 1) for line in head.splitlines())}


def test_it_tells_the_numbers_of_the_run(fake: Callable[..., Run]) -> None:
    run = fake()
    text = card(run)
    facts = front_matter(text)
    assert facts["base_model"] == "emoji"
    (model,) = facts["model-index"]  # type: ignore[misc]
    metrics = {metric["type"]: metric["value"] for metric in model["results"][0]["metrics"]}
    assert metrics["ua"] == 0.97
    assert metrics["alignment_change_erased"] == -0.19
    assert "| Erased | 12 | 97 % | 3 % | 0.300 | 0.110 | -0.190 (-0.195 to -0.186) | 0.000 |" in text
    assert "Erasing is not proof of absence" in text
    assert "Apache-2.0; drawings under MIT" in text


def test_a_run_without_a_report_claims_nothing() -> None:
    run = Run.create(RunConfig.parse({"erase": [{"name": "cat", "replace_with": "dog"}]}))
    text = card(run)
    assert "model-index" not in front_matter(text)
    assert "so nothing is claimed" in text
    assert "cat (replaced with dog)" in text


def test_another_strength_is_said(fake: Callable[..., Run]) -> None:
    assert "hold 0.5 times the change" in card(fake(), strength=0.5)


def test_strangers_words_are_words(fake: Callable[..., Run]) -> None:
    run = fake(erase=[EVIL], keep=[EVIL], model="somebody/gone")
    report = run.report()
    assert report is not None
    write(run.path / "report.json", json.dumps(report | {"scorer": EVIL}))
    text = card(run)
    body = text.split("---\n", 2)[2]
    assert "<img" not in body
    assert "[a](" not in body
    assert front_matter(text)["base_model"] == "somebody/gone"
