"""The two losses of a step: which pictures, noise and targets they are of, and which weights a masked method moves."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch.autograd import grad

from balign.method import conflict, masks
from balign.method.batches import draw, others
from balign.method.losses import FORGET_LOSSES, Aim, Batch, FrozenBase, Loss, LossSums, base_target, squared_error
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

    def loss(
        self, side: Side, step: int, weights: Sequence[Tensor] = (), quarter: int | None = None
    ) -> tuple[float, list[Tensor]]:
        """The loss of one side at a step, or of a quarter of its batch, and its gradient for these weights, if any.

        The batch goes through the model in parts of `micro_batch`, whose gradients add up in the weights' own format.
        """
        loss = self.forget if side == "forget" else squared_error
        return self._over(loss, self.parts(side, step, quarter), weights)

    def _over(self, loss: Loss, batches: Iterator[Batch], weights: Sequence[Tensor]) -> tuple[float, list[Tensor]]:
        """The loss over all of these batches as one, and its gradient in the order and shapes of the weights."""
        found: list[LossSums] = []
        for batch in batches:
            with torch.set_grad_enabled(len(weights) > 0):
                sums = loss.sums(self.model, batch)
            if weights and not found:
                for weight, part in zip(weights, grad(sums.terms, weights, materialize_grads=True), strict=True):
                    weight.grad = part
            elif weights:  # adds to it in place, one weight after the other
                torch.autograd.backward(sums.terms, inputs=list(weights))
            found.append(LossSums(sums.terms.detach(), sums.weights))
        terms = torch.stack([sums.terms for sums in found]).sum().requires_grad_(len(weights) > 0)
        value = loss.of(LossSums(terms, torch.stack([sums.weights for sums in found]).sum()), self.settings.truncation)
        gradient = [weight.grad for weight in weights if weight.grad is not None]
        for weight in weights:
            weight.grad = None
        if gradient:
            torch._foreach_mul_(gradient, *grad(value, terms))  # from the gradient of the sum to that of the loss
        return float(value.detach()), gradient

    def masks(self, weights: Sequence[Tensor]) -> list[Tensor]:
        """Which of the weights may move, by the gradients of the denoising losses of the first batches."""
        settings = self.settings
        fisher = settings.mask == "fisher"
        sums: dict[Side, list[Tensor]] = {}
        for side in SIDES if fisher else SIDES[:1]:
            for step in range(MASK_BATCHES):
                batch, _ = draw(self.model, self.data, side, self._size(side), self.seed, step)
                parts = (Batch(*(part[some] for part in batch)) for some in self._split(range(len(batch.noisy))))
                _, gradients = self._over(squared_error, parts, weights)
                if fisher:
                    torch._foreach_mul_(gradients, gradients)
                if side in sums:
                    torch._foreach_add_(sums[side], gradients)
                else:
                    sums[side] = gradients
        if fisher:
            return masks.fisher_ratio(sums["forget"], sums["retain"], settings.mask_threshold)
        return masks.salient(sums["forget"], settings.mask_threshold)

    def _size(self, side: Side) -> int:
        return self.settings.batch_forget if side == "forget" else self.settings.batch_retain

    def _split(self, places: Sequence[int]) -> Iterator[list[int]]:
        """These places in a batch, so many at a time as go through the model at once."""
        most = self.settings.micro_batch or len(places)
        yield from ([*places[start : start + most]] for start in range(0, len(places), most))

    def parts(self, side: Side, step: int, quarter: int | None = None) -> Iterator[Batch]:
        """The batch of one side at a step, or a quarter of it, in parts, each with its target; always the same ones."""
        size = self._size(side)
        borrowed = side == "forget" and self.forget.kept_pictures
        batch, chosen = draw(self.model, self.data, side, size, self.seed, step, borrowed)
        called = others(self.data, size, self.seed, step)
        for some in self._split(range(size) if quarter is None else conflict.quarter(batch.timesteps, quarter)):
            part = batch if len(some) == size else Batch(*(tensor[some] for tensor in batch))
            yield self._targeted(side, part, [chosen[k] for k in some], called[some])

    def _targeted(self, side: Side, batch: Batch, chosen: list[int], called: Tensor) -> Batch:
        """These pictures with the target of their loss."""
        if side == "retain":
            return base_target(self.base, batch) if self.base and self.settings.retain_target == "base" else batch
        if self.base is None or self.forget.target is None:
            return batch
        data, eta = self.data, self.settings.negative_guidance
        anchor = data.anchor_conditions[chosen].to(batch.conditions)  # (B, L, D)
        span = None if data.forget_span is None else data.forget_span[chosen].to(batch.noisy.device)
        aim = Aim(self.base, batch, anchor, called.to(batch.conditions), data.empty_condition, eta, span)
        return batch._replace(target=self.forget.target(aim))
