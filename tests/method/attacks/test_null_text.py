"""Null-text inversion: the sampler is the stock DDIM, and what is inverted comes back."""

from collections.abc import Callable

import pytest
import torch

from balign.method.attacks import null_text
from balign.models.stable_diffusion import StableDiffusion

STEPS = 4  # the stock scheduler steps by whole parts of 1000


@pytest.fixture(scope="module", params=["epsilon", "v_prediction"])
def model(request: pytest.FixtureRequest, tiny_model: Callable[..., str]) -> StableDiffusion:
    return StableDiffusion.load(tiny_model(request.param, like="sd2"))


def latents(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 4, 8, 8, generator=torch.Generator().manual_seed(0))


def test_a_level_takes_the_prediction_apart(model: StableDiffusion) -> None:
    picture, noise = latents(4).chunk(2)
    for timestep in (0, 400, 999):
        noisy, target = model.add_noise(picture, noise, torch.full((2,), timestep))
        found = null_text.level(model, timestep).parts(noisy, target)
        torch.testing.assert_close(found[0], picture, rtol=0, atol=2e-4)
        torch.testing.assert_close(found[1], noise, rtol=0, atol=2e-4)


def test_it_draws_what_the_stock_ddim_draws(model: StableDiffusion) -> None:
    from diffusers import DDIMScheduler

    options = {"timestep_spacing": "trailing", "set_alpha_to_one": True, "clip_sample": False}
    stock = DDIMScheduler.from_config(model._scheduler.config, **options)
    stock.set_timesteps(STEPS)
    empty, drawn = model.encode_text([""]), latents()
    for timestep in stock.timesteps:
        with torch.no_grad():
            prediction = model.predict(drawn, timestep, empty.expand(2, -1, -1))
        drawn = stock.step(prediction, timestep, drawn).prev_sample
    assert stock.timesteps.tolist() == null_text.timesteps(model, STEPS)[::-1]
    torch.testing.assert_close(null_text.redraw(model, latents(), empty, STEPS), drawn, rtol=1e-4, atol=1e-4)


def test_what_is_inverted_comes_back(model: StableDiffusion) -> None:
    empty = model.encode_text([""])
    picture = null_text.redraw(model, latents(), empty, STEPS)
    plain, found = (null_text.invert(model, picture, empty, STEPS, iterations) for iterations in (0, 20))
    assert found.residual < 0.2 * plain.residual
    back = null_text.redraw(model, found.noise, empty, STEPS)
    assert (back - picture).square().mean() < 0.01 * picture.square().mean()


def test_each_picture_is_inverted_for_itself(model: StableDiffusion) -> None:
    empty, pictures = model.encode_text([""]), latents(3)
    together = null_text.invert(model, pictures, empty, STEPS, 3).noise
    alone = torch.cat([null_text.invert(model, picture[None], empty, STEPS, 3).noise for picture in pictures])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-3)


def test_it_can_be_stopped_between_iterations(model: StableDiffusion) -> None:
    told: list[int] = []
    null_text.invert(model, latents(1), model.encode_text([""]), 2, 3, lambda: told.append(1))
    assert len(told) == 2 * (1 + 3)
