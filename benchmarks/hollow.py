"""The denoisers of the catalogue's models without numbers, for counting: their shapes are written here."""

from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from balign.models import catalogue
from balign.models.base import BaseModel
from balign.models.diffusers_model import DiffusersModel
from balign.models.dit import DiT
from balign.models.loading import PipelineFolder
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
NOISE = {
    "_class_name": "DDPMScheduler",
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
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
PATCH4 = {
    "num_attention_heads": 6,
    "attention_head_dim": 32,
    "in_channels": 1,
    "out_channels": 1,
    "num_layers": 6,
    "sample_size": 32,
    "patch_size": 4,
    "num_embeds_ada_norm": 1000,
}


Family = TypeVar("Family", bound=DiffusersModel)


class Shape(PipelineFolder):
    """A pipeline of which nothing is on the disk; each value of its latents is of eight pixels in a row."""

    def __init__(self, denoiser: Any) -> None:
        super().__init__(Path("nowhere"))
        self.denoiser = denoiser

    def config(self, part: str) -> dict[str, Any]:
        return {"vae": {}, "scheduler": NOISE}.get(part, dict(self.denoiser.config))


def around(family: type[Family], denoiser: Any) -> Family:
    """A model of this family that has a denoiser and no more."""
    model = family.__new__(family)
    model.source, model._denoiser = Shape(denoiser), denoiser
    model.size = model._own_size()
    return model


def shapes() -> dict[str, tuple[BaseModel, Tensor]]:
    """By its id each model of the catalogue, hollow, and a condition of its shape."""
    import diffusers

    from balign import models

    def stable(shape: dict[str, Any]) -> tuple[BaseModel, Tensor]:
        with torch.device("meta"):
            unet = diffusers.UNet2DConditionModel(**shape).eval()
        return around(StableDiffusion, unet), torch.empty(1, 77, shape["cross_attention_dim"])

    def transformer(shape: dict[str, Any]) -> tuple[BaseModel, Tensor]:
        with torch.device("meta"):
            denoiser = diffusers.DiTTransformer2DModel(**shape).eval()
        return around(DiT, denoiser), torch.zeros(1, 1, 1, dtype=torch.long)

    bundled = models.load(catalogue.EMOJI)
    found = {catalogue.EMOJI.id: (bundled.hollow(), bundled.encode_text([""]))}
    for entry in catalogue.CATALOGUE:
        if entry.family == catalogue.SD14.family and not entry.bundled:
            found[entry.id] = stable(SD2 if entry.size_px == 768 else SD1)
    return found | {catalogue.DIT.id: transformer(XL2), catalogue.FASHION.id: transformer(PATCH4)}
