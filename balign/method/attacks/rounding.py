"""Round weights to few bits, as a deployed model's are, and measure how far erasing moved them."""

from collections.abc import Mapping

import torch
from torch import Tensor


def rounded(weight: Tensor, bits: int) -> Tensor:
    """The weight on a grid of 2**bits - 1 values, symmetric about 0, one grid for each output channel (the first axis).

    No entry moves by more than half its grid's spacing, max|row| / (2**(bits-1) - 1). Vectors (biases, norms) stay.
    """
    if weight.ndim < 2:
        return weight
    rows = weight.flatten(1)
    spacing = rows.abs().amax(dim=1, keepdim=True) / (2 ** (bits - 1) - 1)
    spacing = spacing.clamp(min=torch.finfo(weight.dtype).tiny)
    return ((rows / spacing).round() * spacing).view_as(weight)


def distance(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> tuple[float, float]:
    """The norm of the change of these weights, and the same in parts of their own norm before."""
    moved = sum(float((after[name].double() - before[name].double()).square().sum()) for name in after)
    whole = sum(float(before[name].double().square().sum()) for name in after)
    return moved**0.5, (moved / whole) ** 0.5 if whole else 0.0
