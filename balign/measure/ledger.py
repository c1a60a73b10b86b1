"""The ledger: which steps raised a loss, to first order as predicted and as measured on the same batch."""

from collections.abc import Sequence
from typing import NamedTuple

from balign.telemetry import Step

ROUNDING = 1e-7
"""A change of a loss up to this share of the loss is rounding and counts as no rise."""
NOISE = 1e-12
"""A squared error up to this is the rounding of two predictions that are the same, and so is its gradient."""


class Ledger(NamedTuple):
    """How many steps were taken, and how many of them raised each loss: to first order, and of those measured."""

    steps: int = 0
    forget_violations: int = 0
    retain_violations: int = 0
    measured: int = 0
    """How many steps were measured; 0 in a report from before they were counted."""
    forget_rises: int = 0
    retain_rises: int = 0
    retain_silent: int = 0
    """Steps whose retain gradient was zero or rounding: of them nothing was promised, so none counts as kept."""

    @property
    def predicted_words(self) -> str:
        """How many steps were predicted to raise each loss, in words."""
        if not self.retain_silent:
            return f"forget {self.forget_violations:,}, retain {self.retain_violations:,} of {self.steps:,}"
        spoke = self.steps - self.retain_silent
        return (
            f"forget {self.forget_violations:,} of {self.steps:,}, retain {self.retain_violations:,} of {spoke:,} "
            f"({self.retain_silent:,} had no retain gradient)"
        )

    @property
    def measured_words(self) -> str:
        """The same of the measured steps; empty if none was."""
        return (
            f"forget {self.forget_rises:,}, retain {self.retain_rises:,} of {self.measured:,}" if self.measured else ""
        )


def raises(change: float | None, loss: float | None) -> bool:
    """Whether a change of a loss is a rise by more than rounding."""
    return change is not None and change > ROUNDING * max(abs(loss or 0.0), 1e-6)


def silent(step: Step) -> bool:
    """Whether the step's retain gradient says nothing: it is zero, or the rounding of a loss that is."""
    return step.retain_norm == 0 or abs(step.retain_loss) <= NOISE


def predicted(step: Step) -> tuple[bool, bool]:
    """Whether the step was predicted, to first order, to raise the forget loss and the retain loss."""
    return raises(step.forget_change, step.forget_loss), raises(step.retain_change, step.retain_loss)


def measured(step: Step) -> tuple[bool, bool] | None:
    """Whether the step was measured to raise the forget loss and the retain loss; None where it was not measured."""
    forget, retain = step.measured_forget_change, step.measured_retain_change
    if forget is None and retain is None:
        return None
    return raises(forget, step.forget_loss), raises(retain, step.retain_loss)


def rise(step: Step) -> float:
    """The largest measured rise of a loss, as a share of that loss; 0 if none rose."""
    forget, retain = measured(step) or (False, False)
    shares = [(step.measured_forget_change or 0.0) / abs(step.forget_loss)] if forget and step.forget_loss else []
    shares += [(step.measured_retain_change or 0.0) / abs(step.retain_loss)] if retain and step.retain_loss else []
    return max(shares, default=0.0)


def ledger(steps: Sequence[Step]) -> Ledger:
    """The counts over all steps."""
    broken = [predicted(step) for step in steps]
    checked = [each for step in steps if (each := measured(step)) is not None]
    return Ledger(
        len(steps),
        sum(forget for forget, _ in broken),
        sum(retain for _, retain in broken),
        len(checked),
        sum(forget for forget, _ in checked),
        sum(retain for _, retain in checked),
        sum(map(silent, steps)),
    )
