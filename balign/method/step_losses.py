"""The two losses of a step: which pictures, noise and targets they are of, and which weights a masked method moves."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from balign.method import conflict, masks
from balign.method.batches import draw, others
from balign.method.losses import FORGET_LOSSES, Aim, Batch, FrozenBase, base_target, squared_error
from balign.method.objectives import Settings
from balign.models.base import BaseModel

if TYPE_CHECKING:
    from balign.data.latents import TrainingData

Side = Literal["forget", "retain"]
SIDES: tuple[Side, Side] = ("forget", "retain")
MASK_BATCHES = 4
"""So many batches of the untrained model say which weights a masked method moves."""


class StepLosses:
    """The losses of one training. ``base`` may be None where no target is made from it."""

    def __init__(
        self, model: BaseModel, data: "TrainingData", settings: Settings, seed: int, base: FrozenBase | None
    ) -> None:
        self.model, self.data, self.settings, self.seed, self.base = model, data, settings, seed, base
        self.forget = FORGET_LOSSES[settings.forget]

    def loss(self, side: Side, step: int, quarter: int | None = None) -> Tensor:
        """The loss of one side at a step, or of a quarter of its batch: a scalar with its graph."""
        batch = self.batch(side, step, quarter)
        if side == "forget":
            return self.forget(self.model, batch, self.settings.truncation)
        return squared_error(self.model, batch)

    def masks(self, weights: Sequence[Tensor]) -> list[Tensor]:
        """Which of the weights may move, by the gradients of the denoising losses of the first batches."""
        settings = self.settings
        fisher = settings.mask == "fisher"
        sums: dict[Side, list[Tensor]] = {}
        for side in SIDES if fisher else SIDES[:1]:
            for step in range(MASK_BATCHES):
                batch, _ = draw(self.model, self.data, side, self._size(side), self.seed, step)
                gradients = torch.autograd.grad(squared_error(self.model, batch), weights, materialize_grads=True)
                if fisher:
                    torch._foreach_mul_(gradients, gradients)
                if side in sums:
                    torch._foreach_add_(sums[side], gradients)
                else:
                    sums[side] = list(gradients)
        if fisher:
            return masks.fisher_ratio(sums["forget"], sums["retain"], settings.mask_threshold)
        return masks.salient(sums["forget"], settings.mask_threshold)

    def _size(self, side: Side) -> int:
        return self.settings.batch_forget if side == "forget" else self.settings.batch_retain

    def batch(self, side: Side, step: int, quarter: int | None = None) -> Batch:
        """The batch of one side at a step, or a quarter of it, with the target of its loss; always the same one."""
        data, size = self.data, self._size(side)
        borrowed = side == "forget" and self.forget.kept_pictures
        batch, chosen = draw(self.model, data, side, size, self.seed, step, borrowed)
        some = conflict.quarter(batch.timesteps, quarter) if quarter is not None else list(range(size))
        if quarter is not None:
            batch, chosen = Batch(*(part[some] for part in batch)), [chosen[k] for k in some]
        if side == "retain":
            return base_target(self.base, batch) if self.base and self.settings.retain_target == "base" else batch
        if self.base is None or self.forget.target is None:
            return batch
        anchor = data.anchor_conditions[chosen].to(batch.conditions)  # (B, L, D)
        called = others(data, size, self.seed, step)[some].to(batch.conditions)  # (B, L, D)
        span = None if data.forget_span is None else data.forget_span[chosen].to(batch.noisy.device)
        aim = Aim(self.base, batch, anchor, called, data.empty_condition, self.settings.negative_guidance, span)
        return batch._replace(target=self.forget.target(aim))
