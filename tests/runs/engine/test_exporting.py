"""What is taken away of a finished run: each form under a name that is no other's."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from balign.refusal import Refusal
from balign.runs.engine import exporting


def test_the_export_is_a_pipeline_with_the_erased_weights(finished, tmp_path):
    from diffusers import UNet2DConditionModel

    out = exporting.export(finished.run, tmp_path / "pipeline")
    parts = UNet2DConditionModel.from_pretrained(out / "unet").state_dict()
    erased = load_file(finished.run.path / "erased.safetensors")
    assert all(torch.equal(parts[name], tensor) for name, tensor in erased.items())
    with pytest.raises(ValueError, match="not an empty folder"):
        exporting.export(finished.run, out)


def test_the_change_is_written_as_a_lora_which_says_what_it_holds(finished, tmp_path):
    out = tmp_path / "lora.safetensors"
    shares = [exporting.export_lora(finished.run, tmp_path / f"{rank}.safetensors", rank) for rank in (1, 2, 64)]
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[2] <= 1
    for rank, refusal in ((0, "rank is 0"), (4, "exists; name a new file")):
        out.touch()
        with pytest.raises(ValueError, match=refusal):
            exporting.export_lora(finished.run, out, rank)
    assert out.read_bytes() == b""
    with pytest.raises(ValueError, match=r"'lora\.ckpt' is no name for a LoRA"):
        exporting.export_lora(finished.run, tmp_path / "lora.ckpt", 4)
    assert any(name.endswith("attn2_to_k.lora_up.weight") for name in load_file(tmp_path / "2.safetensors"))


@pytest.mark.parametrize("strength", [float("nan"), float("inf")])
def test_a_strength_that_is_no_number_writes_nothing(finished, tmp_path, strength):
    for write in (exporting.export, lambda run, out, **given: exporting.export_lora(run, out, 4, **given)):
        with pytest.raises(ValueError, match=f"strength is {strength}; a number such as 0.5 is accepted"):
            write(
                finished.run,
                tmp_path / ("lora.safetensors" if write is not exporting.export else "x"),
                strength=strength,
            )
    assert list(tmp_path.iterdir()) == []


def test_the_checkpoint_is_the_whole_model_and_says_what_it_is(finished, tmp_path):
    said: list[str] = []
    out = exporting.export(finished.run, tmp_path / "model.safetensors", "checkpoint", say=said.append)
    assert [text[:24] for text in said] == ["A1111, Forge and ComfyUI"]  # the sizes are no real model's
    tensors, erased = load_file(out), load_file(finished.run.path / "erased.safetensors")
    prefixes = {name.split(".")[0] for name in tensors}
    assert prefixes == {"model", "first_stage_model", "cond_stage_model"}
    kept = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"
    there = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
    assert torch.equal(tensors[there], erased[kept])
    with safe_open(out, "pt") as file:
        facts = file.metadata()
    assert facts["modelspec.architecture"] == "stable-diffusion-v1"
    assert facts["modelspec.title"] == "without cat"


@pytest.mark.parametrize("strength", [0.0, 0.5])
def test_every_form_takes_a_strength(finished, tmp_path, strength):
    run, erased = finished.run, load_file(finished.run.path / "erased.safetensors")
    whole = exporting.export(run, tmp_path / "whole", "pipeline")
    part = load_file(exporting.export(run, tmp_path / "part.safetensors", "changed", strength))
    name = next(name for name in erased if name.endswith("attn2.to_v.weight"))
    base = load_file(Path(run.config.model) / "unet" / "diffusion_pytorch_model.safetensors")[name]
    assert torch.equal(load_file(whole / "unet" / "diffusion_pytorch_model.safetensors")[name], erased[name])
    assert torch.equal(part[name], torch.lerp(base, erased[name], strength))
    exporting.export_lora(run, tmp_path / "lora.safetensors", 64, strength)
    lora = load_file(tmp_path / "lora.safetensors")
    key = f"lora_unet_{name.removesuffix('.weight').replace('.', '_')}"
    change = lora[f"{key}.lora_up.weight"] @ lora[f"{key}.lora_down.weight"]
    torch.testing.assert_close(change, strength * (erased[name] - base), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "form", "sentence"),
    [
        ("erased.safetensors", "pipeline", "'checkpoint', the whole model .* and 'changed', the changed weights alone"),
        ("folder", "checkpoint", "'folder' is no name for the form 'checkpoint'"),
        ("folder", "changed", "'folder' is no name for the form 'changed'"),
        ("x.safetensors", "ckpt", "accepted are pipeline, checkpoint, changed"),
    ],
)
def test_a_name_of_another_form_is_refused(finished, tmp_path, name, form, sentence):
    with pytest.raises(Refusal, match=sentence):
        exporting.export(finished.run, tmp_path / name, form)
    assert not list(tmp_path.iterdir())


def test_what_a_lora_cannot_hold_is_said_before_it_is_written(finished, tmp_path):
    out, said = tmp_path / "lora.safetensors", []
    exporting.export_lora(finished.run, out, 4, say=lambda text: said.append((text, out.exists())))
    ((text, written),) = said
    assert not written
    assert "biases" in text
