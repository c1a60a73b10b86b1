"""Files from model sites: whole checkpoints are known, all others refused by their names, by the header alone."""

from pathlib import Path
from typing import Any

import pytest
import torch

from balign.models.catalogue import find
from balign.models.checkpoint_kind import identify
from balign.refusal import Refusal
from tests.checkpoints import small_pipeline, tensors, write

FIRST = "model.diffusion_model.input_blocks.0.0.weight"
BIAS = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"


@pytest.fixture(scope="module")
def one() -> dict[str, Any]:
    return tensors(small_pipeline("sd1"))


@pytest.fixture(scope="module")
def two() -> dict[str, Any]:
    return tensors(small_pipeline("sd2"))


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["lora_unet_down_blocks_0.lora_up.weight"], "is a LoRA"),
        (["unet.down_blocks.0.attn1.to_k.lora_A.weight"], "is a LoRA"),
        (["lora_te_x.hada_w1_a"], "is a LoRA"),
        (["emb_params"], "is an embedding"),
        (["clip_l", "clip_g"], "is an embedding"),
        (["control_model.time_embed.0.weight"], "is a ControlNet"),
        (["down_blocks.0.motion_modules.0.x"], "is a motion module"),
        (["ip_adapter.1.to_k_ip.weight"], "is an IP-Adapter"),
        (["model.diffusion_model.joint_blocks.0.x"], "is a Stable Diffusion 3"),
        (["double_blocks.0.img_attn.norm.key_norm.scale"], "is a Flux"),
        (["conditioner.embedders.1.model.x", FIRST], "is a Stable Diffusion XL"),
        (["first_stage_model.encoder.conv_in.weight"], "is an autoencoder"),
        (["encoder.conv_in.weight", "decoder.conv_in.weight"], "is an autoencoder"),
        (["encoder.layers.0.weight", "decoder.layers.0.weight"], "is an autoencoder"),
        (["encoder.layers.0.self_attn.k_proj.weight"], "is a text encoder alone"),
        (["encoder.block.0.layer.0.SelfAttention.k.weight"], "is a text encoder alone"),
        (["down_blocks.0.resnets.0.conv1.weight"], "is a part of a diffusers pipeline"),
        (["input_blocks.0.0.weight"], "is a denoiser alone"),
        (["cond_stage_model.transformer.text_model.x"], "is a text encoder alone"),
        (["something"], "holds 1 tensors and is no checkpoint that is known"),
        ([FIRST], "has no text encoder"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path: Path, names: list[str], said: str) -> None:
    file = write(tmp_path / "x.SafeTensors", dict.fromkeys(names, torch.zeros(4, 4, 1, 1)))
    with pytest.raises(Refusal, match=said):
        find(file)


@pytest.mark.parametrize(("channels", "said"), [(9, "an inpainting model"), (8, "an InstructPix2Pix"), (5, "depth")])
def test_models_that_take_more_than_the_latent_are_refused(
    tmp_path: Path, one: dict[str, Any], channels: int, said: str
) -> None:
    file = write(tmp_path / "x.safetensors", one | {FIRST: torch.zeros(32, channels, 3, 3)})
    with pytest.raises(Refusal, match=said):
        find(file)


def test_a_checkpoint_without_its_autoencoder_is_refused(tmp_path: Path, one: dict[str, Any]) -> None:
    bare = {name: tensor for name, tensor in one.items() if not name.startswith("first_stage_model.")}
    with pytest.raises(Refusal, match="has no autoencoder"):
        find(write(tmp_path / "x.safetensors", bare))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "pointer of git-lfs"),
        (b"<!DOCTYPE html><html><body>log in</body></html>", "is a web page"),
        (b"\xff" * 64, "cannot be read as safetensors"),
        (b"", "cannot be read as safetensors"),
    ],
)
def test_what_is_no_safetensors_file_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(Refusal, match=said):
        find(tmp_path / "x.safetensors")


def test_a_download_that_was_cut_is_named(tmp_path: Path, one: dict[str, Any]) -> None:
    file = write(tmp_path / "x.safetensors", one)
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(Refusal, match="where its header promises"):
        find(file)


@pytest.mark.parametrize("name", ["x.ckpt", "x.pt", "x.BIN"])
def test_a_pickled_checkpoint_is_refused_with_the_command_that_converts_it(
    tmp_path: Path, name: str, one: dict[str, Any]
) -> None:
    torch.save({"state_dict": one, "global_step": 1}, tmp_path / name)
    with pytest.raises(Refusal, match="is pickled") as caught:
        find(tmp_path / name)
    command = str(caught.value).split('python -c "')[1].rstrip('"')
    exec(command, {})
    assert find(tmp_path / "x.safetensors").size == (512, 512)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    with pytest.raises(Refusal, match=r"is a \.gguf file"):
        find(tmp_path / "x.gguf")


def test_the_first_generation_predicts_the_noise(tmp_path: Path, one: dict[str, Any]) -> None:
    assert identify(write(tmp_path / "x.safetensors", one)) == ("sd1", "epsilon", False, 512)
    marked = one | {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}
    assert identify(write(tmp_path / "y.safetensors", marked)) == ("sd1", "v_prediction", True, 512)


def test_what_the_second_predicts_is_said_or_seen(tmp_path: Path, two: dict[str, Any]) -> None:
    def found(**metadata: str) -> tuple[str, int]:
        kind = identify(write(tmp_path / "x.safetensors", two, **metadata))
        return kind.prediction, kind.size

    assert found(modelspec__predict_key="v") == ("v_prediction", 768)
    assert found(modelspec__architecture="stable-diffusion-v2-768-v") == ("v_prediction", 768)
    assert found(modelspec__prediction_type="epsilon") == ("epsilon", 512)
    assert found(modelspec__resolution="640x640") == ("epsilon", 640)
    two = two | {BIAS: torch.tensor([0.2, -0.2])}
    assert found() == ("v_prediction", 768)
    two = two | {BIAS: torch.tensor([0.02, -0.02]).bfloat16()}
    assert found() == ("epsilon", 512)
    (tmp_path / "x.yaml").write_text('model:\n  params:\n    parameterization: "v"\n')
    assert found() == ("v_prediction", 768)
