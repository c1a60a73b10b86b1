"""A checkpoint in one file draws what the folder it was made from draws, with no hub and no other file."""

from pathlib import Path
from typing import Any

import pytest
import torch

from balign.models.stable_diffusion import StableDiffusion
from balign.refusal import Refusal
from tests.checkpoints import converted, small_folder, small_pipeline, tensors, write

SAID = {"sd1": {}, "sd2": {"modelspec__predict_key": "v"}}


@pytest.fixture(scope="module", params=["sd1", "sd2"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, dict[str, Any]]:
    """A pipeline's folder, and its tensors under the original names."""
    folder = tmp_path_factory.mktemp("made")
    like = request.param
    return like, small_folder(folder / "pipeline", like), tensors(small_pipeline(like))


def test_it_draws_what_the_folder_draws(made: tuple[str, Path, dict[str, Any]], tmp_path: Path) -> None:
    like, folder, original = made
    file = write(tmp_path / "x.safetensors", original, modelspec__resolution="64x64", **SAID[like])
    models = StableDiffusion.load(file), StableDiffusion.load(folder)
    latents = [model.generate(["a cat, 50% off"], [1], steps=3, guidance=4.0) for model in models]
    assert torch.equal(*latents)
    assert torch.equal(*(model.decode(latents[0]) for model in models))
    models[0].save(str(tmp_path / "saved"))
    assert torch.equal(latents[0], StableDiffusion.load(tmp_path / "saved").generate(
        ["a cat, 50% off"], [1], steps=3, guidance=4.0
    ))  # fmt: skip


def test_diffusers_reads_the_same_from_it(made: tuple[str, Path, dict[str, Any]]) -> None:
    from diffusers import AutoencoderKL, UNet2DConditionModel

    _, folder, original = made
    for kind, part in ((UNet2DConditionModel, "unet"), (AutoencoderKL, "vae")):
        theirs = kind.from_single_file(dict(original), config=str(folder), subfolder=part).state_dict()
        stock = kind.from_pretrained(folder, subfolder=part).state_dict()
        assert theirs.keys() == stock.keys()
        assert all(torch.equal(theirs[name], stock[name]) for name in stock)


@pytest.mark.parametrize("prefixed", [True, False])
@pytest.mark.parametrize("like", ["sd1", "sd2"])
def test_diffusers_own_conversion_is_read(like: str, prefixed: bool, tmp_path: Path) -> None:
    pipeline = small_pipeline(like, each=2)
    model = StableDiffusion.load(write(tmp_path / "x.safetensors", converted(pipeline, like, prefixed=prefixed)))
    for ours, stock in (
        (model.denoiser, pipeline.unet),
        (model._vae, pipeline.vae),
        (model._text_encoder, pipeline.text_encoder),
    ):
        read, own = ours.state_dict(), stock.state_dict()
        assert read.keys() == own.keys()
        assert all(torch.equal(read[name], own[name]) for name in own)
    assert model._text_encoder.config.hidden_act == pipeline.text_encoder.config.hidden_act


def test_half_precision_and_shorter_names_are_read(made: tuple[str, Path, dict[str, Any]], tmp_path: Path) -> None:
    like, _, original = made
    half = {name.replace("transformer.text_model.", "transformer."): tensor.half() for name, tensor in original.items()}
    model = StableDiffusion.load(write(tmp_path / "x.safetensors", half, **SAID[like]), size=64)
    assert {weight.dtype for weight in model.denoiser.parameters()} == {torch.float32}
    assert model.size == (64, 64)
    assert model.generate(["a cat"], [1], steps=1, guidance=1.0).isfinite().all()


def test_a_tensor_that_is_missing_or_of_another_size_is_named_before_any_is_read(
    made: tuple[str, Path, dict[str, Any]], tmp_path: Path
) -> None:
    _, _, original = made
    name = "first_stage_model.decoder.conv_out.bias"
    less = {key: tensor for key, tensor in original.items() if key != name}
    with pytest.raises(Refusal, match=f"lacks the tensor {name}"):
        StableDiffusion.load(write(tmp_path / "x.safetensors", less))
    with pytest.raises(Refusal, match=f"The tensor {name} of .* has the shape"):
        StableDiffusion.load(write(tmp_path / "y.safetensors", original | {name: torch.zeros(7)}))


def test_the_fingerprint_is_of_the_content_and_the_size(made: tuple[str, Path, dict[str, Any]], tmp_path: Path) -> None:
    like, _, original = made
    one, same, other = (
        write(
            tmp_path / f"{k}.safetensors",
            original | {"first_stage_model.quant_conv.bias": torch.full((8,), k / 2 // 1)},
        )
        for k in (0, 1, 2)
    )
    prints = [StableDiffusion.load(file, size=64).fingerprint for file in (one, same, other)]
    assert prints[0] == prints[1] != prints[2]
    assert StableDiffusion.load(one, size=128).fingerprint != prints[0], like
