"""The numbers of one training: those of the method's row, and what a run changes of them.

Importing this needs no torch, so that the studio and a report can describe a method.
"""

from dataclasses import dataclass, fields
from typing import Any, Protocol

from balign.method.combiners import COMBINERS
from balign.method.method_row import EDITS, FORGET, OPPOSING, EditWhen, Mask, Objective, Promise, RetainTarget
from balign.method.method_table import METHODS
from balign.refusal import Refusal

DEFAULT_METHOD = "both"


@dataclass(frozen=True)
class Settings:
    """The numbers of one training, every default filled in."""

    method: str
    forget: str
    combine: str
    retain_target: RetainTarget
    project_step: bool
    promise: Promise
    edit: str
    edit_when: EditWhen
    by_layer: bool
    alternate: bool
    mask: Mask
    mask_threshold: float
    quota: float
    orthogonality: float
    buffer: int
    train: str
    steps: int
    learning_rate: float
    retain_weight: float
    truncation: float
    negative_guidance: float
    batch_forget: int
    batch_retain: int
    measure_every: int = 10
    micro_batch: int = 0
    """How many pictures of a batch go through the model at once; 0 for all. The weights are the same to rounding."""
    gradient_checkpointing: bool = False
    """Whether activations are computed again in the backward pass, and not kept for it."""

    @property
    def objective(self) -> Objective:
        """The method's row; what a run changed of it is in the settings."""
        return find(self.method)

    @property
    def first_order_safe(self) -> bool:
        """Whether the update that these settings aim at never opposes either gradient."""
        return self.project_step or self.combine not in OPPOSING


def find(method: str) -> Objective:
    """The row of this name. Raises Refusal if there is none."""
    if method not in METHODS:
        raise Refusal(f"There is no method {method!r}; there are {', '.join(METHODS)}.")
    return METHODS[method]


class Overrides(Protocol):
    """Has any of the fields of `Settings`; None leaves one to the method."""

    @property
    def method(self) -> str | None: ...


def settle(config: Overrides | None = None, **choices: str | float | None) -> Settings:
    """The settings of a run's config, or of keywords, which come before it; what is None is left to the method's row.

    Raises Refusal for an unknown method or name, and for a count below 1.
    """
    names = [field.name for field in fields(Settings)]
    if unknown := choices.keys() - set(names):
        raise Refusal(f"{min(unknown)!r} is not a setting; there are {', '.join(names)}.")
    chosen = {name: getattr(config, name, None) for name in names} | choices
    method = str(chosen.pop("method") or DEFAULT_METHOD)
    row = find(method)
    values: dict[str, Any] = {name: getattr(row, name) for name in chosen if hasattr(row, name)}
    values |= {name: value for name, value in chosen.items() if value is not None}
    settings = Settings(method=method, **values)
    for name, known in (("forget", FORGET), ("combine", COMBINERS), ("edit", ("", *EDITS))):
        if (value := getattr(settings, name)) not in known:
            raise Refusal(f"{name} is {value!r}; accepted are {', '.join(filter(None, known))}.")
    if settings.alternate and settings.project_step:
        raise Refusal(f"project_step is True; {method!r} takes two steps in turn, so only False is accepted.")
    if settings.promise == "measured" and not (settings.project_step and settings.measure_every):
        raise Refusal("promise is 'measured'; project_step and a measure_every of 1 or more go with it.")
    if settings.buffer and not settings.project_step:
        raise Refusal(f"buffer is {settings.buffer}; without project_step only 0 is accepted.")
    if settings.gradient_checkpointing and settings.forget == "attention":
        raise Refusal("gradient_checkpointing is True; forget 'attention' looks into the model, so False is accepted.")
    if row.steps == 0 and settings.steps != 0:
        raise Refusal(f"steps is {settings.steps}; the method {method!r} takes none, so only 0 is accepted.")
    if row.steps == 0 and not settings.edit:
        raise Refusal(f"edit is empty; the method {method!r} does nothing else, so a closed form is accepted.")
    for name in ("steps", "batch_forget", "batch_retain"):
        if getattr(settings, name) < (name != "steps" or row.steps > 0):
            raise Refusal(f"{name} is {getattr(settings, name)}; 1 or more is accepted.")
    return settings
