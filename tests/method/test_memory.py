"""What a step holds at its worst, counted tensor by tensor."""

from collections.abc import Callable

import pytest
import torch

from balign.method.objectives import settle
from balign.method.training import Unlearner
from balign.models.counting import LiveBytes
from benchmarks.memory import peak_bytes
from tests.method.tiny import TinyModel, tiny_data

BATCH = 64


def plain_sum(model: TinyModel) -> Callable[[], object]:
    """Both backward passes into one gradient, and a step."""
    optimizer = torch.optim.Adam(model.denoiser.parameters(), lr=1e-4)
    data = tiny_data(BATCH, BATCH)

    def step() -> None:
        for side, sign in (("forget", -1), ("retain", 1)):
            latents, conditions = getattr(data, f"{side}_latents"), getattr(data, f"{side}_conditions")
            timesteps = torch.randint(1000, (BATCH,))
            noisy, target = model.add_noise(latents, torch.randn_like(latents), timesteps)
            (sign * (model.predict(noisy, timesteps, conditions) - target).square().mean()).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def balign_step(model: TinyModel, method: str) -> Callable[[], object]:
    settings = settle(
        method=method, train="all", steps=9, batch_forget=BATCH, batch_retain=BATCH, truncation=9.0, measure_every=0
    )
    run = Unlearner(model, tiny_data(BATCH, BATCH), settings)
    return lambda: next(run)


@pytest.mark.parametrize("method", ["rgd", "balign"])
def test_a_restricted_step_adds_at_most_one_gradient(method: str) -> None:
    cpu = torch.device("cpu")
    model, other = TinyModel(width=64), TinyModel(width=64)
    gradient = sum(4 * weight.numel() for weight in model.denoiser.parameters())
    plain = peak_bytes(lambda: plain_sum(model), cpu)
    ours = peak_bytes(lambda: balign_step(other, method), cpu)
    originals = gradient if method == "balign" else 0  # what its frozen base holds, in place of a second denoiser
    batch = 4 * BATCH * (2 * 32 + 2 * 18)  # its pictures, targets and conditions, held while it is learned from
    assert ours - plain - originals <= gradient + batch


def test_living_tensors_are_counted_and_dead_ones_are_not() -> None:
    with LiveBytes() as live:
        one = torch.zeros(100)
        two = one + 1
        assert live.now == live.peak == 800
        del two
        assert one.view(10, 10).sum() == 0
        assert live.now < 800
        assert live.peak >= 800
