import pytest
import torch
from torch import Tensor

from balign.method.losses import FORGET_LOSSES, Aim, Batch, FrozenBase, squared_error
from balign.models.trainable import select
from tests.method.tiny import TinyModel, tiny_data


@pytest.fixture
def model() -> TinyModel:
    return TinyModel()


@pytest.fixture
def batch(model: TinyModel) -> Batch:
    data = tiny_data()
    timesteps = torch.tensor([10, 500, 900])
    noisy, target = model.add_noise(data.forget_latents[:3], torch.ones(3, 2, 4, 4), timesteps)
    return Batch(noisy, timesteps, data.forget_conditions[:3], target)


def aim(model: TinyModel, batch: Batch, eta: float = 1.0) -> Aim:
    data = tiny_data()
    base = FrozenBase(model, select(model.denoiser, "all"))
    return Aim(base, batch, data.anchor_conditions[:3], data.retain_conditions[:3], data.empty_condition, eta)


def test_ascent_is_the_denoising_error_turned_round(model: TinyModel, batch: Batch) -> None:
    loss = FORGET_LOSSES["ascent"](model, batch, truncation=1e9)
    assert torch.equal(loss, -squared_error(model, batch))


def test_beyond_the_truncation_ascent_has_exactly_no_gradient(model: TinyModel, batch: Batch) -> None:
    weights = list(select(model.denoiser, "all").values())
    error = float(squared_error(model, batch).detach())
    below = torch.autograd.grad(FORGET_LOSSES["ascent"](model, batch, 1.01 * error), weights)
    beyond = torch.autograd.grad(FORGET_LOSSES["ascent"](model, batch, 0.99 * error), weights)
    assert any(bool(grad.any()) for grad in below)
    assert not any(bool(grad.any()) for grad in beyond)


def test_truncation_does_not_touch_losses_that_descend(model: TinyModel, batch: Batch) -> None:
    assert torch.equal(FORGET_LOSSES["anchor"](model, batch, 1e-9), squared_error(model, batch))


@pytest.mark.parametrize("eta", [0.5, 1.0, 2.0])
def test_targets_are_those_of_their_papers(model: TinyModel, batch: Batch, eta: float) -> None:
    found = aim(model, batch, eta)

    def base(conditions: Tensor) -> Tensor:
        return model.predict(batch.noisy, batch.timesteps, conditions)

    with torch.no_grad():
        concept, empty = base(batch.conditions), base(found.empty.expand(3, -1, -1))
        led_away = concept - eta * (concept - empty)
        replacement = base(found.anchor)
    anchor, negative = FORGET_LOSSES["anchor"].target, FORGET_LOSSES["negative_guidance"].target
    assert anchor is not None
    assert negative is not None
    torch.testing.assert_close(anchor(found), replacement)
    torch.testing.assert_close(negative(found), led_away)


def test_the_frozen_base_stays_as_it_was_and_gives_the_weights_back(model: TinyModel, batch: Batch) -> None:
    found = aim(model, batch)
    before = found.base.predict(batch.noisy, batch.timesteps, batch.conditions)
    assert not before.requires_grad
    with torch.no_grad():
        for weight in model.denoiser.parameters():
            weight.add_(1.0)
    trained = [weight.clone() for weight in model.denoiser.parameters()]
    assert torch.equal(found.base.predict(batch.noisy, batch.timesteps, batch.conditions), before)
    assert all(torch.equal(a, b) for a, b in zip(model.denoiser.parameters(), trained, strict=True))
    assert not torch.equal(model.predict(batch.noisy, batch.timesteps, batch.conditions), before)


def test_the_weights_come_back_even_when_the_prediction_fails(model: TinyModel, batch: Batch) -> None:
    found = aim(model, batch)
    weight = next(model.denoiser.parameters())
    weight.data = weight.data + 1
    trained = weight.detach().clone()

    def fail() -> None:
        raise RuntimeError("out of memory")

    model.before_predict = fail
    with pytest.raises(RuntimeError, match="out of memory"):
        found.base.predict(batch.noisy, batch.timesteps, batch.conditions)
    assert torch.equal(weight, trained)
