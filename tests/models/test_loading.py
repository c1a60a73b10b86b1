"""Every way a folder can be wrong gives one sentence that names the file and says what would be right."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from balign.models.catalogue import find
from balign.models.stable_diffusion import StableDiffusion
from balign.refusal import Refusal
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


@pytest.mark.parametrize("shards", [None, "10KB"])
@pytest.mark.parametrize("variant", ["fp16", "ema"])
def test_any_variant_in_one_file_or_several_is_read(
    tiny_model_path: str, tmp_path: Path, variant: str, shards: str | None
) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_model_path, safety_checker=None, feature_extractor=None)
    pipeline.save_pretrained(tmp_path / "v", variant=variant, max_shard_size=shards or "5GB")
    names = [file.name for file in (tmp_path / "v" / "unet").iterdir()]
    assert all(variant in name for name in names if name.endswith(".safetensors"))
    assert (len(names) > 3) == bool(shards)
    models = StableDiffusion.load(tmp_path / "v"), StableDiffusion.load(tiny_model_path)
    assert torch.equal(*(model.generate(["a cat"], [1], steps=2, guidance=3.0) for model in models))
    assert {weight.dtype for weight in models[0].denoiser.parameters()} == {torch.float32}


def test_the_unmarked_copy_is_read_where_there_are_two(folder: Path) -> None:
    before = StableDiffusion.load(folder).fingerprint
    (folder / "unet" / "diffusion_pytorch_model.fp16.safetensors").write_bytes(b"half")
    assert StableDiffusion.load(folder).fingerprint == before


def test_a_shard_that_is_missing_is_said(tiny_model_path: str, tmp_path: Path) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_model_path, safety_checker=None, feature_extractor=None)
    pipeline.save_pretrained(tmp_path / "v", max_shard_size="10KB")
    sorted((tmp_path / "v" / "vae").glob("*.safetensors"))[0].unlink()
    assert "/vae lacks 1 of" in sentence(tmp_path / "v")


def test_pickled_weights_are_refused_with_the_command_that_converts_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = load_file(folder / UNET)
    (folder / UNET).unlink()
    torch.save(weights, folder / "unet" / "diffusion_pytorch_model.bin")
    said = sentence(folder)
    assert "only weights saved as safetensors are accepted" in said
    monkeypatch.chdir(folder.parent)
    exec(said.split('python -c "')[1].rstrip('"'), {})
    assert StableDiffusion.load(folder.parent / "model-safetensors").size == (16, 16)


@pytest.mark.parametrize("part", ["text_encoder", "vae", "tokenizer"])
def test_a_part_that_is_not_there_is_said_before_the_denoiser_is_read(
    folder: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object) -> None:
        raise AssertionError("the denoiser was read")

    shutil.rmtree(folder / part)
    monkeypatch.setattr(StableDiffusion, "_load_denoiser", read)
    assert str(folder / part) in sentence(folder)


@pytest.mark.parametrize(
    ("unet", "vae", "size"),
    [([8, 12], 16, (16, 24)), (None, 24, (24, 24)), (None, None, (128, 128)), (8, None, (16, 16))],
)
def test_sizes_are_not_square_or_absent(folder: Path, unet: object, vae: object, size: tuple[int, int]) -> None:
    edit_json(folder / "unet" / "config.json", sample_size=unet)
    config = folder / "vae" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"sample_size": vae}))
    if vae is None:  # as some leave it out
        config.write_text(json.dumps({k: v for k, v in json.loads(config.read_text()).items() if k != "sample_size"}))
    model = StableDiffusion.load(folder)
    assert (model.size, find(folder).size) == (size, size)
    if unet:
        latents = model.generate(["a cat"], [1], steps=1, guidance=1.0)
        assert model.decode(latents).shape == (1, *size, 3)


def test_a_size_that_is_none_is_refused(folder: Path) -> None:
    edit_json(folder / "unet" / "config.json", sample_size="big")
    assert "The model's sample_size is 'big'; a whole number, or a height and a width, is accepted." in sentence(folder)


def test_another_size_draws_it_and_has_its_own_fingerprint(tiny_model_path: str) -> None:
    own, same, small = (StableDiffusion.load(tiny_model_path, size=size) for size in (None, 16, 8))
    assert own.fingerprint == same.fingerprint != small.fingerprint
    assert small.decode(small.generate(["a cat"], [1], steps=1, guidance=1.0)).shape == (1, 8, 8, 3)
    with pytest.raises(Refusal, match="The size is 9 px; a multiple of 2 is accepted"):
        StableDiffusion.load(tiny_model_path, size=9)


def test_a_tokenizer_without_its_config_is_as_long_as_the_encoder(folder: Path, tiny_model_path: str) -> None:
    (folder / "tokenizer" / "tokenizer_config.json").unlink()
    encoded = [StableDiffusion.load(place).encode_text(["a cat", ""]) for place in (folder, tiny_model_path)]
    assert torch.equal(*encoded)


@pytest.mark.parametrize("length", [None, -1, "77", 10**30])
def test_a_tokenizer_of_no_length_is_as_long_as_the_encoder(folder: Path, length: object) -> None:
    edit_json(folder / "tokenizer" / "tokenizer_config.json", model_max_length=length)
    assert StableDiffusion.load(folder).encode_text(["a cat " * 30]).shape == (1, 16, 16)


@pytest.mark.parametrize("scale", [None, 0, "0.18", float("nan")])
def test_a_scaling_factor_that_is_none_is_refused(folder: Path, scale: object) -> None:
    edit_json(folder / "vae" / "config.json", scaling_factor=scale)
    assert f"The scaling_factor of the autoencoder in {folder} is {scale!r}; a number is accepted." in sentence(folder)


@pytest.mark.parametrize("part", ["unet", "text_encoder"])
def test_quantized_weights_are_refused(folder: Path, part: str) -> None:
    edit_json(folder / part / "config.json", quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True})
    assert f"The weights in {folder / part} are quantized (bitsandbytes), which cannot be trained" in sentence(folder)


def test_weights_under_another_name_are_to_be_renamed(folder: Path) -> None:
    (folder / UNET).rename(folder / "unet" / "model.safetensors")
    said = sentence(folder)
    assert "has no diffusion_pytorch_model.safetensors but model.safetensors; if that holds its weights, rename" in said


@pytest.mark.parametrize(
    ("field", "value"), [("time_cond_proj_dim", 256), ("class_embed_type", "projection"), ("num_class_embeds", 3)]
)
def test_a_denoiser_that_takes_more_is_refused_by_name(folder: Path, field: str, value: object) -> None:
    edit_json(folder / "unet" / "config.json", **{field: value})
    assert f"({field} is {value!r})" in sentence(folder)


def test_another_text_encoder_is_refused_by_name(folder: Path) -> None:
    edit_json(folder / "model_index.json", text_encoder=["transformers", "BertModel"])
    assert "is BertModel; accepted is CLIPTextModel" in sentence(folder)


def test_a_folder_next_to_the_one_that_is_meant_names_that(folder: Path, tmp_path: Path) -> None:
    assert f"is a part of the pipeline in {folder}; name that." in sentence(folder / "unet")
    assert f"one is in {folder}: name that." in sentence(tmp_path)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "x.safetensors").touch()
    assert "it holds the file x.safetensors: name that." in sentence(tmp_path / "files")
