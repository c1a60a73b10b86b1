"""A batch in parts: the same weights as the whole batch, to rounding, for every loss and every way to take a step."""

import pytest
import torch

from balign.method.losses import FORGET_LOSSES
from balign.method.method_table import METHODS
from balign.refusal import Refusal
from tests.method.tiny import TinyModel, tiny_data, unlearner

TRAINED = [name for name, row in METHODS.items() if row.steps]


def trained(split: int, **options: object) -> torch.Tensor:
    run = unlearner(TinyModel(), tiny_data(), steps=3, micro_batch=split, **options)
    assert len(list(run)) == 3
    return torch.cat([weight.flatten() for weight in run.changed().values()])


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).norm() / one.norm())


@pytest.mark.parametrize("method", TRAINED)
def test_every_method_ends_at_the_same_weights_in_parts(method: str) -> None:
    options = {"method": method, "train": METHODS[method].train, "measure_every": 1}
    whole = trained(0, **options)
    for split in (1, 2, 3, 4):
        assert apart(whole, trained(split, **options)) < 1e-6


@pytest.mark.parametrize("forget", FORGET_LOSSES)
@pytest.mark.parametrize("truncation", [0.5, 1e3])
def test_every_loss_is_that_of_the_whole_batch(forget: str, truncation: float) -> None:
    values, gradients = [], []
    for split in (0, 1, 3):
        run = unlearner(method="balign", forget=forget, truncation=truncation, steps=1, micro_batch=split)
        value, gradient = run.losses.loss("forget", 0, run.weights)
        values.append(value)
        gradients.append(torch.cat([part.flatten() for part in gradient]))
        assert run.losses.loss("forget", 0) == (value, [])
        assert all(weight.grad is None for weight in run.weights)
    assert values == pytest.approx([values[0]] * 3, rel=1e-6)
    for gradient in gradients[1:]:
        assert float((gradient - gradients[0]).norm()) <= 1e-5 * float(gradients[0].norm())


def test_a_training_goes_on_with_other_batches_and_parts_but_not_with_another_loss() -> None:
    first = unlearner(method="remove", steps=4)
    next(first), next(first)
    second = unlearner(method="remove", steps=4, micro_batch=1, batch_retain=3)
    second.load_state(first.state())
    assert [record.step for record in second] == [3, 4]
    with pytest.raises(Refusal, match="forget ascent; anchor is what this one resumes with"):
        unlearner(method="remove", steps=4, forget="anchor").load_state(first.state())


def test_a_model_that_cannot_checkpoint_gradients_says_so() -> None:
    with pytest.raises(Refusal, match="gradient_checkpointing is True; this model cannot"):
        unlearner(steps=1, gradient_checkpointing=True)
