"""The table of methods. A row names a forget loss and a combiner, and holds the numbers it works well with.

Two methods differ only in their rows. Importing this needs no torch, so that the studio and a report can describe a
method.
"""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Protocol

from balign.method.combiners import COMBINERS
from balign.refusal import Refusal

FORGET = ("ascent", "anchor", "negative_guidance")
"""The forget losses of ``losses.FORGET_LOSSES``, which needs torch."""
EDITS = ("redirect",)
"""The closed forms of ``closed_form``."""
RetainTarget = Literal["denoising", "base"]
EditWhen = Literal["before", "after"]


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
    edit: str = ""
    """A closed form, a key of ``closed_form.EDITS``, that edits the weights too; with no steps, it alone does."""
    edit_when: EditWhen = "after"
    """Whether the edit comes before the steps or after them."""
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


_RG = "Ko et al., Boosting Alignment for Post-Unlearning Text-to-Image Generative Models, NeurIPS 2024, Theorem 4"
_ESD = "Gandikota et al., Erasing Concepts from Diffusion Models, ICCV 2023"
_CA = "Kumari et al., Ablating Concepts in Text-to-Image Diffusion Models, ICCV 2023"
_THEOREM = "g_f - (g_f.g_r/|g_r|^2) g_r + w (g_r - (g_f.g_r/|g_f|^2) g_f) where g_f.g_r < 0, else g_f + w g_r"
_PAPER_NOTE = "The paper's own numbers for Stable Diffusion: Adam at 1e-5, all weights, batch 8 and 8, 100 steps."

_REMOVE = Objective(
    title="Remove",
    forget="ascent",
    combine="restricted",
    retain_target="base",
    project_step=True,
    learning_rate=1.5e-4,
    retain_weight=6.0,
    batch_forget=12,
    batch_retain=24,
    cite=f"{_RG}; the base's prediction as retain target and the projection of the step are balign's own",
    equation="argmin |d' - d| over g_f.d' <= 0, g_r.d' <= 0, with d the optimiser's step",
    note="Takes it out of the weights, step by step; asked for it, the model draws something without a shape.",
)
_REDIRECT = Objective(
    title="Redirect",
    edit="redirect",
    steps=0,
    cite="Gandikota et al., Unified Concept Editing in Diffusion Models, WACV 2024, here over whole prompts",
    equation="W (A'F/n_f + w K'K/n_k + l I) (F'F/n_f + w K'K/n_k + l I)^-1",
    note="Seconds: its name leads to something else. The thing itself stays in the weights and can be brought back.",
)

METHODS: dict[str, Objective] = {
    "both": replace(
        _REMOVE,
        title="Remove and redirect",
        edit="redirect",
        cite=f"{_REMOVE.cite}; then {_REDIRECT.cite}",
        equation=f"{_REMOVE.equation}; then {_REDIRECT.equation}",
        note="Takes it out of the weights, then leads its name to something else, which is drawn cleanly in its place.",
    ),
    "redirect": _REDIRECT,
    "remove": _REMOVE,
    "balign": Objective(
        title="Replace, restricted step",
        forget="anchor",
        combine="restricted",
        retain_target="base",
        project_step=True,
        learning_rate=1.5e-4,
        retain_weight=6.0,  # the retain loss starts at its minimum, its gradient is short: with 1, close words drift
        batch_forget=12,
        batch_retain=24,
        cite=f"{_RG}; target of {_CA}, model-based variant; the projection of the step is balign's own",
        equation="argmin |d' - d| over g_f.d' <= 0, g_r.d' <= 0, with d the optimiser's step",
        note="Draws the nearest other thing, or what you name, in its place. The guarantee holds for the step taken.",
    ),
    "lead_away": Objective(
        title="Lead away, restricted step",
        forget="negative_guidance",
        combine="restricted",
        retain_target="base",
        project_step=True,
        cite=f"{_RG}; target of {_ESD}; the projection of the step is balign's own",
        equation='|eps(x_t, c*) - (base(x_t, c*) - eta (base(x_t, c*) - base(x_t, "")))|^2',
        note="Aims at what the base model draws for an empty prompt: no replacement is needed, and a blur may be left.",
    ),
    "rgd": Objective(
        title="Restricted gradient, diverse data (the paper)",
        forget="ascent",
        combine="restricted",
        retain_weight=1.6,
        cite=_RG,
        equation=_THEOREM,
        note=f"Truncated ascent; the rule is applied to the gradients, before Adam rescales them. {_PAPER_NOTE}",
    ),
    "rg": Objective(
        title="Restricted gradient, uniform data",
        forget="ascent",
        combine="restricted",
        diversified=False,
        retain_weight=1.6,
        cite=f"{_RG}; Table 4",
        equation=_THEOREM,
        note="The paper's ablation: one prompt to forget, one to retain.",
    ),
    "grad_diff": Objective(
        title="Plain sum of gradients",
        forget="ascent",
        combine="plain_sum",
        retain_weight=1.6,
        cite="Ko et al., NeurIPS 2024, section 3 (GradDiff) with diverse data (GradDiff_D, Table 2)",
        equation="g_f + w g_r",
        note="Truncated ascent and retaining, added up, conflict or not.",
    ),
    "anchor": Objective(
        title="Concept Ablation",
        forget="anchor",
        combine="plain_sum",
        cite=_CA,
        equation="|eps(x_t, c*) - base(x_t, c)|^2 with c the replacement, plus w times the denoising loss of the rest",
        note="Draws the replacement where a prompt names the concept; both gradients added up, conflict or not.",
    ),
    "esd": Objective(
        title="ESD",
        forget="negative_guidance",
        combine="plain_sum",
        retain_weight=0.0,
        cite=_ESD,
        equation='|eps(x_t, c*) - (base(x_t, c*) - eta (base(x_t, c*) - base(x_t, "")))|^2',
        note="No retain term. Here x_t is a noised image of the training set, not a half-finished sample.",
    ),
    "munba": Objective(
        title="Bisector (Nash bargaining)",
        forget="ascent",
        combine="bisector",
        cite="Wu and Harandi, MUNBa: Machine Unlearning via Nash Bargaining, ICCV 2025",
        equation="g_f/|g_f| + w g_r/|g_r|, the direction of the bargaining solution of two when w = 1",
        note="Both gradients count the same however long they are.",
    ),
    "one_sided": Objective(
        title="One-sided surgery",
        forget="ascent",
        combine="unilateral",
        retain_weight=1.6,
        cite="Chaudhry et al., Efficient Lifelong Learning with A-GEM, ICLR 2019; for unlearning EUPMU, NeurIPS 2025",
        equation="g_f - (g_f.g_r/|g_r|^2) g_r + w g_r where g_f.g_r < 0, else g_f + w g_r",
        note="Only forgetting gives way.",
    ),
}

DEFAULT_METHOD = "balign"


@dataclass(frozen=True)
class Settings:
    """The numbers of one training, every default filled in."""

    method: str
    forget: str
    combine: str
    retain_target: RetainTarget
    project_step: bool
    edit: str
    edit_when: EditWhen
    train: str
    steps: int
    learning_rate: float
    retain_weight: float
    truncation: float
    negative_guidance: float
    batch_forget: int
    batch_retain: int
    measure_every: int = 10

    @property
    def objective(self) -> Objective:
        """The method's row; what a run changed of it is in the settings."""
        return find(self.method)

    @property
    def first_order_safe(self) -> bool:
        """Whether the update that these settings aim at never opposes either gradient."""
        return self.project_step or self.combine not in ("plain_sum", "unilateral")


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
    if row.steps == 0 and settings.steps != 0:
        raise Refusal(f"steps is {settings.steps}; the method {method!r} takes none, so only 0 is accepted.")
    if row.steps == 0 and not settings.edit:
        raise Refusal(f"edit is empty; the method {method!r} does nothing else, so a closed form is accepted.")
    for name in ("steps", "batch_forget", "batch_retain"):
        if getattr(settings, name) < (name != "steps" or row.steps > 0):
            raise Refusal(f"{name} is {getattr(settings, name)}; 1 or more is accepted.")
    return settings
