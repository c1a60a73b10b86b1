"""The gradient of the squared cosine of the two gradients: descended, it makes them orthogonal.

UNO (arXiv 2506.04712) differentiates through both gradients; here each Hessian is applied by the central difference of
two gradients, which needs no second backward pass and no more memory than a step has anyway.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from balign.method.combiners import Gram
from balign.method.step_losses import SIDES, Side

DISTANCE = 1e-3
"""How far the weights are moved for a difference, as a share of their norm."""

Gradient = Callable[[Side], list[Tensor]]
"""The gradient of one side's loss at the weights as they are."""


@torch.no_grad()
def descent(weights: Sequence[Tensor], f: list[Tensor], r: list[Tensor], g: Gram, gradient: Gradient) -> list[Tensor]:
    """2 c (H_f u + H_r v) with c the cosine, u = (r/|r| - c f/|f|)/|f| and v = (f/|f| - c r/|r|)/|r|.

    The weights are moved and put back, bit for bit. Where a gradient is zero there is no cosine: zeros.
    """
    total = [torch.zeros_like(weight) for weight in weights]
    norm_f, norm_r = g.norms
    if norm_f == 0 or norm_r == 0:
        return total
    here = [weight.detach().clone() for weight in weights]
    far = DISTANCE * sum(float(weight.double().square().sum()) for weight in here) ** 0.5
    for side, own, other, norm, across in zip(SIDES, (f, r), (r, f), (norm_f, norm_r), (norm_r, norm_f), strict=True):
        direction = [y / (across * norm) - g.cosine / norm**2 * x for x, y in zip(own, other, strict=True)]
        length = sum(float(part.double().square().sum()) for part in direction) ** 0.5
        if length == 0:
            continue
        for sign in (1.0, -1.0):
            for weight, start, part in zip(weights, here, direction, strict=True):
                weight.copy_(start).add_(part, alpha=sign * far / length)
            with torch.enable_grad():
                moved = gradient(side)
            torch._foreach_add_(total, moved, alpha=sign * g.cosine * length / far)
    for weight, start in zip(weights, here, strict=True):
        weight.copy_(start)
    return total
