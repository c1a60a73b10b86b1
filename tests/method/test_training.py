import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from balign.method import objectives
from balign.method.batches import draw
from balign.method.objectives import METHODS
from balign.method.training import Unlearner
from balign.models.trainable import select
from tests.method.tiny import SameForBoth, TinyModel, tiny_data, unlearner


def sgd(weights: list[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(weights, lr=learning_rate)


def adamw(weights: list[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW(weights, lr=learning_rate, weight_decay=10.0)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_takes_its_steps_and_moves_only_what_it_may(method: str) -> None:
    model = TinyModel()
    before = {name: weight.detach().clone() for name, weight in model.denoiser.named_parameters()}
    steps = min(METHODS[method].steps, 2)
    run = unlearner(model, method=method, steps=steps, train="cross_attention_kv")
    records = list(run)
    run.finish()
    assert [record.step for record in records] == [1, 2][:steps]
    assert run.outcome is not None
    assert run.outcome.reason == "finished"
    moved = {name for name, weight in model.denoiser.named_parameters() if not torch.equal(weight, before[name])}
    reads = {"block.attn2.to_k.weight", "block.attn2.to_v.weight"}
    if steps:
        assert moved == reads == set(run.changed())
    else:  # a closed form alone; which weights it edits is tested in test_editing
        assert moved <= set(run.changed()) <= reads


def reference_step(model: TinyModel, run: Unlearner, step: int, optimizer: torch.optim.Optimizer) -> None:
    """One step of the paper's rule the long way: flatten, project, weigh, unflatten."""
    weights = list(model.denoiser.parameters())
    flats = []
    for side in ("forget", "retain"):
        batch, _ = draw(model, run.data, side, 4, 0, step)
        error = (model.predict(*batch[:3]) - batch.target).square().mean()
        grads = torch.autograd.grad(error, weights)
        flats.append(torch.cat([grad.reshape(-1) for grad in grads]))
    f, r = -flats[0], flats[1]
    s = f @ r
    f_out = f - s / (r @ r) * r if s < 0 else f
    r_out = r - s / (f @ f) * f if s < 0 else r
    pieces = (f_out + 1.6 * r_out).split([weight.numel() for weight in weights])
    for weight, piece in zip(weights, pieces, strict=True):
        weight.grad = piece.view_as(weight)
    optimizer.step()


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD])
def test_rgd_weights_equal_flatten_project_unflatten(kind: type) -> None:
    data = tiny_data(dtype=torch.float64)
    ours, theirs = TinyModel(torch.float64), TinyModel(torch.float64)
    run = unlearner(
        ours, data, method="rgd", steps=6, truncation=1e9, learning_rate=1e-2, optimizer=lambda w, lr: kind(w, lr=lr)
    )
    cosines = [record.cosine for record in run]
    assert min(cosines) < 0  # the projection was put to the test
    optimizer = kind(theirs.denoiser.parameters(), lr=1e-2)
    for step in range(6):
        reference_step(theirs, run, step, optimizer)
    for mine, other in zip(ours.denoiser.parameters(), theirs.denoiser.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-10)


def test_retaining_what_the_base_predicts_costs_nothing_until_a_weight_moves() -> None:
    first, *rest = unlearner(method="balign", steps=4, learning_rate=1e-2)
    assert first.retain_loss == 0.0 == first.retain_norm
    assert first.forget_change < 0
    assert all(step.retain_loss > 0 and step.retain_norm > 0 for step in rest)


@pytest.mark.parametrize("optimizer", [sgd, adamw, None])
@pytest.mark.parametrize("method", ["balign", "lead_away"])
def test_no_step_taken_raises_either_loss_to_first_order(method: str, optimizer: Any) -> None:
    options = {"optimizer": optimizer} if optimizer else {}
    run = unlearner(method=method, steps=25, learning_rate=1e-2, **options)
    records = list(run)
    assert all(record.forget_change <= 0 and record.retain_change <= 0 for record in records)
    assert all(0 <= record.kept_fraction <= 1 + 1e-6 for record in records)
    assert any(record.projected for record in records) != (optimizer is sgd)  # plain descent of a safe gradient is safe


def test_adam_breaks_the_papers_promise_and_the_ledger_says_so() -> None:
    records = list(unlearner(method="rgd", steps=30, learning_rate=1e-2))
    assert any(record.retain_change > 0 or record.forget_change > 0 for record in records)
    records = list(unlearner(method="rgd", steps=30, learning_rate=1e-3, optimizer=sgd))
    scale = max(abs(record.retain_change) + abs(record.forget_change) for record in records)
    assert all(record.retain_change <= 1e-5 * scale and record.forget_change <= 1e-5 * scale for record in records)


def test_small_steps_do_what_they_promise() -> None:
    data = tiny_data(dtype=torch.float64)
    run = unlearner(TinyModel(torch.float64), data, method="balign", steps=6, learning_rate=1e-6, measure_every=3)
    for record in run:
        if record.step % 3:
            assert record.measured_forget_change is record.measured_retain_change is None
        else:
            assert record.measured_forget_change == pytest.approx(record.forget_change, rel=0.01, abs=1e-10)
            assert record.measured_retain_change == pytest.approx(record.retain_change, rel=0.01, abs=1e-10)


def test_unlearning_raises_the_error_on_what_is_forgotten() -> None:
    records = list(unlearner(method="rgd", steps=40, learning_rate=1e-2, truncation=10.0))
    assert records[-1].forget_loss < records[0].forget_loss


def test_a_truncated_batch_gives_a_pure_retain_step() -> None:
    data = tiny_data()
    model, other = TinyModel(), TinyModel()
    (record,) = unlearner(model, data, method="rgd", steps=1, truncation=1e-6, optimizer=sgd)
    assert record.forget_norm == 0
    assert record.cosine == 0
    assert record.forget_loss == pytest.approx(-1e-6)
    batch, _ = draw(other, data, "retain", 4, 0, 0)
    (other.predict(*batch[:3]) - batch.target).square().mean().backward()
    for mine, weight in zip(model.denoiser.parameters(), other.denoiser.parameters(), strict=True):
        assert weight.grad is not None
        torch.testing.assert_close(mine, weight - 1e-4 * 1.6 * weight.grad, rtol=0, atol=1e-9)


# ----------------------------------------------------------------------------------------------------------------------
# Ends


def test_gradients_against_each_other_end_the_training() -> None:
    data = tiny_data(6, 6)
    data = data._replace(retain_latents=data.forget_latents, retain_conditions=data.forget_conditions)
    model = SameForBoth()
    before = [weight.detach().clone() for weight in model.denoiser.parameters()]
    run = unlearner(model, data, method="rgd", steps=5, truncation=1e9)
    assert list(run) == []
    assert run.outcome is not None
    assert run.outcome.reason == "deadlock"
    assert "At step 1 the forget and retain gradients point exactly against each other" in run.outcome.message
    assert all(torch.equal(a, b) for a, b in zip(model.denoiser.parameters(), before, strict=True))
    assert len(list(unlearner(SameForBoth(), data, method="grad_diff", steps=2, truncation=1e9))) == 2


@pytest.mark.parametrize(("fail_at", "good"), [(5, 1), (6, 1)])
def test_a_loss_that_is_not_finite_puts_the_last_good_weights_back(fail_at: int, good: int) -> None:
    """Prediction 5 is the forget loss of step 3, 6 its retain loss: the weights of step 2 gave no finite pair."""
    model = TinyModel()
    run = unlearner(model, method="rgd", steps=5)
    weights: list[dict[str, Tensor]] = []
    predictions = 0

    def break_later() -> None:
        nonlocal predictions
        predictions += 1
        if predictions == fail_at:
            with torch.no_grad():
                next(model.denoiser.parameters()).fill_(float("nan"))

    model.before_predict = break_later
    for _ in run:
        weights.append(run.changed())
    assert len(weights) == 2
    assert run.outcome is not None
    assert run.outcome.reason == "non_finite"
    side = "forget" if fail_at == 5 else "retain"
    assert run.outcome.message == (
        f"At step 3 the {side} loss is nan; training ended and the last good weights were put back."
    )
    assert all(torch.equal(weight, weights[good - 1][name]) for name, weight in run.changed().items())


def test_a_step_that_is_not_finite_is_taken_back() -> None:
    model = TinyModel()
    before = [weight.detach().clone() for weight in model.denoiser.parameters()]
    run = unlearner(model, method="balign", steps=3, learning_rate=float("inf"))
    assert list(run) == []
    assert run.outcome is not None
    assert run.outcome.message.startswith("At step 1 the step is not finite")
    assert all(torch.equal(a, b) for a, b in zip(model.denoiser.parameters(), before, strict=True))


# ----------------------------------------------------------------------------------------------------------------------
# Going on


@pytest.mark.parametrize("method", ["balign", "rgd"])
def test_going_on_from_a_saved_state_is_exact(method: str) -> None:
    whole = unlearner(method=method, steps=6)
    expected = list(whole)
    first = unlearner(method=method, steps=6)
    for _ in range(3):
        next(first)
    file = io.BytesIO()
    torch.save(first.state(), file)
    file.seek(0)
    next(first)  # the state must not follow
    second = unlearner(method=method, steps=6)
    second.load_state(torch.load(file, weights_only=True))
    rest = list(second)
    assert [(r.step, r.forget_loss, r.retain_change) for r in rest] == [
        (r.step, r.forget_loss, r.retain_change) for r in expected[3:]
    ]
    for name, weight in second.changed().items():
        assert torch.equal(weight, whole.changed()[name])


def test_a_state_of_another_training_is_refused() -> None:
    state = unlearner(method="rgd", steps=6).state()
    with pytest.raises(ValueError, match="The saved training has seed 0; 1 is what this one resumes with"):
        unlearner(method="rgd", steps=6, seed=1).load_state(state)
    with pytest.raises(ValueError, match="The saved training has steps 6; 7 is what"):
        unlearner(method="rgd", steps=7).load_state(state)
    state["weights"].pop("conv_in.weight")
    with pytest.raises(ValueError, match="moves other weights than this one"):
        unlearner(method="rgd", steps=6).load_state(state)


def test_an_ended_training_stays_ended() -> None:
    run = unlearner(method="rgd", steps=3, learning_rate=float("inf"))
    assert list(run) == []
    again = unlearner(method="rgd", steps=3, learning_rate=float("inf"))
    again.load_state(run.state())
    assert list(again) == []
    assert again.outcome == run.outcome


def test_everything_random_follows_from_the_seed() -> None:
    torch.manual_seed(1)
    first = list(unlearner(method="balign", steps=2))
    torch.manual_seed(2)
    second = list(unlearner(method="balign", steps=2))
    assert [r.forget_loss for r in first] == [r.forget_loss for r in second]
    other = list(unlearner(method="balign", steps=2, seed=1))
    assert [r.forget_loss for r in first] != [r.forget_loss for r in other]


def test_a_method_is_nothing_but_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    row = objectives.Objective("mine", cite="c", equation="e", note="n", forget="anchor", combine="mgda")
    monkeypatch.setitem(METHODS, "mine", row)
    assert len(list(unlearner(method="mine", steps=2))) == 2


def test_select_is_asked_for_the_settings_weights() -> None:
    run = unlearner(method="balign", steps=1, train="cross_attention")
    assert run.parameters.keys() == select(TinyModel().denoiser, "cross_attention").keys()
