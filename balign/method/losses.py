"""The forget and retain losses: each the squared error of the trained model's prediction against a fixed target.

A forget loss decides the target and what is made of the error. Targets are computed once for a batch, so that the same
loss can be measured again after a step on the same images, noise and timesteps.
"""

import math
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


# ----------------------------------------------------------------------------------------------------------------------
# What a loss is of one picture: (B,) of predictions and targets (B, C, h, w)


def error(prediction: Tensor, target: Tensor) -> Tensor:
    """The mean squared error."""
    return (prediction - target).square().flatten(1).mean(dim=1)


def hellinger(prediction: Tensor, target: Tensor) -> Tensor:
    """1 - exp(-m) of the error m: what is far already counts for little.

    (f-DMU, arXiv 2509.21167: the squared Hellinger distance of two Gaussians.)
    """
    return 1 - (-error(prediction, target)).exp()


def chi_squared(prediction: Tensor, target: Tensor) -> Tensor:
    """exp(m) - 1 of the error m: what is far counts most. (f-DMU, as above.)"""
    return error(prediction, target).exp() - 1


def hinge(prediction: Tensor, target: Tensor) -> Tensor:
    """max(0, |v - a| - |v - c|): until v is nearer to the replacement's a than to its own c.

    (GEM, arXiv 2606.00140, with eta = 1.)
    """
    anchor, own = target.chunk(2, dim=1)
    to_anchor, to_own = ((prediction - each).flatten(1).norm(dim=1) for each in (anchor, own))
    return (to_anchor - to_own).clamp(min=0)


def alike(terms: Tensor) -> Tensor:
    """Every picture counts the same."""
    return torch.ones_like(terms)


def where_small(terms: Tensor) -> Tensor:
    """1/sqrt(l) of an error l: what is drawn well counts most. (SFR-on, Huang et al., NeurIPS 2024, lambda = 1/2.)"""
    return 1 / (terms.sqrt() + 1e-8)


# ----------------------------------------------------------------------------------------------------------------------


class LossSums(NamedTuple):
    """What a loss adds up over a batch, or a part of one: the pictures' terms by their weights, and the weights."""

    terms: Tensor
    weights: Tensor


class Loss(NamedTuple):
    """A loss: the weighted mean of what it is of each picture; so a batch may be worked on in parts.

    Forget losses are always written so that descending them forgets.
    """

    target: Callable[[Aim], Tensor] | None = None
    """What the prediction is compared with; None for the noise."""
    each: Callable[[Tensor, Tensor], Tensor] = error
    weigh: Callable[[Tensor], Tensor] = alike
    """The weights (B,) of the pictures, from their terms."""
    ascends: bool = False
    """Whether the mean is raised until `truncation`, beyond which the gradient is exactly zero."""
    kept_pictures: bool = False
    """Whether the pictures are those of the retain set, under the forget set's prompts."""
    resteers: bool = False
    """Whether the loss is the attention to the tokens that the target names, and not an error."""

    def sums(self, model: BaseModel, batch: Batch) -> LossSums:
        """The sums over these pictures, with the graph of their terms."""
        if self.resteers:
            with captured(model.denoiser) as maps:
                model.predict(batch.noisy, batch.timesteps, batch.conditions)
            terms = attention_to(maps, batch.target)
        else:
            prediction = model.predict(batch.noisy, batch.timesteps, batch.conditions)
            terms = self.each(prediction, batch.target.to(prediction))
        weights = self.weigh(terms.detach())
        return LossSums((weights * terms).sum(), weights.sum())

    def of(self, sums: LossSums, truncation: float) -> Tensor:
        """The loss that the sums over a whole batch make."""
        mean = sums.terms / sums.weights
        return -mean.clamp(max=truncation) if self.ascends else mean

    def __call__(self, model: BaseModel, batch: Batch, truncation: float = math.inf) -> Tensor:
        """The loss of a whole batch: a scalar with its graph."""
        return self.of(self.sums(model, batch), truncation)


squared_error = Loss()
"""The mean squared error of the prediction; with the noise as target this is the denoising loss."""

FORGET_LOSSES: dict[str, Loss] = {
    "ascent": Loss(ascends=True),
    "weighted_ascent": Loss(weigh=where_small, ascends=True),
    "anchor": Loss(anchor_target),
    "hellinger": Loss(anchor_target, hellinger),
    "chi_squared": Loss(anchor_target, chi_squared),
    "hinge": Loss(hinge_target, hinge),
    "random_label": Loss(other_target),
    "relabel": Loss(kept_pictures=True),
    "negative_guidance": Loss(negative_guidance_target),
    "attention": Loss(lambda aim: tokens_of(aim.batch.conditions, aim.anchor, aim.span), resteers=True),
}
