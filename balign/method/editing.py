"""A closed form made ready for one model and the prompts of one run."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from torch import nn

from balign.method import closed_form

if TYPE_CHECKING:
    from balign.data.latents import TrainingData


class Edit(NamedTuple):
    """The weights that it changes, by name, and what changes them in place."""

    weights: dict[str, nn.Parameter]
    apply: Callable[[], object]


def prepare(name: str, denoiser: nn.Module, data: "TrainingData") -> Edit:
    """Make the closed form of this name ready. Raises Refusal if the model has nothing that it could edit."""
    embeddings = closed_form.Embeddings(
        data.forget_conditions, data.anchor_conditions, data.retain_conditions, data.empty_condition
    )
    weights = closed_form.readers(denoiser, embeddings.forget.shape[-1], closed_form.EDITS[name].reads)
    return Edit(weights, lambda: closed_form.edit(denoiser, name, embeddings))
