"""A change of weights as a low-rank adapter, one safetensors file that other programs add to the base model.

The names inside are kohya's, which diffusers, A1111, Forge and ComfyUI read; all factors have one rank, and an alpha
that says so, since readers differ in what they make of several ranks or of none told. Where a layer is among the change
that diffusers does not find under kohya's name before 0.42, everything stands there a second time by diffusers' own
names: it then reads these alone, the others know only the first or put one in place of the other. What does not fit
into the rank, and what is not a matrix (biases, norms), is lost; how much that is, is returned.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

HIDDEN = re.compile(r"(conv_in|conv_out|time_embedding\.linear_[12])\.weight")
"""Layers that diffusers from 0.35 to 0.41 does not find by kohya's name."""


def holds(name: str, weight: Tensor) -> bool:
    """Whether an adapter can hold a change of this weight: a matrix or a convolution."""
    return weight.ndim in (2, 4) and name.endswith(".weight")


def low_rank(change: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """The best two factors of a matrix (out, in) or a convolution (out, in, k, k): down first, then up.

    Where the rank is more than the matrix can have, the rest of the factors is zero.
    """
    u, s, vh = torch.linalg.svd(change.flatten(1).float(), full_matrices=False)
    root = s[:rank].sqrt()
    up, down = u[:, :rank] * root, root[:, None] * vh[:rank]
    rest = max(rank - len(s), 0)
    up, down = torch.nn.functional.pad(up, (0, rest)), torch.nn.functional.pad(down, (0, 0, 0, rest))
    if change.ndim == 4:
        return down.view(rank, *change.shape[1:]), up.view(*up.shape, 1, 1)
    return down, up


def adapter(base: Mapping[str, Tensor], changed: Mapping[str, Tensor], rank: int) -> tuple[dict[str, Tensor], float]:
    """The adapter from `base` to `changed`, and the share of the change's squared norm that it holds.

    Its rank is this one, or the largest that a matrix of the change can have.
    """
    matrices = [name for name, tensor in changed.items() if holds(name, tensor)]
    rank = min(rank, max((min(changed[name].flatten(1).shape) for name in matrices), default=0))
    twice = any(HIDDEN.fullmatch(name) for name in matrices)
    tensors: dict[str, Tensor] = {}
    whole = lost = 0.0
    for name, tensor in changed.items():
        change = tensor.float() - base[name].float()
        size = float(change.square().sum())
        whole += size
        if name not in matrices:
            lost += size
            continue
        down, up = (factor.contiguous() for factor in low_rank(change, rank))
        lost += float((change.flatten(1) - up.flatten(1) @ down.flatten(1)).square().sum())
        layer = name.removesuffix(".weight")
        key = "lora_unet_" + layer.replace(".", "_")
        tensors |= {f"{key}.lora_down.weight": down, f"{key}.lora_up.weight": up}
        tensors[f"{key}.alpha"] = torch.tensor(float(rank))
        if twice:
            tensors |= {f"unet.{layer}.lora_A.weight": down.clone(), f"unet.{layer}.lora_B.weight": up.clone()}
    return tensors, 1 - lost / whole if whole else 1.0
