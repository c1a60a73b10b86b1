"""Steps that keep a promise as measured, and trainings that begin or end with a closed form."""

from typing import Any

import pytest
import torch

from balign.method import closed_form
from balign.method.batches import draw
from balign.refusal import Refusal
from tests.method.tiny import TinyModel, unlearner


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_edit_is_made_once_before_or_after_the_steps(when: str) -> None:
    """Before, the steps go on from the edited weights; after, they are those of a run without an edit, then edited."""
    edited, plain, only = TinyModel(), TinyModel(), TinyModel()
    list(unlearner(plain, method="remove", steps=3))
    list(alone := unlearner(only, method="redirect"))
    alone.finish()
    run = unlearner(edited, method="remove", steps=3, edit="redirect", edit_when=when)
    begun = run.changed()
    list(run)
    raw = run.changed()
    with run.finished():
        within = run.changed()
    assert all(torch.equal(tensor, raw[name]) for name, tensor in run.changed().items())
    run.finish()
    assert all(torch.equal(tensor, within[name]) for name, tensor in run.changed().items())
    reads = alone.changed()
    if when == "before":
        assert all(torch.equal(begun[name], tensor) for name, tensor in reads.items())
        assert all(torch.equal(raw[name], tensor) for name, tensor in within.items())
        return
    expected = dict(plain.denoiser.named_parameters())
    assert all(torch.equal(raw[name], tensor) for name, tensor in expected.items())
    data = run.data
    conditions = (data.forget_conditions, data.anchor_conditions, data.retain_conditions, data.empty_condition)
    closed_form.edit(plain.denoiser, "redirect", closed_form.Embeddings(*conditions))
    assert all(torch.equal(within[name], tensor) for name, tensor in expected.items())


def test_the_base_of_a_training_after_an_edit_is_the_unedited_one() -> None:
    model, untouched = TinyModel(), TinyModel()
    run = unlearner(model, method="remove", steps=1, edit="redirect", edit_when="before")
    batch, _ = draw(model, run.data, "retain", 4, 0, 0)
    assert run.base is not None
    assert torch.equal(run.base.predict(*batch[:3]), untouched.predict(*batch[:3]).detach())


def test_a_measured_promise_bends_the_step_by_the_curvature_it_met() -> None:
    """The retain loss rises in fewer measured steps than where only the first order is promised."""

    def rises(promise: str) -> int:
        run = unlearner(method="remove", steps=40, learning_rate=3e-3, measure_every=1, promise=promise)
        return sum((record.measured_retain_change or 0.0) > 1e-9 for record in run)

    assert rises("measured") < rises("first_order")


def test_an_edit_of_weights_that_do_not_train_goes_with_measuring() -> None:
    run = unlearner(
        method="esd_u", steps=2, edit="redirect", train="not_cross_attention", measure_every=1, batch_forget=8
    )
    list(run)
    run.finish()
    assert {"block.attn2.to_k.weight"} < run.changed().keys()
    assert not any("attn2" in name for name in run.trained)


def test_an_edit_that_cannot_be_made_is_refused_before_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def impossible(*_: object) -> None:
        raise Refusal("No direction is free.")

    monkeypatch.setattr(closed_form, "edit", impossible)
    with pytest.raises(Refusal):
        unlearner(method="remove", steps=2, edit="speed")


def test_a_measured_promise_resumes_to_the_same_bits() -> None:
    options: dict[str, Any] = {"method": "remove", "steps": 6, "promise": "measured", "measure_every": 1}
    whole, fresh = TinyModel(), TinyModel()
    list(unlearner(whole, **options))
    first = unlearner(**options)
    for _ in range(3):
        next(first)
    second = unlearner(fresh, **options)
    second.load_state(first.state())
    list(second)
    for a, b in zip(whole.denoiser.parameters(), fresh.denoiser.parameters(), strict=True):
        assert torch.equal(a, b)
