"""What a method is: its losses, how the two gradients are combined, its step, and the numbers it works well with.

Importing this needs no torch, so that the studio and a report can describe a method.
"""

from dataclasses import dataclass
from typing import Literal

FORGET = (
    "ascent",
    "weighted_ascent",
    "anchor",
    "hellinger",
    "chi_squared",
    "hinge",
    "random_label",
    "relabel",
    "negative_guidance",
    "attention",
)
"""The forget losses of ``losses.FORGET_LOSSES``, which needs torch."""
EDITS = ("redirect", "uce", "rece", "oce", "speed")
"""The closed forms of ``closed_form.EDITS``, which needs torch."""
OPPOSING = ("plain_sum", "unilateral", "hamu", "bilevel", "retain_only")
"""The combiners whose update may oppose one of the gradients."""
RetainTarget = Literal["denoising", "base"]
Promise = Literal["first_order", "measured"]
EditWhen = Literal["before", "after"]
Mask = Literal["", "saliency", "fisher"]


@dataclass(frozen=True)
class Objective:
    """One method: its forget and retain losses, how the two gradients are combined, and its default numbers."""

    title: str
    cite: str
    equation: str
    note: str
    forget: str = "ascent"
    """The forget loss, a key of ``losses.FORGET_LOSSES``."""
    combine: str = "plain_sum"
    """The combiner, a key of ``combiners.COMBINERS``."""
    retain_target: RetainTarget = "denoising"
    """The target of the retain loss: the noise, or the base model's prediction."""
    project_step: bool = False
    """Whether the optimiser's proposed step is projected so that neither sampled loss rises to first order."""
    promise: Promise = "first_order"
    """Whether a projected step is to raise neither sampled loss to first order, or as measured."""
    edit: str = ""
    """A closed form, a key of ``closed_form.EDITS``, that edits the weights too; with no steps, it alone does."""
    edit_when: EditWhen = "after"
    """Whether the edit comes before the steps or after them."""
    by_layer: bool = False
    """Whether the two gradients are combined in each weight by itself."""
    alternate: bool = False
    """Whether each step is two: one along the forget gradient, then one along the retain gradient."""
    mask: Mask = ""
    """Which weights may move: all, those with a large forget gradient, or those with a large ratio of the squares."""
    mask_threshold: float = 0.5
    """The share of the weights that may move, or the least ratio."""
    quota: float = 0.5
    """For the combiner `hamu`: how much to forget, as a share of the most that a step of its length could."""
    orthogonality: float = 0.0
    """How much the squared cosine of the two gradients counts as a loss of its own."""
    buffer: int = 0
    """How many earlier retain gradients the projected step must not oppose either."""
    diversified: bool = True
    """Whether the forget and retain sets vary everything but the concept, or hold one prompt each."""
    train: str = "cross_attention"
    steps: int = 100
    learning_rate: float = 1e-4
    retain_weight: float = 1.0
    truncation: float = 1.5
    negative_guidance: float = 1.0
    batch_forget: int = 16
    batch_retain: int = 16


PARTS = (
    "forget", "combine", "retain_target", "project_step", "promise", "edit", "edit_when", "by_layer", "quota", "buffer",
)  # fmt: skip
"""The parts of a method that a run may choose by itself."""
