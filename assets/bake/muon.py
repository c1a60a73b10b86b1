"""Muon (Jordan et al., 2024): momentum whose every matrix is replaced by the nearest orthogonal one, for weights.

`torch.optim.Muon` computes in bfloat16, which processors without it imitate slowly, and takes no convolutions; here the
iteration runs in float32 on the small Gram matrix, and each weight has its turn every second step, twice as far.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

TURNS, MOMENTUM = 2, 0.95


def orthogonal(matrix: Tensor) -> Tensor:
    """Nearly U V' of the matrix's singular value decomposition, by five Newton-Schulz iterations.

    Every iterate is a polynomial of the first Gram matrix times the matrix, so only the polynomial is iterated.
    """
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    wide = wide / (wide.norm() + 1e-7)
    gram = wide @ wide.T
    one = torch.eye(len(gram))
    factor = one
    for _ in range(5):
        step = 3.4445 * one - 4.7750 * gram + 2.0315 * (gram @ gram)
        factor, gram = step @ factor, step @ gram @ step
    wide = factor @ wide
    return wide if matrix.shape[0] <= matrix.shape[1] else wide.T


class Muon(torch.optim.Optimizer):
    """For weights of two or more dimensions; a convolution is a matrix of its output channels by all the rest."""

    def __init__(self, weights: Iterable[Tensor], lr: float, weight_decay: float) -> None:
        super().__init__(list(weights), {"lr": lr, "weight_decay": weight_decay, "turn": 0})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            group["turn"] += 1
            for k, weight in enumerate(group["params"]):
                if "momentum" not in self.state[weight]:
                    self.state[weight]["momentum"] = torch.zeros_like(weight)
                momentum = self.state[weight]["momentum"]
                momentum.lerp_(weight.grad, 1 - MOMENTUM)
                if (group["turn"] + k) % TURNS:
                    continue
                change = orthogonal(weight.grad.lerp(momentum, MOMENTUM).flatten(1))
                rate = TURNS * group["lr"]
                weight.mul_(1 - rate * group["weight_decay"])
                # As long as AdamW's usual step: 0.2 root mean square an element.
                weight.add_(change.reshape(weight.shape), alpha=-rate * 0.2 * math.sqrt(max(change.shape)))


def split(module: torch.nn.Module, but: tuple[str, ...]) -> tuple[list[Tensor], list[Tensor]]:
    """The weights that Muon is for, and the rest: vectors, and every name that holds one of `but`."""
    named = list(module.named_parameters())
    is_matrix = lambda name, p: p.ndim >= 2 and not any(part in name for part in but)  # noqa: E731
    return [p for n, p in named if is_matrix(n, p)], [p for n, p in named if not is_matrix(n, p)]
