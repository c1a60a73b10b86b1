"""The paper's idea: from the inner products of two gradients to an update that raises neither of two losses.

g_f and g_r are the gradients of the forget and the retain loss; both losses are to be lowered. Three numbers decide
everything: ff = g_f.g_f, fr = g_f.g_r, rr = g_r.g_r; the gradients conflict where fr < 0. A combiner maps (ff, fr, rr)
and the weight w of retaining to (a, b): the update descends a g_f + b g_r.
"""

import math
from collections.abc import Callable
from typing import NamedTuple


class Gram(NamedTuple):
    """The three inner products of the forget and the retain gradient."""

    ff: float
    fr: float
    rr: float

    @property
    def norms(self) -> tuple[float, float]:
        """|g_f| and |g_r|."""
        return math.sqrt(self.ff), math.sqrt(self.rr)

    @property
    def cosine(self) -> float:
        """The cosine between the two gradients; 0 when one of them vanishes."""
        f, r = self.norms
        return max(-1.0, min(1.0, self.fr / f / r)) if f > 0 and r > 0 else 0.0


def plain_sum(ff: float, fr: float, rr: float, w: float) -> tuple[float, float]:
    """g_f + w g_r, conflict or not.

    GradDiff: Liu, Liu and Stone, Continual Learning and Private Unlearning, CoLLAs 2022.
    """
    return 1.0, w


def restricted(ff: float, fr: float, rr: float, w: float) -> tuple[float, float]:
    """g_f - (fr/rr) g_r + w (g_r - (fr/ff) g_f) where fr < 0: each is made orthogonal to the other; else g_f + w g_r.

    The restricted gradient: Ko et al., NeurIPS 2024, Theorem 4. For two losses it is also PCGrad (Yu et al., NeurIPS
    2020) and UPGrad (Quinton and Rey, 2024) with w as preference.
    """
    if fr >= 0 or ff == 0 or rr == 0:
        return 1.0, w
    return 1.0 - w * fr / ff, w - fr / rr


def unilateral(ff: float, fr: float, rr: float, w: float) -> tuple[float, float]:
    """g_f - (fr/rr) g_r + w g_r where fr < 0: only the forget gradient gives way; else g_f + w g_r.

    A-GEM: Chaudhry et al., Efficient Lifelong Learning with A-GEM, ICLR 2019.
    """
    if fr >= 0 or rr == 0:
        return 1.0, w
    return 1.0, w - fr / rr


def bisector(ff: float, fr: float, rr: float, w: float) -> tuple[float, float]:
    """g_f/|g_f| + w g_r/|g_r|: with w = 1 the bisector of the angle, which opposes neither gradient.

    The direction of Nash bargaining between two: Wu and Harandi, MUNBa, ICCV 2025. Also IMTL-G (Liu et al., ICLR 2021)
    and NGDiff (Bu et al., NAACL 2025).
    """
    return (1 / math.sqrt(ff) if ff > 0 else 1.0), (w / math.sqrt(rr) if rr > 0 else w)


def mgda(ff: float, fr: float, rr: float, w: float) -> tuple[float, float]:
    """The shortest t g_f + (1 - t) g_r with 0 <= t <= 1; w is ignored.

    MGDA: Désidéri, Comptes Rendus Mathématique 350, 2012; Sener and Koltun, NeurIPS 2018.
    """
    if fr >= ff or fr >= rr:  # the shorter gradient is itself the shortest of these
        return (1.0, 0.0) if ff <= rr else (0.0, 1.0)
    between = (ff - fr) + (rr - fr)  # |g_f - g_r|^2
    return (rr - fr) / between, (ff - fr) / between


def dual_cone(ff: float, fr: float, rr: float, w: float) -> tuple[float, float]:
    """argmin |u - (g_f + w g_r)| over u.g_f >= 0, u.g_r >= 0: the weighted sum, projected onto the dual cone.

    DualProj: Lopez-Paz and Ranzato, Gradient Episodic Memory, NeurIPS 2017, with both losses as constraints.
    """
    lift_f, lift_r = multipliers(-(ff + w * fr), -(fr + w * rr), Gram(ff, fr, rr))
    return 1.0 + lift_f, w + lift_r


def retain_only(ff: float, fr: float, rr: float, w: float) -> tuple[float, float]:
    """g_r alone: training goes on with what is kept, and forgets by neglect (Finetune in the paper's tables)."""
    return 0.0, 1.0


def bilevel(ff: float, fr: float, rr: float, w: float) -> tuple[float, float]:
    """g_r + l g_f with l = max(0, w - fr/ff): at least w |g_f|^2 of forgetting, and else what retaining asks for.

    The first-order bilevel rule BOME (Liu et al., NeurIPS 2022), on which EraseDiff (Wu et al., 2024) is built.
    """
    return (max(0.0, w - fr / ff) if ff > 0 else 0.0), 1.0


def hamu(ff: float, fr: float, rr: float, quota: float) -> tuple[float, float]:
    """Retain most inside the ball |u| <= |g_r| while g_f.u >= quota |g_f| |g_r|: the quota is a share of the most.

    Where g_r meets the quota by itself, u = g_r; else u lies on both boundaries:
    u = q |g_r|/|g_f| g_f + sqrt((1 - q^2)/(1 - c^2)) (g_r - (fr/ff) g_f), with c the cosine.
    HAMU: arXiv 2606.02119. A quota of 1 or more is the forget gradient at the retain gradient's length.
    """
    g = Gram(ff, fr, rr)
    f, r = g.norms
    if f == 0 or r == 0 or g.cosine >= quota:
        return (1.0, 0.0) if r == 0 else (0.0, 1.0)
    q = min(quota, 1.0)
    across = math.sqrt((1 - q * q) / ((1 - g.cosine) * (1 + g.cosine))) if g.cosine > -1 else 0.0
    return q * r / f - across * fr / ff, across


def forgetting_costs(cosine: float, quota: float) -> bool:
    """Whether HAMU's quota cannot be met any more without the retain loss rising to first order: stop before."""
    return -cosine > math.sqrt(max(0.0, 1 - quota * quota))


Combiner = Callable[[float, float, float, float], tuple[float, float]]

COMBINERS: dict[str, Combiner] = {
    combiner.__name__: combiner
    for combiner in (
        restricted,
        plain_sum,
        unilateral,
        bisector,
        mgda,
        dual_cone,
        hamu,
        bilevel,
        retain_only,
    )
}


def multipliers(df: float, dr: float, g: Gram, margin: float = 0.0) -> tuple[float, float]:
    """(l_f, l_r) >= 0 with which d - l_f g_f - l_r g_r is the step closest to d that raises neither loss.

    d is a step with g_f.d = df and g_r.d = dr. The closest point of {d: g_f.d <= -margin |g_f|, g_r.d <= -margin |g_r|}
    in closed form: of the four sets of active constraints (none, one, the other, both) just one has no negative
    multiplier and violates no constraint.
    """
    norm_f, norm_r = g.norms
    c = g.cosine
    x = df / norm_f + margin if norm_f > 0 else -math.inf  # how far d is beyond each constraint
    y = dr / norm_r + margin if norm_r > 0 else -math.inf
    if x <= 0 and y <= 0:
        return 0.0, 0.0
    candidates = [(x, 0.0), (0.0, y)]
    if math.isfinite(x) and math.isfinite(y) and (sine := (1 - c) * (1 + c)) > 1e-14:
        candidates.append(((x - c * y) / sine, (y - c * x) / sine))
    allowed = [(u, v) for u, v in candidates if u >= 0 and v >= 0]
    u, v = min(allowed, key=lambda uv: max(x - uv[0] - c * uv[1], y - c * uv[0] - uv[1], 0.0))
    return (u / norm_f if u > 0 else 0.0), (v / norm_r if v > 0 else 0.0)
