"""The ledger: a step counts when a loss rose by more than rounding, as predicted and as measured."""

from typing import Any

from balign.measure.ledger import Ledger, ledger, measured, predicted, raises
from balign.telemetry import Step


def step(number: int = 1, **values: Any) -> Step:
    facts: dict[str, Any] = {
        "forget_loss": 0.3, "retain_loss": 0.2, "forget_norm": 1.0, "retain_norm": 1.0, "cosine": -0.5,
        "projected": True, "kept_fraction": 0.9, "forget_change": -1e-3, "retain_change": 0.0,
        "measured_forget_change": None, "measured_retain_change": None, "seconds": 0.1,
    }  # fmt: skip
    return Step(step=number, **facts | values)


def test_a_rise_within_rounding_is_none() -> None:
    assert raises(0.1, 0.3)
    assert not raises(1e-12, 0.3)
    assert not raises(1e-8, 0.3)
    assert raises(1e-12, 0.0)
    assert not raises(None, 0.3)
    assert not raises(-1.0, None)


def test_each_step_counts_once_for_each_loss() -> None:
    steps = [step(1), step(2, forget_change=0.1), step(3, retain_change=0.1, forget_change=0.1), step(4)]
    assert ledger(steps) == Ledger(steps=4, forget_violations=2, retain_violations=1)
    assert ledger([]) == Ledger(0, 0, 0)


def test_the_measured_steps_are_counted_beside_the_predicted_ones() -> None:
    rising = step(2, measured_forget_change=-0.1, measured_retain_change=0.1)
    counts = ledger([step(1), rising, step(3, measured_forget_change=-0.1, measured_retain_change=-0.1)])
    assert (counts.measured, counts.forget_rises, counts.retain_rises) == (2, 0, 1)
    assert counts.predicted_words == "forget 0, retain 0 of 3"
    assert counts.measured_words == "forget 0, retain 1 of 2"
    assert ledger([step()]).measured_words == ""


def test_what_was_predicted_is_apart_from_what_was_measured() -> None:
    odd = step(retain_change=-1e-3, measured_retain_change=1e-2, measured_forget_change=-1e-2)
    assert predicted(odd) == (False, False)
    assert measured(odd) == (False, True)
    assert measured(step()) is None
    assert measured(step(measured_forget_change=0.1)) == (True, False)
