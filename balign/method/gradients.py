"""Two gradients, three numbers: the combiners of a forget and a retain gradient, and the projection of a step.

A combiner reads the 2x2 Gram matrix of the two gradients (ff, fr, rr) and answers (a, b): the update descends
a*g_f + b*g_r. Nothing is flattened or concatenated. Both losses are to be descended, so no sign is ever turned here.
This module does not know losses, models or optimisers. Sums run in float64 whatever the gradients are stored in.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

Tensors = Sequence[Tensor]

PIECE = {"cpu": 2**17}
"""How many numbers are taken at a time: on a CPU so few that their wide copies stay in its cache; elsewhere 2**22."""


class Gram(NamedTuple):
    """The three inner products of the forget and the retain gradient."""

    ff: float
    fr: float
    rr: float

    @property
    def norms(self) -> tuple[float, float]:
        return math.sqrt(self.ff), math.sqrt(self.rr)

    @property
    def cosine(self) -> float:
        """The cosine between the two gradients; 0 when one of them vanishes."""
        f, r = self.norms
        return max(-1.0, min(1.0, self.fr / f / r)) if f > 0 and r > 0 else 0.0


def pieces(*lists: Tensors) -> Iterator[tuple[list[Tensor], ...]]:
    """The same parts of every list of tensors, as views: large tensors cut up, small ones many at a time."""
    held: list[list[Tensor]] = [[] for _ in lists]
    room = limit = PIECE.get(lists[0][0].device.type, 2**22) if lists[0] else 0
    for tensors in zip(*lists, strict=True):
        size = tensors[0].numel()
        if size > room and held[0]:
            yield tuple(held)
            held, room = [[] for _ in lists], limit
        if size > limit:
            rows = max(1, limit * len(tensors[0]) // size)
            for views in zip(*(tensor.split(rows) for tensor in tensors), strict=True):
                yield tuple([view] for view in views)
        else:
            for small, tensor in zip(held, tensors, strict=True):
                small.append(tensor)
            room -= size
    if held[0]:
        yield tuple(held)


def wide(views: list[Tensor]) -> Tensor:
    """One flat copy in the widest floating point the device has: products of two fp32 numbers are then exact."""
    flat = torch.cat([view.flatten() for view in views]) if len(views) > 1 else views[0].flatten()
    return flat.to(torch.float32 if flat.device.type == "mps" else torch.float64)


def write(views: list[Tensor], flat: Tensor) -> None:
    """The numbers of one flat tensor put where the views are, each rounded once."""
    parts = flat.split([view.numel() for view in views])
    torch._foreach_copy_(views, [part.view_as(view) for part, view in zip(parts, views, strict=True)])


@torch.no_grad()
def gram(f: Tensors, r: Tensors) -> Gram:
    """The Gram matrix of two gradients given as lists of tensors; one transfer to the host for all of it."""
    sums = torch.zeros(3, dtype=torch.float64)
    for one, other in pieces(f, r):
        a, b = wide(one), wide(other)
        sums = sums.to(a) + torch.stack([a @ a, a @ b, b @ b])
    return Gram(*sums.tolist())


# ----------------------------------------------------------------------------------------------------------------------
# Combiners: (ff, fr, rr, retain_weight) -> (a, b)


def plain_sum(ff: float, fr: float, rr: float, w: float) -> tuple[float, float]:
    """g_f + w g_r, conflict or not (GradDiff)."""
    return 1.0, w


def restricted(ff: float, fr: float, rr: float, w: float) -> tuple[float, float]:
    """Each gradient made orthogonal to the other where they conflict (Theorem 4; PCGrad; UPGrad for two losses)."""
    if fr >= 0 or ff == 0 or rr == 0:
        return 1.0, w
    return 1.0 - w * fr / ff, w - fr / rr


def unilateral(ff: float, fr: float, rr: float, w: float) -> tuple[float, float]:
    """Only the forget gradient gives way where they conflict: retaining comes first (A-GEM)."""
    if fr >= 0 or rr == 0:
        return 1.0, w
    return 1.0, w - fr / rr


def bisector(ff: float, fr: float, rr: float, w: float) -> tuple[float, float]:
    """g_f/|g_f| + w g_r/|g_r|: the bisector of the angle, and safe, with w = 1 (Nash bargaining, IMTL-G, NGDiff)."""
    return (1 / math.sqrt(ff) if ff > 0 else 1.0), (w / math.sqrt(rr) if rr > 0 else w)


def mgda(ff: float, fr: float, rr: float, w: float) -> tuple[float, float]:
    """The shortest vector between the two gradients; the weight has no say."""
    if fr >= ff or fr >= rr:  # the angle at the shorter one is not acute: it is the shortest itself
        return (1.0, 0.0) if ff <= rr else (0.0, 1.0)
    between = (ff - fr) + (rr - fr)
    return (rr - fr) / between, (ff - fr) / between


def dual_cone(ff: float, fr: float, rr: float, w: float) -> tuple[float, float]:
    """The weighted sum, projected onto the directions that raise neither loss: the steepest of those for the sum."""
    lift_f, lift_r = multipliers(-(ff + w * fr), -(fr + w * rr), Gram(ff, fr, rr))
    return 1.0 + lift_f, w + lift_r


Combiner = Callable[[float, float, float, float], tuple[float, float]]

COMBINERS: dict[str, Combiner] = {
    combiner.__name__: combiner for combiner in (restricted, plain_sum, unilateral, bisector, mgda, dual_cone)
}


@torch.no_grad()
def blend(f: Tensors, r: Tensors, a: float, b: float, g: Gram) -> tuple[Tensors, Callable[[], None]]:
    """a*f + b*r written over whichever of the two counts for more, and the way to take the other out again.

    No third gradient is ever held. What is given back differs from what was there by a rounding or two.
    """
    norm_f, norm_r = g.norms
    over_f = a != 0 and abs(a) * norm_f >= abs(b) * norm_r
    kept, other, own, foreign = (f, r, a, b) if over_f else (r, f, b, a)

    @torch.no_grad()
    def undo() -> None:
        for x, y in pieces(kept, other):
            write(x, (wide(x) - foreign * wide(y)) / own)

    for x, y in pieces(kept, other):
        write(x, own * wide(x) + foreign * wide(y))
    return kept, undo


# ----------------------------------------------------------------------------------------------------------------------
# The projection of a step that an optimiser proposed


class Projection(NamedTuple):
    """What a step promises to first order, g_f.d and g_r.d, after the projection, and how much of it was kept."""

    forget_change: float
    retain_change: float
    kept_fraction: float
    fired: bool


def multipliers(df: float, dr: float, g: Gram, margin: float = 0.0) -> tuple[float, float]:
    """How much of g_f and g_r to take off a step d with g_f.d = df, g_r.d = dr, so that it raises neither loss.

    The closest point of {d: g_f.d <= -margin |g_f|, g_r.d <= -margin |g_r|}, in closed form: of the four sets of
    active walls (none, one, the other, both) just one gives no negative multiplier and leaves no wall crossed.
    """
    norm_f, norm_r = g.norms
    c = g.cosine
    x = df / norm_f + margin if norm_f > 0 else -math.inf
    y = dr / norm_r + margin if norm_r > 0 else -math.inf
    if x <= 0 and y <= 0:
        return 0.0, 0.0
    candidates = [(x, 0.0), (0.0, y)]
    if math.isfinite(x) and math.isfinite(y) and (sine := (1 - c) * (1 + c)) > 1e-14:
        candidates.append(((x - c * y) / sine, (y - c * x) / sine))
    allowed = [(u, v) for u, v in candidates if u >= 0 and v >= 0]
    u, v = min(allowed, key=lambda uv: max(x - uv[0] - c * uv[1], y - c * uv[0] - uv[1], 0.0))
    return (u / norm_f if u > 0 else 0.0), (v / norm_r if v > 0 else 0.0)


@torch.no_grad()
def project_step(
    step: Tensors, f: Tensors, r: Tensors, origin: Tensors | None = None, g: Gram | None = None, tries: int = 8
) -> Projection:
    """Correct, in place, a proposed step so that neither g_f.d nor g_r.d is positive.

    With ``origin``, ``step`` holds the weights after the step and ``origin`` those before, and the promise is kept for
    the difference as it is stored: rounding may carry a step back over a wall, so a margin of that size is kept, and
    grown until it holds. A step that cannot be held is not taken at all. Without ``origin`` the step is allowed the
    rounding of its own inner products. ``g`` is the Gram matrix of the two gradients, where it is known.
    """
    g = g or gram(f, r)
    df, dr, length = measure_step(step, f, r, origin)
    proposed, fired = length, False
    margin: float | None = None
    slack = 0.0 if origin is not None else 8 * max((torch.finfo(t.dtype).eps for t in step), default=0.0) * proposed
    for _ in range(tries):
        if not math.isfinite(df + dr):
            break
        if df <= slack * g.norms[0] and dr <= slack * g.norms[1]:
            break
        fired = True
        margin = margin * 8 if margin is not None else _rounding(step if origin is not None else [])
        lift_f, lift_r = multipliers(df, dr, g, margin)
        for p, x, y in pieces(step, f, r):
            write(p, wide(p) - lift_f * wide(x) - lift_r * wide(y))
        df, dr, length = measure_step(step, f, r, origin)
    else:
        for i, taken in enumerate(step):
            taken.copy_(origin[i] if origin is not None else torch.zeros_like(taken))
        df, dr, length = 0.0, 0.0, 0.0
    return Projection(df, dr, length / proposed if proposed > 0 else 1.0, fired)


@torch.no_grad()
def measure_step(step: Tensors, f: Tensors, r: Tensors, origin: Tensors | None = None) -> tuple[float, float, float]:
    """g_f.d, g_r.d and |d| of a step (or, with ``origin``, of the way from there to here)."""
    sums = torch.zeros(3, dtype=torch.float64)
    for p, x, y, *q in pieces(step, f, r, *([] if origin is None else [origin])):
        d = wide(p) - wide(q[0]) if q else wide(p)
        sums = sums.to(d) + torch.stack([wide(x) @ d, wide(y) @ d, d @ d])
    forget, retain, square = sums.tolist()
    return forget, retain, math.sqrt(square)


@torch.no_grad()
def _rounding(stored: Tensors) -> float:
    """A few standard deviations of what rounding these numbers moves them along one direction."""
    spread = sum(float((wide(t) * torch.finfo(t[0].dtype).eps).square().sum()) for (t,) in pieces(stored))
    return 2 * math.sqrt(spread / max(1, sum(t.numel() for t in stored)))
