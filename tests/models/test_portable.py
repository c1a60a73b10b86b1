"""A saved pipeline has the base's own tokenizer files, and what older readers need besides."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file

from balign.models import portable
from balign.models.catalogue import MODELS, find
from balign.models.stable_diffusion import StableDiffusion
from balign.models.weight_file import save_changed

PROMPTS = ["a red cat", "Café & 2 dogs, don't!", "an ink pizza in the rain"]


def ids(folder: Path) -> list[list[int]]:
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(folder)(PROMPTS).input_ids


def test_a_tokenizer_of_vocabulary_and_merges_is_copied_as_it_is(tiny_model_path: str, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_model_path, base)
    portable.vocabulary(base / "tokenizer")
    (base / "tokenizer" / "tokenizer.json").unlink()
    (base / "tokenizer" / "special_tokens_map.json").write_text('{"pad_token": "<|endoftext|>"}')
    StableDiffusion.load(base).save(str(tmp_path / "saved"))
    for file in (base / "tokenizer").iterdir():
        assert (tmp_path / "saved" / "tokenizer" / file.name).read_bytes() == file.read_bytes()
    assert ids(tmp_path / "saved" / "tokenizer") == ids(base / "tokenizer")


def test_vocabulary_and_merges_say_what_the_tokenizer_says(tiny_model_path: str, tmp_path: Path) -> None:
    folder = tmp_path / "tokenizer"
    shutil.copytree(Path(tiny_model_path) / "tokenizer", folder)
    before = ids(folder)
    portable.vocabulary(folder)
    (folder / "tokenizer.json").unlink()
    assert ids(folder) == before


def test_keys_get_their_prefix_once_and_no_value_changes(tmp_path: Path) -> None:
    tensors = {"embeddings.x": torch.ones(2), "encoder.y": torch.zeros(1)}
    save_changed(tmp_path / "model.safetensors", tensors, {"format": "pt"})
    for _ in range(2):
        portable.text_encoder(tmp_path)
        found = load_file(tmp_path / "model.safetensors")
        assert {name: tensor.tolist() for name, tensor in found.items()} == {
            f"text_model.{name}": tensor.tolist() for name, tensor in tensors.items()
        }


def test_the_bundled_model_is_the_one_that_earlier_runs_began_with() -> None:
    folder = MODELS / "emoji"
    report = json.loads((Path(__file__).parents[1] / "at_eeb0edf" / "run" / "report.json").read_bytes())
    assert StableDiffusion.load(folder).fingerprint == report["settings"]["fingerprint"]
    assert {"vocab.json", "merges.txt"} <= {file.name for file in (folder / "tokenizer").iterdir()}
    assert all(name.startswith("text_model.") for name in load_file(folder / "text_encoder" / "model.safetensors"))


def test_a_child_of_the_bundled_model_is_known_by_the_values(tmp_path: Path) -> None:
    child = tmp_path / "child"
    shutil.copytree(MODELS / "emoji", child)
    path = child / "text_encoder" / "model.safetensors"
    tensors = {name.removeprefix("text_model."): tensor for name, tensor in load_file(path).items()}
    save_changed(path, tensors, {"format": "pt"})  # as an earlier release exported it
    assert find(child).lexicon == "emoji"
    save_changed(path, {name: tensor + 1 for name, tensor in tensors.items()}, {"format": "pt"})
    assert find(child).lexicon != "emoji"
