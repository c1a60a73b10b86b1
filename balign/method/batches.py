"""Which images, which noise and which timesteps a step sees: all of it follows from the seed and the step's number.

Nothing is remembered from one step to the next, so a run that is resumed sees what an undisturbed one would have seen.
With several processes each takes its share of the same batch, so their number does not change what is learnt.
"""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from balign.method.losses import Batch
from balign.models.base import BaseModel
from balign.refusal import Refusal

if TYPE_CHECKING:
    from balign.data.latents import TrainingData


@dataclass(frozen=True)
class Share:
    """Which of how many processes this one is."""

    index: int = 0
    count: int = 1

    def of(self, size: int, side: str) -> slice:
        if size % self.count:
            raise ValueError(f"batch_{side} is {size}; a multiple of the {self.count} processes is accepted.")
        return slice(self.index, None, self.count)


def generator(seed: int, *what: object) -> torch.Generator:
    """A CPU generator of its own for every use that randomness is put to."""
    digest = hashlib.sha256("/".join(map(str, (seed, *what))).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8]) >> 1)


def order(seed: int, size: int, first: int, count: int) -> list[int]:
    """Numbers ``first`` to ``first + count`` of an endless row of shuffles of ``size`` items.

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
    model: BaseModel, data: "TrainingData", side: str, size: int, seed: int, step: int, share: Share
) -> tuple[Batch, list[int]]:
    """The batch of one side at one step, aiming at the noise, and which images it holds."""
    latents: Tensor = getattr(data, f"{side}_latents")
    conditions: Tensor = getattr(data, f"{side}_conditions")
    if len(latents) == 0:
        raise Refusal(f"There are no images to {side}; at least one is needed.")
    random = generator(seed, side, step)
    noise = torch.randn(size, *latents.shape[1:], generator=random)
    timesteps = torch.randint(model.num_train_timesteps, (size,), generator=random)
    mine = share.of(size, side)
    chosen = order(seed, len(latents), step * size, size)[mine]
    picked = latents[chosen].to(model.device)
    timesteps = timesteps[mine].to(model.device)
    noisy, target = model.add_noise(picked, noise[mine].to(picked), timesteps)
    return Batch(noisy, timesteps, conditions[chosen].to(model.device), target), chosen
