"""The images, noise and timesteps of a step: all of it follows from the seed and the step's number.

Nothing is carried from one step to the next, so a resumed run sees what an undisturbed one would have seen.
"""

import hashlib
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from balign.method.losses import Batch
from balign.models.base import BaseModel
from balign.refusal import Refusal

if TYPE_CHECKING:
    from balign.data.latents import TrainingData


def generator(seed: int, *what: object) -> torch.Generator:
    """A separate CPU generator for every use of randomness."""
    digest = hashlib.sha256("/".join(map(str, (seed, *what))).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8]) >> 1)


def order(seed: int, size: int, first: int, count: int) -> list[int]:
    """Items ``first`` to ``first + count`` of an endless sequence of shuffles of ``size`` items.

    The shuffles are the same for both sides, so that equally many forget and retain images meet as the pairs they are.
    """
    shuffles: dict[int, list[int]] = {}
    drawn = []
    for place in range(first, first + count):
        epoch, position = divmod(place, size)
        if epoch not in shuffles:
            shuffles[epoch] = torch.randperm(size, generator=generator(seed, "order", epoch)).tolist()
        drawn.append(shuffles[epoch][position])
    return drawn


def draw(
    model: BaseModel, data: "TrainingData", side: str, size: int, seed: int, step: int, kept_pictures: bool = False
) -> tuple[Batch, list[int]]:
    """The batch of one side at one step, with the noise as target, and the places of its conditions in the data.

    kept_pictures: show the retain set's pictures on either side.
    """
    conditions: Tensor = getattr(data, f"{side}_conditions")  # (N, L, D)
    latents: Tensor = data.retain_latents if kept_pictures else getattr(data, f"{side}_latents")  # (N, C, h, w)
    if len(latents) == 0:
        raise Refusal(f"There are no images to {side}; at least one is needed.")
    random = generator(seed, side, step)
    noise = torch.randn(size, *latents.shape[1:], generator=random)  # (B, C, h, w)
    timesteps = torch.randint(model.num_train_timesteps, (size,), generator=random).to(model.device)  # (B,)
    chosen = order(seed, len(conditions), step * size, size)
    shown = chosen if len(latents) == len(conditions) else order(seed, len(latents), step * size, size)
    picked = latents[shown].to(model.device)
    noisy, target = model.add_noise(picked, noise.to(picked), timesteps)
    return Batch(noisy, timesteps, conditions[chosen].to(model.device), target), chosen


def others(data: "TrainingData", size: int, seed: int, step: int) -> Tensor:
    """Conditions (B, L, D) of so many retain prompts, drawn at random for this step."""
    chosen = torch.randint(len(data.retain_conditions), (size,), generator=generator(seed, "others", step))
    return data.retain_conditions[chosen]
