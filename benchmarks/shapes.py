"""Pipelines with random weights in the shape of real ones, for measuring what does not depend on the weights."""

import json
import shutil
from pathlib import Path

from balign.models import catalogue
from balign.models.loading import KINDS


def sd14(folder: Path, width: float, pixels: int = 512) -> Path:
    """A pipeline folder of Stable Diffusion 1.4's shape, its channels times ``width``, random weights.

    Its tokenizer is the bundled model's.
    """
    from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    def wide(*channels: int) -> tuple[int, ...]:
        return tuple(max(32, round(channel * width / 32) * 32) for channel in channels)

    (text,) = wide(768)
    unet = UNet2DConditionModel(
        sample_size=pixels // 8, block_out_channels=wide(320, 640, 1280, 1280), cross_attention_dim=text
    )
    unet.save_pretrained(folder / "unet")
    del unet
    vae = AutoencoderKL(
        block_out_channels=wide(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=4,
        sample_size=pixels,
    )
    vae.save_pretrained(folder / "vae")
    shape = CLIPTextConfig(hidden_size=text, intermediate_size=4 * text, num_attention_heads=max(1, text // 64))
    shape.num_hidden_layers = 12
    CLIPTextModel(shape).save_pretrained(folder / "text_encoder")
    PNDMScheduler(num_train_timesteps=1000, skip_prk_steps=True, steps_offset=1).save_pretrained(folder / "scheduler")
    shutil.copytree(catalogue.MODELS / catalogue.EMOJI.id / "tokenizer", folder / "tokenizer", dirs_exist_ok=True)
    parts = {part: list(KINDS[part]) for part in ("unet", "vae", "text_encoder")}
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "StableDiffusionPipeline"} | parts))
    return folder
