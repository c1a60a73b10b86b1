"""Where the two gradients conflict: their cosine within each group of weights, and with little or much noise.

Weights are grouped by their names alone: the first parts of a name say where in the model a weight is, the module it
belongs to what it does there. A batch mixes all timesteps, so it is split into quarters by noise: the fourth of its
images with the least noise, and so on.
"""

from collections.abc import Mapping, Sequence

from torch import Tensor

from balign.method.gradients import gram

QUARTERS = 4
"""Parts of a batch by the noise in its images; a batch of fewer images is not split."""


def groups(names: Sequence[str]) -> dict[str, list[int]]:
    """For each group the indices of its names in the list, groups in the order of their first members.

    ``down_blocks.1.attentions.0.attn2.to_k.weight`` is in ``down_blocks.1 attn2``; where all weights belong to modules
    of one name, as when only keys and values train, in ``down_blocks.1 to_k``.
    """
    paths = [_path(name) for name in names]
    owners = {path[1][-2] if len(path[1]) > 1 else "" for path in paths}
    depth = 1 if len(owners) == 1 else 2
    grouped: dict[str, list[int]] = {}
    for i, (place, inner) in enumerate(paths):
        part = inner[-min(depth, len(inner))] if inner else ""
        grouped.setdefault(f"{place} {part}".strip(), []).append(i)
    return grouped


def _path(name: str) -> tuple[str, list[str]]:
    """Where a weight is, and the modules on the way to it, outermost first, without numbers."""
    parts = name.split(".")[:-1]
    if not parts:
        return name, []
    place = ".".join(parts[:2]) if len(parts) > 1 and parts[1].isdigit() else parts[0]
    inner = parts[2:] if place != parts[0] else parts[1:]
    return place, [part for part in inner if not part.isdigit()]


def places(names: Sequence[str]) -> dict[str, list[int]]:
    """As ``groups``, by where in the model alone: ``down_blocks.1``."""
    grouped: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        grouped.setdefault(_path(name)[0], []).append(i)
    return grouped


def cosines(groups: Mapping[str, Sequence[int]], f: Sequence[Tensor], r: Sequence[Tensor]) -> dict[str, float]:
    """The cosine of the forget and the retain gradient in every group."""
    return {name: gram([f[i] for i in group], [r[i] for i in group]).cosine for name, group in groups.items()}


def quarter(timesteps: Tensor, which: int) -> list[int]:
    """Indices in the batch (B,) of the images of this quarter; 0 is the quarter with the least noise."""
    ordered: list[int] = timesteps.argsort(stable=True).tolist()
    return ordered[which * len(ordered) // QUARTERS : (which + 1) * len(ordered) // QUARTERS]
