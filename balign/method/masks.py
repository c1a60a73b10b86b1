"""Which weights may move: a mask of zeros and ones for each, from gradients of the untrained model."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


@torch.no_grad()
def salient(forget: Sequence[Tensor], share: float) -> list[Tensor]:
    """The share of all weights with the largest forget gradient. (SalUn, Fan et al., ICLR 2024.)"""
    sizes = torch.cat([gradient.abs().flatten() for gradient in forget])
    kept = max(1, math.ceil(share * len(sizes)))
    least = sizes.kthvalue(len(sizes) - kept + 1).values
    return [(gradient.abs() >= least) & (gradient != 0) for gradient in forget]


@torch.no_grad()
def fisher_ratio(forget: Sequence[Tensor], retain: Sequence[Tensor], least: float) -> list[Tensor]:
    """The weights whose squared forget gradient is at least so many times the squared retain gradient.

    forget, retain: squared gradients, summed over batches. (SFR-on, Huang et al., NeurIPS 2024.)
    """
    return [f >= least * r for f, r in zip(forget, retain, strict=True)]


@torch.no_grad()
def apply(masks: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
    """Set a gradient to zero, in place, where its mask is."""
    for mask, gradient in zip(masks, gradients, strict=True):
        gradient.mul_(mask)
