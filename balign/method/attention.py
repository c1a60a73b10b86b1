"""How much of a picture looks at the concept: the cross-attention maps of a prediction, and a loss that empties them.

Attention resteering, after Forget-Me-Not (Zhang et al., CVPR Workshops 2024): the mean square of the attention that the
concept's tokens get.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def captured(denoiser: nn.Module) -> Iterator[list[Tensor]]:
    """Within the block every cross-attention (`attn2`) that runs adds its map (B, heads, pixels, L), with gradients."""
    maps: list[Tensor] = []
    queries: dict[nn.Module, Tensor] = {}
    handles = []

    def watch(layer: Any) -> None:
        heads, scale = int(getattr(layer, "heads", 1)), float(getattr(layer, "scale", 1.0))

        def keep(_: nn.Module, __: Any, query: Tensor) -> None:
            queries[layer] = query.unflatten(-1, (heads, -1)).transpose(1, 2)

        def attend(_: nn.Module, __: Any, key: Tensor) -> None:
            key = key.unflatten(-1, (heads, -1)).transpose(1, 2)
            maps.append((queries.pop(layer) @ key.transpose(-1, -2) * scale).softmax(dim=-1))

        handles.extend([layer.to_q.register_forward_hook(keep), layer.to_k.register_forward_hook(attend)])

    for layer in _cross_attentions(denoiser):
        watch(layer)
    try:
        yield maps
    finally:
        for handle in handles:
            handle.remove()


def has_cross_attention(denoiser: nn.Module) -> bool:
    """Whether the denoiser looks at the tokens of a prompt at all."""
    return bool(_cross_attentions(denoiser))


def _cross_attentions(denoiser: nn.Module) -> list[nn.Module]:
    return [layer for name, layer in denoiser.named_modules() if name.rpartition(".")[2] == "attn2"]


def tokens_of(conditions: Tensor, twins: Tensor, span: Tensor | None) -> Tensor:
    """(B, L), 1 at the tokens of the concept, else 0. span: the first and the last of them (B, 2), if known.

    If not, the token counts at which two conditions (B, L, D) first differ half as much as at any: in a causal text
    encoder all later ones differ too.
    """
    if span is not None:
        place = torch.arange(conditions.shape[1], device=span.device)
        return ((place >= span[:, :1]) & (place <= span[:, 1:])).to(conditions)
    apart = (conditions - twins).float().norm(dim=-1)
    differs = apart >= apart.amax(dim=1, keepdim=True) / 2
    mask = torch.zeros(differs.shape, dtype=conditions.dtype, device=conditions.device)
    return mask.scatter(1, differs.to(torch.int8).argmax(dim=1, keepdim=True), 1.0)


def attention_to(maps: list[Tensor], tokens: Tensor) -> Tensor:
    """For each picture (B,) the mean square of the attention that these tokens (B, L) get, over maps, heads, pixels."""
    got = [(each @ tokens[:, None, :, None].to(each)).square().flatten(1).mean(dim=1) for each in maps]
    return torch.stack(got).mean(dim=0)
