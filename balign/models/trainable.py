"""Which of the denoiser's weights train. The names are those of diffusers: `attn2` is a block's cross-attention.

A transformer of classes has none: what reads its class is each block's table of labels (`class_embedder`), and the
layer that turns label and timestep into shifts, scales and gates (`norm1.linear`).
"""

import re

from torch import nn

from balign.refusal import Refusal

TRAINABLE = ("cross_attention_kv", "cross_attention", "not_cross_attention", "all")
"""From few to many: the keys and values that read the prompt, all of the cross-attention, all but it, every weight.

For classes: the tables of labels, these and what shifts and scales by them, all but these, every weight.
"""

_PATTERNS = {
    "cross_attention_kv": r"\.attn2\.to_[kv]\.|\.norm1\.emb\.class_embedder\.",
    "cross_attention": r"\.attn2\.|\.norm1\.emb\.class_embedder\.|\.norm1\.linear\.",
    "not_cross_attention": r"^(?!.*\.attn2\.)(?!.*\.norm1\.(emb\.class_embedder|linear)\.)",
    "all": r"",
}


def select(denoiser: nn.Module, which: str) -> dict[str, nn.Parameter]:
    """The weights of this choice by name; they alone require gradients afterwards."""
    if which not in TRAINABLE:
        raise Refusal(f"{which!r} is no choice of weights to train; accepted are {', '.join(TRAINABLE)}.")
    pattern = re.compile(_PATTERNS[which])
    chosen = {name: weight for name, weight in denoiser.named_parameters() if pattern.search(name)}
    if not chosen:
        raise Refusal(f"This denoiser has no {which!r} weights; choose 'all'.")
    denoiser.requires_grad_(False)
    for weight in chosen.values():
        weight.requires_grad_(True)
    return chosen
