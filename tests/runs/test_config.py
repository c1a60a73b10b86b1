"""A config is refused with one sentence that names the value and what would be accepted."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from balign.runs.config import Concept, RunConfig


def test_a_config_survives_json():
    config = RunConfig.parse(
        {
            "erase": ["cat", {"name": "dog", "replace_with": "horse"}],
            "keep": ["a red ball"],
            "steps": 7,
            "guidance": 0.0,
        }
    )
    assert RunConfig.parse(config.to_json()) == config
    assert config.erase == (Concept(name="cat"), Concept(name="dog", replace_with="horse"))


def test_no_method_is_the_default_and_of_an_earlier_release_what_it_was_then():
    assert RunConfig.parse({"erase": ["cat"], "method": None}) == RunConfig.parse({"erase": ["cat"]})
    old = (Path(__file__).parents[1] / "at_eeb0edf" / "run" / "config.json").read_text()
    assert json.loads(old)["method"] is None
    assert RunConfig.parse(json.loads(old)).method == "balign"


def test_a_config_does_not_change():
    config = RunConfig.parse({"erase": ["cat"]})
    with pytest.raises(ValidationError):
        config.steps = 3  # type: ignore[misc]


def test_a_concept_may_name_its_replacement():
    for text in ("cat = dog", "cat->dog", "cat => dog", "cat \u2192 dog"):
        assert Concept.parse(text) == Concept(name="cat", replace_with="dog")
    assert Concept.parse("cat") == Concept(name="cat")


def test_text_becomes_one_line():
    assert RunConfig.parse({"erase": [" fire\n  truck "]}).erase[0].name == "fire truck"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "erase is missing"),
        ({"erase": []}, "Nothing to erase was given; name at least one concept."),
        ({"erase": ["a"] * 33}, "33 concepts to erase were given; at most 32 are accepted."),
        ({"erase": ["a"], "keep": ["k"] * 10_000}, "10,000 prompts to keep were given; at most 2,000 are accepted."),
        (
            {"erase": ["a"], "keep": ["k" * 2_001]},
            "A prompt of 2,001 characters was given; at most 2,000 are accepted.",
        ),
        ({"erase": ["a" * 101]}, "A concept of 101 characters was given; at most 100 are accepted."),
        ({"erase": [" "]}, "An empty text was given; write at least one word."),
        ({"erase": ["a\x00b"]}, "contains control characters"),
        ({"erase": ["a"], "steps": 0}, "Steps is 0; 1 or more is accepted."),
        ({"erase": ["a"], "steps": 5_001}, "steps is 5001; at most 5,000 is accepted."),
        ({"erase": ["a"], "learning_rate": float("nan")}, "learning_rate is nan; a number is accepted."),
        ({"erase": ["a"], "method": "magic"}, "There is no method 'magic'; there are both"),
        ({"erase": ["a"], "train": "vae"}, "'not_cross_attention' or 'all'"),
        ({"erase": ["a"], "device": "tpu"}, "device is 'tpu'; auto, cpu, mps, cuda or cuda:N is accepted."),
        ({"erase": ["a"], "colour": 1}, "colour is not a setting; the settings are batch_forget"),
        ('{"erase": ', "The config is not readable json"),
    ],
)
def test_what_is_wrong_is_one_sentence(data, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)) as caught:
        RunConfig.parse(data)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")


def test_config_and_folder_need_no_torch():
    names = "balign.runs.config, balign.runs.folder, balign.runs.outcome.report_page"
    code = f"import sys, {names}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
