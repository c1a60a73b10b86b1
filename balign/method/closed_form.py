"""Erase by one linear edit of the layers that read the prompt: no image is drawn and no step is taken.

A layer W that reads token embeddings becomes W M', where M maps the embeddings of the forget prompts to those of their
twins with the replacement, leaves those of the retain prompts where they are, and otherwise stays near the identity.
After Gandikota et al., Unified Concept Editing in Diffusion Models, WACV 2024, equation 7; here over all token
positions of the diversified prompts, each side as a mean.
"""

import re

import torch
from torch import Tensor, nn

from balign.refusal import Refusal

READERS = re.compile(r"\.attn2\.to_[kv]\.weight$")
"""The layers that read the prompt: keys and values of the cross-attention."""
RIDGE = 1e-3
"""How strongly M stays at the identity where neither side says anything, in units of a squared embedding."""


def redirection(forget: Tensor, anchor: Tensor, retain: Tensor, weight: float = 1.0, ridge: float = RIDGE) -> Tensor:
    """The map M (D, D) in fp64 for row embeddings: the least squares solution of forget M = anchor, retain M = retain.

    forget, anchor: (N, L, D), row by row the same prompts but for the concept; retain: (M, L, D). Both sides count as
    means over their positions, the retain side `weight` times; `ridge` draws M towards the identity.
    """
    f, a, r = (side.flatten(0, -2).double() for side in (forget, anchor, retain))
    if not (torch.isfinite(f).all() and torch.isfinite(a).all() and torch.isfinite(r).all()):
        raise ValueError("an embedding is not finite")
    kept = weight / len(r) * r.T @ r + ridge * torch.eye(f.shape[1], dtype=torch.float64)
    return torch.linalg.solve(f.T @ f / len(f) + kept, f.T @ a / len(f) + kept)


def readers(denoiser: nn.Module, width: int) -> dict[str, nn.Parameter]:
    """The weights (out, D) that read embeddings of this width D, by name. Raises Refusal if there is none."""
    found = {n: w for n, w in denoiser.named_parameters() if READERS.search(f".{n}") and w.shape[-1] == width}
    if not found:
        raise Refusal("This model has no cross-attention that reads the prompt, so no closed form can edit it.")
    return found


@torch.no_grad()
def edit(denoiser: nn.Module, mapping: Tensor) -> dict[str, nn.Parameter]:
    """Apply the map M (D, D) to every layer that reads the prompt, in place; the edited weights by name.

    What such a layer gives for an embedding e afterwards is what it gave for e M before.
    """
    edited = readers(denoiser, mapping.shape[0])
    for weight in edited.values():
        weight.copy_(weight.double().cpu() @ mapping.T)
    return edited
