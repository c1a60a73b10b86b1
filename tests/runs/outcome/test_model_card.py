"""The model card: front matter that yaml reads, the run's numbers, and no stranger's markup."""

import json
from collections.abc import Callable

import yaml
from huggingface_hub import ModelCard

from balign.runs.config import RunConfig
from balign.runs.folder import Run
from balign.runs.outcome.model_card import card

EVIL = "<img src=x onerror=alert(1)> [a](javascript:b) `c` | d"


def front_matter(text: str) -> dict[str, object]:
    """The head of a card as yaml reads it."""
    return dict(yaml.safe_load(text.split("---\n")[1]))


def test_the_front_matter_is_what_a_hub_reads(fake: Callable[..., Run]) -> None:
    read = ModelCard(card(fake())).data
    assert (read.base_model, read.library_name, read.license) == ("emoji", "diffusers", "other")
    results = {result.metric_type: result.metric_value for result in read.eval_results}
    assert results["ua"] == 0.97
    assert results["alignment_change_kept"] == -0.002
    assert {result.dataset_name for result in read.eval_results} == {"prompts and seeds of the run"}
    assert yaml.safe_load(read.to_yaml()) == front_matter(card(fake())) | {
        "model-index": yaml.safe_load(read.to_yaml())["model-index"]
    }


def test_it_tells_the_numbers_of_the_run(fake: Callable[..., Run]) -> None:
    run = fake()
    text = card(run)
    facts = front_matter(text)
    assert facts["base_model"] == "emoji"
    (model,) = facts["model-index"]  # type: ignore[misc]
    metrics = {metric["type"]: metric["value"] for metric in model["results"][0]["metrics"]}
    assert metrics["ua"] == 0.97
    assert metrics["alignment_change_erased"] == -0.19
    assert "| Erased | 12 | 97\u00a0% | 3\u00a0% | 0.300 | 0.110 | \u22120.190 [\u22120.195, \u22120.186] |" in text
    assert "| < 0.001 | a loss of alignment between 0.186 and 0.195 at 95\u00a0% |" in text
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
    report = json.loads((run.path / "report.json").read_bytes())
    (run.path / "report.json").write_text(json.dumps(report | {"scorer": EVIL}))
    text = card(run)
    body = text.split("---\n", 2)[2]
    assert "<img" not in body
    assert "[a](" not in body
    assert front_matter(text)["base_model"] == "somebody/gone"
