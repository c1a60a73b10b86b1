"""The forget and retain losses: each the squared error of the trained model's prediction against a fixed target.

A forget loss decides the target and whether the error is raised or lowered; it is always written so that descending
it forgets. Targets are computed once for a batch, so that the same loss can be measured again after a step on the same
images, noise and timesteps.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from balign.models.base import BaseModel


class Batch(NamedTuple):
    """Noisy latents with their timesteps and conditions, and the target of the prediction."""

    noisy: Tensor  # (B, C, h, w)
    timesteps: Tensor  # (B,)
    conditions: Tensor  # (B, L, D)
    target: Tensor  # (B, C, h, w)


class FrozenBase:
    """The model as it was before training, without a second copy of the denoiser.

    It holds only the original values of the weights that train, and puts them into the model for one prediction.
    """

    def __init__(self, model: BaseModel, parameters: Mapping[str, nn.Parameter]) -> None:
        self.model = model
        self.parameters = list(parameters.values())
        self.originals = [parameter.detach().clone() for parameter in self.parameters]

    @contextmanager
    def _originals_in_place(self) -> Iterator[None]:
        trained = [parameter.data for parameter in self.parameters]
        try:
            for parameter, original in zip(self.parameters, self.originals, strict=True):
                parameter.data = original
            yield
        finally:
            for parameter, data in zip(self.parameters, trained, strict=True):
                parameter.data = data

    @torch.no_grad()
    def predict(self, noisy: Tensor, timesteps: Tensor, conditions: Tensor) -> Tensor:
        """The base model's prediction (B, C, h, w)."""
        with self._originals_in_place():
            return self.model.predict(noisy, timesteps, conditions)


def squared_error(model: BaseModel, batch: Batch) -> Tensor:
    """The mean squared error of the prediction; with the noise as target this is the denoising loss."""
    prediction = model.predict(batch.noisy, batch.timesteps, batch.conditions)
    return (prediction - batch.target.to(prediction)).square().mean()


def base_target(base: FrozenBase, batch: Batch) -> Batch:
    """The batch with the base's prediction as target: the loss is 0 as long as the two models agree."""
    return batch._replace(target=base.predict(batch.noisy, batch.timesteps, batch.conditions))


class Aim(NamedTuple):
    """What a target is made from: the frozen base, the batch, and the conditions that replace the concept."""

    base: FrozenBase
    batch: Batch
    anchor: Tensor  # (B, L, D)
    empty: Tensor  # (1, L, D)
    negative_guidance: float


def anchor_target(aim: Aim) -> Tensor:
    """The base's prediction for the replacement: base(x, c). (Concept Ablation, Kumari et al., ICCV 2023.)"""
    return aim.base.predict(aim.batch.noisy, aim.batch.timesteps, aim.anchor)


def negative_guidance_target(aim: Aim) -> Tensor:
    """The base's prediction, led away from the concept: base(x, c*) - eta (base(x, c*) - base(x, "")).

    (ESD, Gandikota et al., ICCV 2023.)
    """
    noisy, timesteps, conditions, _ = aim.batch
    empty = aim.empty.to(conditions).expand_as(conditions)
    if aim.negative_guidance == 1:
        return aim.base.predict(noisy, timesteps, empty)
    both = aim.base.predict(noisy.repeat(2, 1, 1, 1), timesteps.repeat(2), torch.cat([conditions, empty]))
    concept, nothing = both.chunk(2)
    return concept - aim.negative_guidance * (concept - nothing)


class ForgetLoss(NamedTuple):
    """A forget loss: its target, None for the noise; ``ascends`` raises the error instead of lowering it."""

    target: Callable[[Aim], Tensor] | None
    ascends: bool

    def __call__(self, model: BaseModel, batch: Batch, truncation: float) -> Tensor:
        """The loss; an ascending one stops at ``truncation``, beyond which its gradient is exactly zero."""
        error = squared_error(model, batch)
        return -error.clamp(max=truncation) if self.ascends else error


FORGET_LOSSES: dict[str, ForgetLoss] = {
    "ascent": ForgetLoss(target=None, ascends=True),
    "anchor": ForgetLoss(target=anchor_target, ascends=False),
    "negative_guidance": ForgetLoss(target=negative_guidance_target, ascends=False),
}
