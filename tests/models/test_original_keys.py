"""The names of the first release, at the real sizes, and the way back by diffusers' own conversion."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from balign.models import original_keys, original_names
from balign.models.stable_diffusion import StableDiffusion
from balign.models.weight_file import save_changed
from balign.refusal import Refusal

NAMED = {
    "model.diffusion_model.time_embed.0.weight": (1280, 320),
    "model.diffusion_model.input_blocks.0.0.weight": (320, 4, 3, 3),
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, -1),
    "model.diffusion_model.input_blocks.3.0.op.weight": (320, 320, 3, 3),
    "model.diffusion_model.input_blocks.4.0.skip_connection.weight": (640, 320, 1, 1),
    "model.diffusion_model.input_blocks.11.0.in_layers.2.weight": (1280, 1280, 3, 3),
    "model.diffusion_model.middle_block.1.transformer_blocks.0.ff.net.0.proj.weight": (10240, 1280),
    "model.diffusion_model.middle_block.2.out_layers.3.bias": (1280,),
    "model.diffusion_model.output_blocks.2.1.conv.weight": (1280, 1280, 3, 3),
    "model.diffusion_model.output_blocks.5.2.conv.weight": (1280, 1280, 3, 3),
    "model.diffusion_model.output_blocks.8.2.conv.bias": (640,),
    "model.diffusion_model.output_blocks.11.0.emb_layers.1.weight": (320, 1280),
    "model.diffusion_model.output_blocks.11.1.proj_out.bias": (320,),
    "model.diffusion_model.out.0.weight": (320,),
    "model.diffusion_model.out.2.weight": (4, 320, 3, 3),
    "first_stage_model.encoder.down.1.block.0.nin_shortcut.weight": (256, 128, 1, 1),
    "first_stage_model.encoder.down.2.downsample.conv.weight": (512, 512, 3, 3),
    "first_stage_model.encoder.mid.attn_1.q.weight": (512, 512, 1, 1),
    "first_stage_model.encoder.mid.block_2.conv1.weight": (512, 512, 3, 3),
    "first_stage_model.decoder.mid.attn_1.norm.weight": (512,),
    "first_stage_model.decoder.mid.attn_1.proj_out.bias": (512,),
    "first_stage_model.decoder.up.0.block.0.nin_shortcut.weight": (128, 256, 1, 1),
    "first_stage_model.decoder.up.3.upsample.conv.weight": (512, 512, 3, 3),
    "first_stage_model.decoder.norm_out.weight": (128,),
    "first_stage_model.quant_conv.weight": (8, 8, 1, 1),
}
TEXT = {
    "sd1": {
        "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight": (49408, 768),
        "cond_stage_model.transformer.text_model.encoder.layers.11.self_attn.q_proj.weight": (768, 768),
        "cond_stage_model.transformer.text_model.final_layer_norm.bias": (768,),
    },
    "sd2": {
        "cond_stage_model.model.token_embedding.weight": (49408, 1024),
        "cond_stage_model.model.positional_embedding": (77, 1024),
        "cond_stage_model.model.transformer.resblocks.22.attn.in_proj_weight": (3072, 1024),
        "cond_stage_model.model.transformer.resblocks.0.attn.out_proj.bias": (1024,),
        "cond_stage_model.model.transformer.resblocks.0.mlp.c_fc.weight": (4096, 1024),
        "cond_stage_model.model.transformer.resblocks.5.ln_2.weight": (1024,),
        "cond_stage_model.model.ln_final.weight": (1024,),
    },
}


def real(like: str) -> SimpleNamespace:
    """The shapes of Stable Diffusion 1.4 or 2.1, without a value."""
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    second = like == "sd2"
    with torch.device("meta"):
        return SimpleNamespace(
            unet=UNet2DConditionModel(
                sample_size=96 if second else 64,
                cross_attention_dim=1024 if second else 768,
                attention_head_dim=[5, 10, 20, 20] if second else 8,
                use_linear_projection=second,
            ),
            vae=AutoencoderKL(
                block_out_channels=(128, 256, 512, 512),
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
                layers_per_block=2,
            ),
            text_encoder=CLIPTextModel(
                CLIPTextConfig(
                    hidden_size=1024 if second else 768,
                    intermediate_size=4096 if second else 3072,
                    num_hidden_layers=23 if second else 12,
                    num_attention_heads=16 if second else 12,
                    hidden_act="gelu" if second else "quick_gelu",
                )
            ),
            scheduler=DDIMScheduler(prediction_type="v_prediction" if second else "epsilon"),
        )


@pytest.mark.parametrize("like", ["sd1", "sd2"])
def test_the_names_and_shapes_are_those_of_the_first_release(like: str) -> None:
    pipeline = real(like)
    tensors = original_keys.tensors_of(pipeline)
    width = 1024 if like == "sd2" else 768
    for name, shape in (NAMED | TEXT[like]).items():
        assert tuple(tensors[name].shape) == tuple(width if side == -1 else side for side in shape), name
    projection = tensors["model.diffusion_model.input_blocks.1.1.proj_in.weight"]
    assert projection.ndim == (2 if like == "sd2" else 4)
    counts = {
        start: sum(name.startswith(start) for name in tensors) for start in (original_names.UNET, original_names.VAE)
    }
    assert counts == {original_names.UNET: 686, original_names.VAE: 248}
    assert ("v_pred" in tensors) == (like == "sd2")
    facts = original_keys.metadata(pipeline)
    assert facts["modelspec.architecture"] == {"sd1": "stable-diffusion-v1", "sd2": "stable-diffusion-v2-768-v"}[like]
    assert facts["modelspec.resolution"] == {"sd1": "512x512", "sd2": "768x768"}[like]
    assert facts["modelspec.prediction_type"] == {"sd1": "epsilon", "sd2": "v"}[like]


@pytest.mark.parametrize(("like", "prediction"), [("sd1", "epsilon"), ("sd1", "v_prediction"), ("sd2", "v_prediction")])
def test_diffusers_reads_every_value_back(
    tiny_model: Callable[..., str], tmp_path: Path, like: str, prediction: str
) -> None:
    from diffusers import StableDiffusionPipeline

    folder = tiny_model(prediction, like=like)
    tensors, metadata, _ = StableDiffusion.load(folder).single_file()
    path = tmp_path / "model.safetensors"
    save_changed(path, tensors, metadata)
    offline = {"local_files_only": True, "safety_checker": None}
    stock = StableDiffusionPipeline.from_pretrained(folder, **offline)
    found = StableDiffusionPipeline.from_single_file(str(path), config=folder, **offline)
    for part in ("unet", "vae", "text_encoder"):
        before, after = getattr(stock, part).state_dict(), getattr(found, part).state_dict()
        assert before.keys() == after.keys()
        assert all(torch.equal(before[name], after[name]) for name in before), part


def test_a_part_without_a_name_is_refused() -> None:
    pipeline = SimpleNamespace(
        unet=SimpleNamespace(
            state_dict=lambda: {"class_embedding.weight": torch.zeros(1)},
            config={"layers_per_block": 1},
        ),
        vae=None,
        text_encoder=None,
        scheduler=SimpleNamespace(config=None),
    )
    with pytest.raises(Refusal, match="class_embedding"):
        original_keys.tensors_of(pipeline)
