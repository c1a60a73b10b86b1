"""The forget and retain losses: each the squared error of the trained model's prediction against a fixed target.

A forget loss decides the target and what is made of the error. Targets are computed once for a batch, so that the same
loss can be measured again after a step on the same images, noise and timesteps.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from balign.method.attention import attention_to, captured, tokens_of
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
    """What a target is made from: the frozen base, the batch, and what else its pictures could be called."""

    base: FrozenBase
    batch: Batch
    anchor: Tensor  # (B, L, D): the same prompts with the replacement
    other: Tensor  # (B, L, D): prompts of the retain set, drawn at random
    empty: Tensor  # (1, L, D)
    negative_guidance: float
    span: Tensor | None = None  # (B, 2): the first and the last token of the concept, if prompts are words

    def at(self, conditions: Tensor) -> Tensor:
        """The base's prediction (B, C, h, w) for the batch's noisy latents under these conditions."""
        return self.base.predict(self.batch.noisy, self.batch.timesteps, conditions)


def anchor_target(aim: Aim) -> Tensor:
    """The base's prediction for the replacement: base(x, c). (Concept Ablation, Kumari et al., ICCV 2023.)"""
    return aim.at(aim.anchor)


def other_target(aim: Aim) -> Tensor:
    """The base's prediction for a prompt of the retain set, another one for each picture.

    (Random labels, as in SalUn: Fan et al., ICLR 2024.)
    """
    return aim.at(aim.other)


def negative_guidance_target(aim: Aim) -> Tensor:
    """The base's prediction, led away from the concept: base(x, c*) - eta (base(x, c*) - base(x, "")).

    (ESD, Gandikota et al., ICCV 2023.)
    """
    noisy, timesteps, conditions, _ = aim.batch
    empty = aim.empty.to(conditions).expand_as(conditions)
    if aim.negative_guidance == 1:
        return aim.at(empty)
    both = aim.base.predict(noisy.repeat(2, 1, 1, 1), timesteps.repeat(2), torch.cat([conditions, empty]))
    concept, nothing = both.chunk(2)
    return concept - aim.negative_guidance * (concept - nothing)


def hinge_target(aim: Aim) -> Tensor:
    """Two predictions of the base side by side (B, 2 C, h, w): for the replacement, and for the prompt itself."""
    return torch.cat([aim.at(aim.anchor), aim.at(aim.batch.conditions)], dim=1)


def _each(prediction: Tensor, target: Tensor) -> Tensor:
    """The mean squared error of each picture (B,)."""
    return (prediction - target).square().flatten(1).mean(dim=1)


def lowered(prediction: Tensor, target: Tensor, truncation: float) -> Tensor:
    """The mean squared error."""
    return (prediction - target).square().mean()


def raised(prediction: Tensor, target: Tensor, truncation: float) -> Tensor:
    """Minus the mean squared error; it stops at `truncation`, beyond which its gradient is exactly zero."""
    return -(prediction - target).square().mean().clamp(max=truncation)


def raised_where_small(prediction: Tensor, target: Tensor, truncation: float) -> Tensor:
    """Minus the errors l of the pictures, weighted by 1/sqrt(l) in parts of their sum; stops at `truncation`.

    (SFR-on, Huang et al., NeurIPS 2024, with lambda = 1/2: what is drawn well counts most.)
    """
    errors = _each(prediction, target)
    weights = 1 / (errors.detach().sqrt() + 1e-8)
    return -(weights / weights.sum() * errors).sum().clamp(max=truncation)


def hellinger(prediction: Tensor, target: Tensor, truncation: float) -> Tensor:
    """The mean of 1 - exp(-m) over the errors m of the pictures: what is far already counts for little.

    (f-DMU, arXiv 2509.21167: the squared Hellinger distance of two Gaussians.)
    """
    return (1 - (-_each(prediction, target)).exp()).mean()


def chi_squared(prediction: Tensor, target: Tensor, truncation: float) -> Tensor:
    """The mean of exp(m) - 1 over the errors m of the pictures: what is far counts most. (f-DMU, as above.)"""
    return (_each(prediction, target).exp() - 1).mean()


def hinge(prediction: Tensor, target: Tensor, truncation: float) -> Tensor:
    """The mean over pictures of max(0, |v - a| - |v - c|): until v is nearer to the replacement's a than to its own c.

    (GEM, arXiv 2606.00140, with eta = 1.)
    """
    anchor, own = target.chunk(2, dim=1)
    to_anchor, to_own = ((prediction - each).flatten(1).norm(dim=1) for each in (anchor, own))
    return (to_anchor - to_own).clamp(min=0).mean()


class ForgetLoss(NamedTuple):
    """A forget loss: its target, None for the noise; what it makes of prediction and target; whose pictures it shows.

    It is always written so that descending it forgets.
    """

    target: Callable[[Aim], Tensor] | None = None
    loss: Callable[[Tensor, Tensor, float], Tensor] = lowered
    kept_pictures: bool = False
    """Whether the pictures are those of the retain set, under the forget set's prompts."""
    resteers: bool = False
    """Whether the loss is the attention to the tokens that the target names, and not an error."""

    def __call__(self, model: BaseModel, batch: Batch, truncation: float) -> Tensor:
        if self.resteers:
            with captured(model.denoiser) as maps:
                model.predict(batch.noisy, batch.timesteps, batch.conditions)
            return attention_to(maps, batch.target)
        prediction = model.predict(batch.noisy, batch.timesteps, batch.conditions)
        return self.loss(prediction, batch.target.to(prediction), truncation)


FORGET_LOSSES: dict[str, ForgetLoss] = {
    "ascent": ForgetLoss(loss=raised),
    "weighted_ascent": ForgetLoss(loss=raised_where_small),
    "anchor": ForgetLoss(anchor_target),
    "hellinger": ForgetLoss(anchor_target, hellinger),
    "chi_squared": ForgetLoss(anchor_target, chi_squared),
    "hinge": ForgetLoss(hinge_target, hinge),
    "random_label": ForgetLoss(other_target),
    "relabel": ForgetLoss(kept_pictures=True),
    "negative_guidance": ForgetLoss(negative_guidance_target),
    "attention": ForgetLoss(lambda aim: tokens_of(aim.batch.conditions, aim.anchor, aim.span), resteers=True),
}
