"""The denoisers of the catalogue's models without numbers, for counting: their shapes are written here."""

from typing import Any

import torch
from torch import Tensor

from balign.models import catalogue
from balign.models.base import BaseModel
from balign.models.dit import DiT
from balign.models.stable_diffusion import StableDiffusion

CHANNELS = (320, 640, 1280, 1280)
SD1 = {"sample_size": 64, "block_out_channels": CHANNELS, "cross_attention_dim": 768, "attention_head_dim": 8}
SD2 = {
    "sample_size": 96,
    "block_out_channels": CHANNELS,
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}
XL2 = {
    "num_attention_heads": 16,
    "attention_head_dim": 72,
    "in_channels": 4,
    "out_channels": 8,
    "num_layers": 28,
    "sample_size": 32,
    "patch_size": 2,
    "num_embeds_ada_norm": 1000,
}


def shapes() -> dict[str, tuple[BaseModel, Tensor]]:
    """By its id each model of the catalogue, hollow, and a condition of its shape."""
    import diffusers

    from balign import models

    def stable(shape: dict[str, Any]) -> tuple[BaseModel, Tensor]:
        hollow = StableDiffusion.__new__(StableDiffusion)
        with torch.device("meta"):
            hollow._denoiser = diffusers.UNet2DConditionModel(**shape).eval()
        return hollow, torch.empty(1, 77, shape["cross_attention_dim"])

    classes = DiT.__new__(DiT)
    with torch.device("meta"):
        classes._denoiser = diffusers.DiTTransformer2DModel(**XL2).eval()
    bundled = models.load(catalogue.EMOJI)
    found = {catalogue.EMOJI.id: (bundled.hollow(), bundled.encode_text([""]))}
    for entry in catalogue.CATALOGUE:
        if entry.family == catalogue.SD14.family and not entry.bundled:
            found[entry.id] = stable(SD2 if entry.size_px == 768 else SD1)
    return found | {catalogue.DIT.id: (classes, torch.zeros(1, 1, 1, dtype=torch.long))}
