"""Gradients as lists of tensors: their Gram matrix, their combination, and the projection of a proposed step.

Nothing is flattened or concatenated as a whole: large tensors are read in pieces, and sums run in float64 whatever the
gradients are stored in.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from balign.method.combiners import Gram, multipliers
from balign.method.half_spaces import many_multipliers

Tensors = Sequence[Tensor]

PIECE = {"cpu": 2**17}
"""How many numbers are read at a time: on a CPU so few that their wide copies stay in its cache; elsewhere 2**22."""

SHARE = 0.1
"""The most that a step is bent to make a loss fall, as a share of the steepest fall of its length."""


def pieces(*lists: Tensors) -> Iterator[tuple[list[Tensor], ...]]:
    """The same parts of every list of tensors, as views: large tensors cut up, small ones many at a time."""
    batch: list[list[Tensor]] = [[] for _ in lists]
    left = limit = PIECE.get(lists[0][0].device.type, 2**22) if lists[0] else 0
    for tensors in zip(*lists, strict=True):
        size = tensors[0].numel()
        if size > left and batch[0]:
            yield tuple(batch)
            batch, left = [[] for _ in lists], limit
        if size > limit:
            rows = max(1, limit * len(tensors[0]) // size)
            for views in zip(*(tensor.split(rows) for tensor in tensors), strict=True):
                yield tuple([view] for view in views)
        else:
            for small, tensor in zip(batch, tensors, strict=True):
                small.append(tensor)
            left -= size
    if batch[0]:
        yield tuple(batch)


def wide(views: list[Tensor]) -> Tensor:
    """One flat copy in the widest floating point the device has: products of two fp32 numbers are then exact."""
    flat = torch.cat([view.flatten() for view in views]) if len(views) > 1 else views[0].flatten()
    return flat.to(torch.float32 if flat.device.type == "mps" else torch.float64)


def write(views: list[Tensor], flat: Tensor) -> None:
    """Write the numbers of one flat tensor into the views, each rounded once."""
    parts = flat.split([view.numel() for view in views])
    torch._foreach_copy_(views, [part.view_as(view) for part, view in zip(parts, views, strict=True)])


@torch.no_grad()
def gram(f: Tensors, r: Tensors) -> Gram:
    """The Gram matrix of two gradients, each a list of tensors; one transfer to the host for all of it."""
    sums = torch.zeros(3, dtype=torch.float64)
    for one, other in pieces(f, r):
        a, b = wide(one), wide(other)
        sums = sums.to(a) + torch.stack([a @ a, a @ b, b @ b])
    return Gram(*sums.tolist())


@torch.no_grad()
def blend(f: Tensors, r: Tensors, a: float, b: float, g: Gram) -> tuple[Tensors, Callable[[], None]]:
    """Write a*f + b*r over the gradient that counts for more; return it, and a function that restores that gradient.

    No third gradient is ever in memory. The restored one differs from the original by a rounding or two.
    """
    norm_f, norm_r = g.norms
    over_f = a != 0 and abs(a) * norm_f >= abs(b) * norm_r
    target, other, weight, foreign = (f, r, a, b) if over_f else (r, f, b, a)

    @torch.no_grad()
    def undo() -> None:
        for x, y in pieces(target, other):
            write(x, (wide(x) - foreign * wide(y)) / weight)

    for x, y in pieces(target, other):
        write(x, weight * wide(x) + foreign * wide(y))
    return target, undo


# ----------------------------------------------------------------------------------------------------------------------
# The projection of the step that an optimiser proposed


class Projection(NamedTuple):
    """A step after its projection.

    ``forget_change`` and ``retain_change`` are its predicted changes of the two losses, g_f.d and g_r.d;
    ``kept_fraction`` is its length as a share of the proposed one; ``fired`` says whether it had to be changed;
    ``length`` is its length.
    """

    forget_change: float
    retain_change: float
    kept_fraction: float
    fired: bool
    length: float = 0.0


@torch.no_grad()
def project_step(
    step: Tensors,
    f: Tensors,
    r: Tensors,
    origin: Tensors | None = None,
    g: Gram | None = None,
    others: Sequence[Tensors] = (),
    falls: tuple[float, float] = (0.0, 0.0),
    tries: int = 8,
) -> Projection:
    """Correct, in place, a proposed step d so that none of g_f.d, g_r.d and g.d for the other gradients is positive.

    ``falls``: by how much, in units of |d|^2, the forget and the retain loss are to fall to first order, to make up for
    their curvature along the step; at most a tenth of what both could fall together. The step never gets longer.

    With ``origin``, ``step`` holds the weights after the step and ``origin`` those before, and the constraints hold for
    the difference as it is stored: rounding may carry a step back over a constraint, so a margin of that size is kept,
    and grown until they hold. If they cannot be made to hold in ``tries`` tries, no step is taken at all. Without
    ``origin`` the step is allowed the rounding of its own inner products. ``g``: the Gram matrix of f and r, if known.
    """
    all_gradients = [f, r, *others]
    products = _products(all_gradients) if others else []
    g = g or gram(f, r)
    norms = [math.sqrt(row[i]) for i, row in enumerate(products)] or list(g.norms)
    *changes, length = _measure(step, all_gradients, origin)
    proposed, fired = length, False
    room = SHARE * math.sqrt(max(0.0, (1 + g.cosine) / 2))  # what both losses can fall together
    asked = [min(a * length**2, room * norm * length) for a, norm in zip(falls, norms, strict=False)]
    asked += [0.0] * (len(norms) - len(asked))
    margin: float | None = None
    slack = 0.0 if origin is not None else 8 * max((torch.finfo(t.dtype).eps for t in step), default=0.0) * proposed
    for _ in range(tries):
        if not math.isfinite(sum(changes)):
            break
        if all(c + fall <= slack * norm for c, fall, norm in zip(changes, asked, norms, strict=True)):
            break
        fired = True
        margin = margin * 8 if margin is not None else _rounding(step if origin is not None else [])
        beyond = [change + fall for change, fall in zip(changes, asked, strict=True)]
        lifts = many_multipliers(beyond, products, margin) if others else multipliers(beyond[0], beyond[1], g, margin)
        for p, *parts in pieces(step, *all_gradients):
            moved = wide(p)
            for lift, part in zip(lifts, parts, strict=True):
                moved = moved - lift * wide(part)
            write(p, moved)
        *changes, length = _measure(step, all_gradients, origin)
    else:
        for i, taken in enumerate(step):
            taken.copy_(origin[i] if origin is not None else torch.zeros_like(taken))
        changes, length = [0.0] * len(all_gradients), 0.0
    if length > proposed and origin is not None and any(falls):
        for p, q in pieces(step, origin):
            write(p, wide(q) + (wide(p) - wide(q)) * (proposed / length))
        *changes, length = _measure(step, all_gradients, origin)
    return Projection(changes[0], changes[1], length / proposed if proposed > 0 else 1.0, fired, length)


@torch.no_grad()
def measure_step(step: Tensors, f: Tensors, r: Tensors, origin: Tensors | None = None) -> tuple[float, float, float]:
    """g_f.d, g_r.d and |d| of a step d, or, with ``origin``, of d = step - origin."""
    forget, retain, length = _measure(step, [f, r], origin)
    return forget, retain, length


def _measure(step: Tensors, gradients: Sequence[Tensors], origin: Tensors | None) -> list[float]:
    """g.d for each gradient, and |d|."""
    sums = torch.zeros(len(gradients) + 1, dtype=torch.float64)
    for p, *parts in pieces(step, *gradients, *([] if origin is None else [origin])):
        d = wide(p) if origin is None else wide(p) - wide(parts.pop())
        sums = sums.to(d) + torch.stack([*(wide(part) @ d for part in parts), d @ d])
    *changes, square = sums.tolist()
    return [*changes, math.sqrt(square)]


def _products(gradients: Sequence[Tensors]) -> list[list[float]]:
    """The inner products of all pairs."""
    sums = torch.zeros(len(gradients), len(gradients), dtype=torch.float64)
    for parts in pieces(*gradients):
        rows = torch.stack([wide(part) for part in parts])
        sums = sums.to(rows) + rows @ rows.T
    products: list[list[float]] = sums.tolist()
    return products


@torch.no_grad()
def _rounding(stored: Tensors) -> float:
    """A few standard deviations of how far rounding moves these numbers along one direction."""
    spread = sum(float((wide(t) * torch.finfo(t[0].dtype).eps).square().sum()) for (t,) in pieces(stored))
    return 2 * math.sqrt(spread / max(1, sum(t.numel() for t in stored)))
