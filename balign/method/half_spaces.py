"""The closest step that lies in several half-spaces, without torch."""

import math
from collections.abc import Sequence

SWEEPS = 2_000
"""Most turns over the constraints; gradients that nearly agree need many."""


def many_multipliers(changes: Sequence[float], products: Sequence[Sequence[float]], margin: float) -> list[float]:
    """As `combiners.multipliers`, for any number of gradients: changes g_i.d and products g_i.g_j give l_i >= 0.

    Hildreth's method (1957): one constraint after the other, until nothing moves.
    """
    norms = [math.sqrt(row[i]) for i, row in enumerate(products)]
    live = [i for i, norm in enumerate(norms) if norm > 0]
    beyond = {i: changes[i] / norms[i] + margin for i in live}
    lifts = dict.fromkeys(live, 0.0)
    for _ in range(SWEEPS):
        moved = 0.0
        for i in live:
            rest = sum(products[i][j] / norms[i] / norms[j] * lifts[j] for j in live if j != i)
            new = max(0.0, beyond[i] - rest)
            moved, lifts[i] = max(moved, abs(new - lifts[i])), new
        if moved <= 1e-12 * max(map(abs, beyond.values()), default=0.0):
            break
    return [lifts[i] / norms[i] if i in lifts else 0.0 for i in range(len(norms))]
