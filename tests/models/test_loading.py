"""Every way a folder can be wrong gives one sentence that names the file and says what would be right."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from balign.models.stable_diffusion import StableDiffusion
from tests.pipelines import edit_json

UNET = "unet/diffusion_pytorch_model.safetensors"


@pytest.fixture
def folder(tiny_model_path: str, tmp_path: Path) -> Path:
    """A copy of the tiny model that may be spoiled."""
    shutil.copytree(tiny_model_path, tmp_path / "model")
    return tmp_path / "model"


def sentence(folder: Path, then: Callable[[StableDiffusion], object] = lambda model: None) -> str:
    with pytest.raises(ValueError, match=r"\w") as caught:
        then(StableDiffusion.load(folder))
    return str(caught.value)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


@pytest.mark.parametrize("spoil", [truncate, lambda file: file.write_bytes(b""), lambda file: file.write_text("hello")])
def test_an_unreadable_weights_file_is_named(folder: Path, spoil: Callable[[Path], object]) -> None:
    spoil(folder / UNET)
    said = sentence(folder)
    assert f"The weights file {folder / UNET} cannot be read as safetensors" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("file", "use"),
    [
        ("vae/diffusion_pytorch_model.safetensors", lambda model: model._vae),
        ("text_encoder/model.safetensors", lambda model: model.encode_text(["a"])),
    ],
)
def test_parts_that_are_read_later_are_named_too(folder: Path, file: str, use: Callable) -> None:
    truncate(folder / file)
    assert f"The weights file {folder / file} cannot be read" in sentence(folder, use)


def test_pickled_weights_are_not_opened(folder: Path) -> None:
    (folder / UNET).rename(folder / "unet" / "diffusion_pytorch_model.bin")
    assert "only weights saved as safetensors are accepted" in sentence(folder)


def test_missing_weights_are_not_made_up(folder: Path) -> None:
    weights = load_file(folder / UNET)
    save_file({name: weight for name, weight in weights.items() if "conv_in" not in name}, folder / UNET)
    assert "lack conv_in.bias and 1 more" in sentence(folder)


def test_weights_of_another_shape_are_refused(folder: Path) -> None:
    weights = load_file(folder / UNET)
    weights["conv_in.bias"] = weights["conv_in.bias"][:4].clone()
    save_file(weights, folder / UNET)
    assert f"The weights in {folder / 'unet'} do not fit the config.json beside them" in sentence(folder)


def test_a_model_that_predicts_the_sample_is_refused(tiny_model: Callable[..., str]) -> None:
    said = sentence(Path(tiny_model("sample", like="sd2")))
    assert said.endswith("predicts 'sample'; accepted are epsilon and v_prediction.")


def test_another_pipeline_is_refused(folder: Path) -> None:
    edit_json(folder / "model_index.json", _class_name="StableDiffusionXLPipeline")
    assert "holds a StableDiffusionXLPipeline; accepted is a StableDiffusionPipeline" in sentence(folder)


def test_an_inpainting_denoiser_is_refused(folder: Path) -> None:
    edit_json(folder / "unet" / "config.json", in_channels=9)
    assert "takes 9 channels and its autoencoder gives 4" in sentence(folder)


@pytest.mark.parametrize("name", ["Evil", "utils", "NoSuchScheduler"])
def test_a_strange_scheduler_is_refused(folder: Path, name: str) -> None:
    edit_json(folder / "scheduler" / "scheduler_config.json", _class_name=name)
    assert f"The scheduler of {folder} is {name!r}; the schedulers of diffusers are accepted" in sentence(folder)


@pytest.mark.parametrize("content", ["{", "[]", "\ud800"])
def test_an_unreadable_configuration_is_named(folder: Path, content: str) -> None:
    (folder / "unet" / "config.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    assert f"The configuration {folder / 'unet' / 'config.json'} " in sentence(folder)


@pytest.mark.parametrize("file", ["model_index.json", "vae/config.json", "scheduler/scheduler_config.json"])
def test_a_missing_configuration_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    assert sentence(folder) == f"There is no {folder / file}; a whole diffusers pipeline folder is accepted."


def test_a_missing_vocabulary_is_not_made_up(folder: Path) -> None:
    shutil.rmtree(folder / "tokenizer")
    assert "has no vocabulary" in sentence(folder, lambda model: model.encode_text(["a"]))


def test_an_unreadable_vocabulary_is_named(folder: Path) -> None:
    for file in (folder / "tokenizer").iterdir():
        file.write_text("{")
    assert f"The tokenizer in {folder / 'tokenizer'} cannot be read" in sentence(
        folder, lambda model: model.encode_text(["a"])
    )
