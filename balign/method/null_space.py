"""The pieces of SPEED: edit a weight only in directions that the retain prompts leave free. All in fp64 on the CPU.

After Li et al., SPEED: Scalable, Precise, and Efficient Concept Erasure for Diffusion Models, ICLR 2026, sections 3, 4.
"""

import torch
from torch import Tensor

from balign.refusal import Refusal

FREE = 0.1
"""Directions below this mean square of the retain side are free to be edited, for embeddings of unit variance."""
COPIES = 10
"""Noisy copies of every retain embedding."""
CENTRES = 3
"""What of the empty prompt is held fixed."""


def update(weight: Tensor, forget: Tensor, anchor: Tensor, free: Tensor, fixed: Tensor) -> Tensor:
    """What SPEED adds to a weight (out, D); free: the projector P (D, D), fixed: the columns K (D, k)."""
    square = forget.T @ forget
    m = torch.linalg.inv(square @ free + _eye(len(free)))
    inner = torch.linalg.pinv(fixed.T @ free @ m @ fixed, atol=1e-10 * float(fixed.square().sum()), rtol=0.0)
    q = _eye(len(free)) - m @ fixed @ inner @ fixed.T @ free
    return weight @ (anchor.T @ forget - square) @ free @ q @ m


def free_directions(weight: Tensor, forget: Tensor, anchor: Tensor, retain: Tensor) -> Tensor:
    """The projector (D, D) on the directions that the retain embeddings (m, D) which matter leave free."""
    square = forget.T @ forget
    shift = weight @ (anchor.T @ forget - square) @ torch.linalg.inv(square + _eye(len(square)))
    least = torch.linalg.svd(weight)[2][-1]
    generator = torch.Generator().manual_seed(0)
    moved = _most_moved(retain, shift)
    moment, count = moved.T @ moved, len(moved)
    for _ in range(COPIES):
        noise = torch.randn(moved.shape, generator=generator, dtype=torch.float64) @ torch.outer(least, least)
        copies = _most_moved(moved + noise, shift)
        moment, count = moment + copies.T @ copies, count + len(copies)
    values, vectors = torch.linalg.eigh(moment / max(1, count))
    free = vectors[:, values < FREE]
    if not free.shape[1]:
        raise Refusal(
            f"The edit 'speed' cannot be made: the retain prompts leave none of the {len(values)} directions of the "
            "prompt's embeddings free; fewer retain prompts, or the edits redirect, uce, rece and oce, are accepted."
        )
    return free @ free.T


def _most_moved(rows: Tensor, shift: Tensor) -> Tensor:
    """Those of the rows (m, D) that this change (out, D) of a weight moves at least as much as the mean."""
    moves = (rows @ shift.T).square().sum(1)
    return rows[moves >= moves.mean()]


def centres(rows: Tensor, k: int = CENTRES, rounds: int = 20) -> Tensor:
    """The centres (at most k, D) of these rows (n, D) by k-means, begun with rows evenly spread."""
    found = rows[torch.linspace(0, len(rows) - 1, min(k, len(rows))).long()]
    for _ in range(rounds):
        nearest = torch.cdist(rows, found).argmin(1)
        found = torch.stack([rows[nearest == i].mean(0) for i in nearest.unique()])
    return found


def _eye(width: int) -> Tensor:
    return torch.eye(width, dtype=torch.float64)
