"""A closed form made ready for one model and the prompts of one run."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from balign.method import closed_form
from balign.refusal import Refusal

if TYPE_CHECKING:
    from balign.data.latents import TrainingData

LABELS = re.compile(r"\.class_embedder\.embedding_table\.weight$")
"""The tables (classes, D) in which a class-conditional transformer looks its label up."""


class Edit(NamedTuple):
    """The weights that it changes, by name, and what changes them in place."""

    weights: dict[str, nn.Parameter]
    apply: Callable[[], object]


def editable(name: str, denoiser: nn.Module, conditions: Tensor) -> dict[str, nn.Parameter]:
    """The weights that the edit of this name changes, by name; conditions: any of the model's.

    Raises Refusal if there is none.
    """
    if conditions.is_floating_point():
        return closed_form.readers(denoiser, conditions.shape[-1], closed_form.EDITS[name].reads)
    if name != "redirect":
        raise Refusal(
            f"edit is {name!r}, which changes how words are read; this model reads labels: redirect is accepted."
        )
    tables = {key: weight for key, weight in denoiser.named_parameters() if LABELS.search(f".{key}")}
    if not tables:
        raise Refusal("This model has no table of labels, so no closed form can edit it.")
    return tables


def prepare(name: str, denoiser: nn.Module, data: "TrainingData") -> Edit:
    """Make the closed form of this name ready. Raises Refusal if the model has nothing that it could edit.

    Where prompts are labels, `redirect` gives a forgotten label the vectors of its replacement.
    """
    weights = editable(name, denoiser, data.forget_conditions)
    embeddings = closed_form.Embeddings(
        data.forget_conditions,
        data.anchor_conditions,
        data.retain_conditions,
        data.empty_condition,
        *(None if span is None else span[:, 1] for span in (data.forget_span, data.anchor_span)),
    )

    @torch.no_grad()
    def relabel() -> None:
        for table in weights.values():
            labels, replacements = (side.flatten().to(table.device) for side in (embeddings.forget, embeddings.anchor))
            table[labels] = table[replacements]

    if data.forget_conditions.is_floating_point():
        return Edit(weights, lambda: closed_form.edit(denoiser, name, embeddings))
    return Edit(weights, relabel)
