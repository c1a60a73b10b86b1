"""A denoiser of a few hundred weights with the verbs of a base model, and training data for it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from balign.data.latents import TrainingData
from balign.method.objectives import settle
from balign.method.training import Unlearner
from balign.models.base import BaseModel


class Attention(nn.Module):
    def __init__(self, width: int, context: int) -> None:
        super().__init__()
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context, width, bias=False)
        self.to_v = nn.Linear(context, width, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(width, width), nn.Identity()])

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        scores = self.to_q(x) @ self.to_k(context).transpose(1, 2)
        return self.to_out[0](scores.softmax(-1) @ self.to_v(context))


class Denoiser(nn.Module):
    def __init__(self, channels: int = 2, width: int = 8, context: int = 6) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(channels, width, 3, padding=1)
        self.block = nn.ModuleDict({"attn2": Attention(width, context)})
        self.conv_out = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, noisy: Tensor, timesteps: Tensor, conditions: Tensor) -> Tensor:
        x = self.conv_in(noisy) + timesteps.to(noisy)[:, None, None, None] / 1000
        flat = x.flatten(2).transpose(1, 2)
        x = x + self.block["attn2"](flat, conditions).transpose(1, 2).view_as(x)
        return self.conv_out(torch.tanh(x))


class TinyModel(BaseModel):
    """Predicts the noise. ``before_predict`` is called at each prediction: how a test breaks the model."""

    def __init__(self, dtype: torch.dtype = torch.float32, seed: int = 0, width: int = 8) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.unet = Denoiser(width=width).to(dtype).eval()
        self.before_predict: Callable[[], None] | None = None

    denoiser = property(lambda self: self.unet)
    num_train_timesteps = property(lambda self: 1000)
    size = property(lambda self: 8)
    latent_shape = property(lambda self: (2, 4, 4))
    fingerprint = property(lambda self: "tiny")

    def add_noise(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        keep = (1 - timesteps.to(latents) / 1000)[:, None, None, None]
        return keep.sqrt() * latents + (1 - keep).sqrt() * noise, noise

    def predict(self, noisy: Tensor, timesteps: Tensor, conditions: Tensor) -> Tensor:
        if self.before_predict is not None:
            self.before_predict()
        return self.unet(noisy, timesteps, conditions)

    def _absent(self, *args: object, **options: object) -> Tensor:
        raise AssertionError("training asked for a part of the model that has left memory")

    encode_text = generate = decode = encode = release = save = _absent


class SameForBoth(TinyModel):
    """Adds no noise: the same images on both sides then give the same loss on both sides."""

    def add_noise(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        return latents, latents

    def predict(self, noisy: Tensor, timesteps: Tensor, conditions: Tensor) -> Tensor:
        return super().predict(noisy, torch.zeros_like(timesteps), conditions)


def tiny_data(forget: int = 6, retain: int = 8, dtype: torch.dtype = torch.float32, seed: int = 1) -> TrainingData:
    """Random latents, and conditions that differ between the two sides."""
    g = torch.Generator().manual_seed(seed)

    def randn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=g).to(dtype)

    return TrainingData(
        forget_latents=randn(forget, 2, 4, 4),
        retain_latents=randn(retain, 2, 4, 4),
        forget_conditions=randn(forget, 3, 6),
        retain_conditions=randn(retain, 3, 6),
        anchor_conditions=randn(forget, 3, 6),
        empty_condition=randn(1, 3, 6),
    )


SMALL = {"batch_forget": 4, "batch_retain": 4, "train": "all", "measure_every": 0}


def unlearner(model: TinyModel | None = None, data: Any = None, **options: Any) -> Unlearner:
    """A training of it, small unless the options say otherwise."""
    keywords = {name: options.pop(name) for name in ("optimizer", "seed") if name in options}
    return Unlearner(model or TinyModel(), data or tiny_data(), settle(**(SMALL | options)), **keywords)
