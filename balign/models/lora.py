"""A change of weights as a low-rank adapter, one safetensors file that other programs add to the base model.

The names inside are kohya's, which diffusers, A1111 and ComfyUI all read. What does not fit into the rank, and what is
not a matrix (biases, norms), is lost; how much that is, is returned.
"""

from collections.abc import Mapping

import torch
from torch import Tensor


def low_rank(change: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """The best two factors of a matrix (out, in) or a convolution (out, in, k, k): down first, then up."""
    u, s, vh = torch.linalg.svd(change.flatten(1).float(), full_matrices=False)
    rank = min(rank, len(s))
    root = s[:rank].sqrt()
    up, down = u[:, :rank] * root, root[:, None] * vh[:rank]
    if change.ndim == 4:
        return down.view(rank, *change.shape[1:]), up.view(*up.shape, 1, 1)
    return down, up


def adapter(base: Mapping[str, Tensor], changed: Mapping[str, Tensor], rank: int) -> tuple[dict[str, Tensor], float]:
    """The adapter from `base` to `changed`, and the share of the change's squared norm that it holds."""
    tensors: dict[str, Tensor] = {}
    whole = lost = 0.0
    for name, tensor in changed.items():
        change = tensor.float() - base[name].float()
        size = float(change.square().sum())
        whole += size
        if change.ndim not in (2, 4) or not name.endswith(".weight"):
            lost += size
            continue
        down, up = low_rank(change, rank)
        lost += float((change.flatten(1) - up.flatten(1) @ down.flatten(1)).square().sum())
        key = "lora_unet_" + name.removesuffix(".weight").replace(".", "_")
        # Without an alpha all readers scale by 1.
        tensors[f"{key}.lora_down.weight"], tensors[f"{key}.lora_up.weight"] = down.contiguous(), up.contiguous()
    return tensors, 1 - lost / whole if whole else 1.0
