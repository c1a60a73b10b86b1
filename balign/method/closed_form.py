"""Erase by one linear edit of the layers that read the prompt: no image is drawn and no step is taken.

Every edit is one function of the text embeddings and of the weights it edits, all at once (RECE looks for one embedding
that revives the concept in all layers), and gives their new values. All computing is in fp64 on the CPU.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from balign.method import null_space
from balign.refusal import Refusal

KEYS_AND_VALUES = re.compile(r"\.attn2\.to_[kv]\.weight$")
VALUES = re.compile(r"\.attn2\.to_v\.weight$")
KEEP, RIDGE = 16.0, 1e-3
"""How much more the retain side counts for `redirect` than the forget side, and how strongly it stays at the identity
where neither says anything, in units of a squared embedding."""
UCE_RIDGE, RECE_RIDGE = 0.5, 0.1
RECE_ROUNDS, RECE_SHRINK = 3, 0.1
"""How often an embedding that revives the concept is looked for and erased, and how strongly it is kept small."""
OCE_ERASE, OCE_KEEP, OCE_RIDGE = 200.0, 10.0, 10.0
"""The paper erases objects with 2000; the bundled model, whose embeddings are narrower, then loses half of the rest."""
OCE_ENERGY = 0.95
"""The share of the squared outputs of the concept that its subspace holds."""


class Embeddings(NamedTuple):
    """What the text encoder gives: forget and anchor (N, L, D), retain (M, L, D), empty (1, L, D).

    `forget[i]` and `anchor[i]` are the same prompt with the concept and with the replacement; the last token of the
    one and of the other is at `forget_at[i]` and `anchor_at[i]`, if given.
    """

    forget: Tensor
    anchor: Tensor
    retain: Tensor
    empty: Tensor
    forget_at: Tensor | None = None
    anchor_at: Tensor | None = None

    def checked(self) -> "Embeddings":
        """The same in fp64 on the CPU. Raises ValueError if one is not finite."""
        sides = (self.forget, self.anchor, self.retain, self.empty)
        forget, anchor, retain, empty = (side.detach().double().cpu() for side in sides)
        if not all(torch.isfinite(side).all() for side in (forget, anchor, retain, empty)):
            raise ValueError("An embedding is not finite.")
        return self._replace(forget=forget, anchor=anchor, retain=retain, empty=empty)

    def concepts(self, onwards: bool = False) -> tuple[Tensor, Tensor]:
        """The embeddings of the concept and of its replacement in the prompts, as rows (n, D).

        The papers take the last token of the word. Where that is not given, the first position counts that differs
        from its twin at least half as much as any: with a text encoder that reads from left to right the first token
        of the concept, which is its last if it has only one. onwards: all that follows in the prompt counts as well.
        """
        apart = (self.forget - self.anchor).norm(dim=-1)
        first = (apart >= apart.amax(1, keepdim=True) / 2).double().argmax(1)
        here, there = (first if at is None else at.cpu() for at in (self.forget_at, self.anchor_at))
        length = apart.shape[1]
        offsets = torch.arange(length if onwards else 1)
        i, k = (torch.maximum(here, there)[:, None] + offsets < length).nonzero(as_tuple=True)
        return self.forget[i, here[i] + k], self.anchor[i, there[i] + k]

    def kept(self) -> Tensor:
        """The second moment (D, D) of the retain side: a sum over its prompts, for each a mean over its positions."""
        rows = self.retain.flatten(0, 1)
        return rows.T @ rows / self.retain.shape[1]


Solve = Callable[[Embeddings, Sequence[Tensor]], list[Tensor]]


class ClosedForm(NamedTuple):
    """A closed form: what it makes of the weights (out, D), which weights it edits, and where it is published."""

    solve: Solve
    reads: re.Pattern[str]
    cite: str
    equation: str


def redirection(forget: Tensor, anchor: Tensor, kept: Tensor) -> Tensor:
    """The map M (D, D) of row embeddings that minimises |forget M - anchor|² + tr((M - I)' kept (M - I)).

    forget, anchor: rows (n, D); kept: (D, D), positive definite.
    """
    return torch.linalg.solve(forget.T @ forget + kept, forget.T @ anchor + kept)


def redirect(e: Embeddings, weights: Sequence[Tensor]) -> list[Tensor]:
    """W M', M as in `redirection` over all positions, each side as a mean, the retain side KEEP times."""
    sides = (side.flatten(0, 1) for side in (e.forget, e.anchor, e.retain))
    forget, anchor, retain = (side / len(side) ** 0.5 for side in sides)
    mapping = redirection(forget, anchor, KEEP * retain.T @ retain + RIDGE * _eye(retain.shape[1]))
    return [weight @ mapping.T for weight in weights]


def uce(e: Embeddings, weights: Sequence[Tensor], ridge: float = UCE_RIDGE) -> list[Tensor]:
    """W (Σ a c' + K + λI)(Σ c c' + K + λI)⁻¹ over the concept's embeddings c, the replacement's a, K = `kept`."""
    forget, anchor = e.concepts()
    mapping = redirection(forget, anchor, e.kept() + ridge * _eye(forget.shape[1]))
    return [weight @ mapping.T for weight in weights]


def rece(e: Embeddings, weights: Sequence[Tensor]) -> list[Tensor]:
    """UCE; then the embeddings c' = (Σ W'W + λI)⁻¹ Σ W'W₀ c, which revive the concept c, are erased too; repeated.

    Both sums are over all layers; W is a layer as it has become, W₀ as it was. Each round is UCE of W₀ over all that
    has been found, as erasing c' alone gives back a part of c.
    """
    forget, anchor = e.concepts()
    width, (found, goals) = forget.shape[1], (forget, anchor)
    edited = uce(e, weights, RECE_RIDGE)
    for _ in range(RECE_ROUNDS):
        inner = sum((new.T @ new for new in edited), RECE_SHRINK * _eye(width))
        cross = torch.stack([new.T @ old for new, old in zip(edited, weights, strict=True)]).sum(0)
        revived = forget @ torch.linalg.solve(inner, cross).T
        found, goals = torch.cat([found, revived]), torch.cat([goals, anchor])
        mapping = redirection(found, goals, e.kept() + RECE_RIDGE * _eye(width))
        edited = [old @ mapping.T for old in weights]
    return edited


def oce(e: Embeddings, weights: Sequence[Tensor]) -> list[Tensor]:
    """P W with the orthogonal P that turns a layer's outputs for the concept away from all but the replacement's.

    P = U V' of the singular value decomposition of -s (I - G*) G + p W C W' + λ W W'; G and G* project on the outputs
    for the concept and the replacement, C is the second moment of the retain side, which holds the words to keep. G
    spans the strongest directions of many prompts from the concept on, the paper's those of its last token in five.
    """
    forget, anchor = e.concepts(onwards=True)
    kept = OCE_KEEP * e.kept() / len(e.retain) + OCE_RIDGE * _eye(forget.shape[1])
    return [_rotation(w, _subspace(w @ forget.T), _subspace(w @ anchor.T), kept) @ w for w in weights]


def _rotation(weight: Tensor, concept: Tensor, replacement: Tensor, kept: Tensor) -> Tensor:
    away = concept - replacement @ concept
    left, _, right = torch.linalg.svd(weight @ kept @ weight.T - OCE_ERASE * away)
    return left @ right


def _subspace(outputs: Tensor) -> Tensor:
    """The projector on the fewest directions that hold OCE_ENERGY of these columns (out, n)."""
    left, values, _ = torch.linalg.svd(outputs, full_matrices=False)
    energy = values.square().cumsum(0)
    basis = left[:, : int((energy < OCE_ENERGY * energy[-1]).sum()) + 1]
    return basis @ basis.T


def speed(e: Embeddings, weights: Sequence[Tensor]) -> list[Tensor]:
    """W + W (Σ a c' - Σ c c') P Q M: nothing changes for the retain side, the first token and the empty prompt.

    P projects on the directions that the retain side leaves free, M = (Σ c c' P + I)⁻¹ and
    Q = I - M K (K' P M K)⁺ K' P, K being what never changes. Retain embeddings, here of all positions, count if
    erasing alone would move them more than the mean; each of them also counts with noise along the direction that W
    sees least, drawn with a fixed seed. The concept counts with all that follows it: an edit of the values alone
    otherwise leaves it in the rest of the prompt. Raises Refusal if no direction is free.
    """
    forget, anchor = e.concepts(onwards=True)
    fixed = torch.cat([e.empty[:, 0], null_space.centres(e.empty[0, 1:])]).T
    retain = e.retain.flatten(0, 1)
    free = [null_space.free_directions(weight, forget, anchor, retain) for weight in weights]
    return [w + null_space.update(w, forget, anchor, p, fixed) for w, p in zip(weights, free, strict=True)]


def _eye(width: int) -> Tensor:
    return torch.eye(width, dtype=torch.float64)


EDITS = {
    "redirect": ClosedForm(
        redirect,
        KEYS_AND_VALUES,
        "after Gandikota et al., Unified Concept Editing in Diffusion Models, WACV 2024",
        "equation 7 there, over all positions of diversified prompts, each side as a mean",
    ),
    "uce": ClosedForm(
        uce,
        KEYS_AND_VALUES,
        "Gandikota et al., Unified Concept Editing in Diffusion Models, WACV 2024",
        "equation 7",
    ),
    "rece": ClosedForm(
        rece,
        KEYS_AND_VALUES,
        "Gong et al., Reliable and Efficient Concept Erasure of Text-to-Image Diffusion Models, ECCV 2024",
        "the regularised embedding that revives the concept, erased by UCE in turn",
    ),
    "oce": ClosedForm(
        oce,
        VALUES,
        "Sun et al., Orthogonal Concept Erasure for Diffusion Models, ICML 2026",
        "the orthogonal Procrustes problem with a subspace to erase and vectors to keep",
    ),
    "speed": ClosedForm(
        speed,
        VALUES,
        "Li et al., SPEED: Scalable, Precise, and Efficient Concept Erasure for Diffusion Models, ICLR 2026",
        "the update in the null space under equality constraints",
    ),
}
"""Every closed form by its name."""


def readers(denoiser: nn.Module, width: int, reads: re.Pattern[str] = KEYS_AND_VALUES) -> dict[str, nn.Parameter]:
    """The weights (out, D) that read embeddings of this width D, by name. Raises Refusal if there is none."""
    found = {n: w for n, w in denoiser.named_parameters() if reads.search(f".{n}") and w.shape[-1] == width}
    if not found:
        raise Refusal("This model has no cross-attention that reads the prompt, so no closed form can edit it.")
    return found


@torch.no_grad()
def edited(denoiser: nn.Module, name: str, embeddings: Embeddings) -> dict[str, Tensor]:
    """The new values of the weights that the edit of this name changes, by name; the model stays as it is.

    Each has its weight's type and device. Raises Refusal if there is nothing to edit, ValueError if an embedding or
    what comes out is not finite.
    """
    embeddings, chosen = embeddings.checked(), EDITS[name]
    weights = readers(denoiser, embeddings.forget.shape[-1], chosen.reads)
    new = chosen.solve(embeddings, [weight.detach().cpu().double() for weight in weights.values()])
    if not all(torch.isfinite(weight).all() for weight in new):
        raise ValueError(f"The edit {name!r} gave weights that are not finite.")
    return {key: value.to(weights[key].dtype).to(weights[key].device) for key, value in zip(weights, new, strict=True)}


@torch.no_grad()
def edit(denoiser: nn.Module, name: str, embeddings: Embeddings) -> None:
    """Put in place what `edited` gives."""
    new, weights = edited(denoiser, name, embeddings), dict(denoiser.named_parameters())
    for key, value in new.items():
        weights[key].copy_(value)
