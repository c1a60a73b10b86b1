"""From noise to a latent: the noise of each seed, and the sampler's loop that removes it."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Predict = Callable[[Tensor, Tensor, Tensor], Tensor]


def initial_latents(shape: tuple[int, ...], seeds: Sequence[int]) -> Tensor:
    """Standard normal noise (N, *shape), one CPU generator a seed: an image's noise depends on its seed alone."""
    noise = torch.empty(len(seeds), *shape)
    for row, seed in zip(noise, seeds, strict=True):
        torch.randn(shape, generator=torch.Generator().manual_seed(seed), out=row)
    return noise


def denoise(
    predict: Predict,
    scheduler: Any,
    noise: Tensor,
    conditions: Tensor,
    empty: Tensor | None = None,
    guidance: float = 1.0,
    *,
    steps: int,
) -> Tensor:
    """The latents (N, C, h, w) that ``scheduler`` reaches from ``noise`` (N, C, h, w) in ``steps`` steps.

    With an ``empty`` condition, classifier-free guidance: both predictions come from one forward pass of twice the
    batch. The scheduler keeps its history, so each call needs a new one.
    """
    scheduler.set_timesteps(steps, device=noise.device)
    latents = noise * scheduler.init_noise_sigma
    if empty is not None:
        conditions = torch.cat([empty.expand_as(conditions), conditions])
    for timestep in scheduler.timesteps:
        scaled = scheduler.scale_model_input(latents, timestep)
        if empty is None:
            prediction = predict(scaled, timestep, conditions)
        else:
            without, with_prompt = predict(torch.cat([scaled, scaled]), timestep, conditions).chunk(2)
            prediction = without + guidance * (with_prompt - without)
        latents = scheduler.step(prediction, timestep, latents).prev_sample
    return latents
