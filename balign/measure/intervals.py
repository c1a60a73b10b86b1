"""Intervals and p-values of paired before/after scores, clustered by prompt, and the verdict they allow.

Seeds are averaged inside a prompt first, and prompts are resampled: a bootstrap over images would claim to know more
than it does. One training run is judged; how runs differ from seed to seed is not known here. numpy and scipy are
imported where they are used, so that reading a report costs neither.
"""

import math
import warnings
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FEW = 8
"""With fewer prompts than this nothing is claimed."""
HARMLESS = 0.02
"""A possible loss of alignment up to this size still counts as no loss."""
RESAMPLES = 9_999
LEVEL = 0.95


class Change(NamedTuple):
    """A mean difference with its 95 % interval and sign-flip p, over `n` prompts. NaN-free: what is unknown is None."""

    mean: float | None
    low: float | None
    high: float | None
    p: float | None
    n: int

    @property
    def too_few(self) -> bool:
        return self.n < FEW


def change(before: Sequence[float], after: Sequence[float], prompts: Sequence[Hashable], seed: int = 0) -> Change:
    """The mean of after - before, clustered by prompt: BCa bootstrap interval and two-sided sign-flip p.

    before, after: one score for each image; prompts: the prompt each image was made from. Raises ValueError if their
    lengths differ or a score is not finite.
    """
    import numpy as np

    if not len(before) == len(after) == len(prompts):
        raise ValueError(f"{len(before)} scores before, {len(after)} after and {len(prompts)} prompts do not pair up.")
    d = cluster_means(np.asarray(after, dtype=float) - np.asarray(before, dtype=float), prompts)
    if not np.isfinite(d).all():
        raise ValueError("A score is not a finite number; finite scores are accepted.")
    if d.size == 0:
        return Change(None, None, None, None, 0)
    mean = float(d.mean())
    if d.size == 1:
        return Change(mean, None, None, None, 1)
    low, high = interval(d, seed)
    return Change(mean, low, high, sign_flip(d, seed), int(d.size))


def cluster_means(
    values: "Sequence[float] | NDArray[np.float64]", clusters: Sequence[Hashable]
) -> "NDArray[np.float64]":
    """The mean of each cluster, in the order in which clusters first appear."""
    import numpy as np

    order = {cluster: i for i, cluster in enumerate(dict.fromkeys(clusters))}
    index = np.array([order[cluster] for cluster in clusters], dtype=int)
    sums = np.bincount(index, weights=np.asarray(values, dtype=float), minlength=len(order))
    return sums / np.bincount(index, minlength=len(order)) if len(order) else np.zeros(0)


def interval(d: "NDArray[np.float64]", seed: int = 0) -> tuple[float, float]:
    """The 95 % BCa bootstrap interval of the mean of `d`; a constant `d` has the interval of width 0 at its value."""
    import numpy as np
    from scipy import stats

    if np.ptp(d) <= 1e-12 * max(1.0, float(np.abs(d).max())):
        return float(d.mean()), float(d.mean())
    for method in ("BCa", "percentile"):  # BCa has no answer when its correction is degenerate
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = stats.bootstrap(
                (d,),
                np.mean,
                method=method,
                n_resamples=RESAMPLES,
                confidence_level=LEVEL,
                rng=np.random.default_rng(seed),
            )
        low, high = (float(end) for end in result.confidence_interval)
        if math.isfinite(low) and math.isfinite(high):
            break
    return low, high


def margin(values: Sequence[float]) -> float:
    """Half the 95 % t interval of the mean of two or more values, for groups too small for a bootstrap."""
    import numpy as np
    from scipy import stats

    n = len(values)
    return float(stats.t.ppf((1 + LEVEL) / 2, n - 1) * np.std(values, ddof=1) / math.sqrt(n))


def sign_flip(d: "NDArray[np.float64]", seed: int = 0) -> float:
    """Two-sided p for a mean of 0: the share of sign flips of `d` with as large a mean; exact when all fit."""
    import numpy as np
    from scipy import stats

    if not np.any(d):
        return 1.0
    result = stats.permutation_test(
        (d,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def wilson(successes: int, n: int) -> tuple[float, float]:
    """The 95 % Wilson interval of a rate (Wilson 1927); (0, 1) when nothing was counted."""
    from scipy import stats

    if n == 0:
        return 0.0, 1.0
    ends = stats.binomtest(successes, n).proportion_ci(confidence_level=LEVEL, method="wilson")
    return max(0.0, float(ends.low)), min(1.0, float(ends.high))


def verdict(change: Change) -> str:
    """What the interval of a change of alignment allows to say, as one sentence without its full stop."""
    low, high = change.low, change.high
    if change.too_few or low is None or high is None:
        return f"too few prompts to say ({change.n}, of at least {FEW})"
    if low > 0:
        return f"closer to their prompts than before, by at least {low:.3f} at 95\u00a0%"
    if high < 0:
        return f"a loss of alignment between {-high:.3f} and {-low:.3f} at 95\u00a0%"
    if low >= -HARMLESS:
        return f"no loss of alignment larger than {max(-low, 0.0005):.3f} at 95\u00a0%"
    return f"not clear: a loss of up to {-low:.3f} cannot be ruled out at 95\u00a0%"
