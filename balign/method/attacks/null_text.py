"""Null-text inversion: find the noise from which a model draws a given picture when it is told nothing, and draw it.

After TINA (CVPR 2026, arXiv 2603.17828): at each DDIM step the noisier latent is the one
whose step lands on the latent before, found by minimising the squared residual. A model that never knew the concept may
give the picture back as well, so the result means nothing without one beside it.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from balign.models.base import BaseModel

RATE = 0.3
"""Adam's learning rate for the latent of a step, in parts of its root mean square residual at the start."""


class Level(NamedTuple):
    """An amount of noise: noisy = alpha x + sigma e, and the model's prediction there = p x + q e."""

    alpha: float
    sigma: float
    p: float
    q: float

    def parts(self, noisy: Tensor, prediction: Tensor) -> tuple[Tensor, Tensor]:
        """The picture x and the noise e that the prediction stands for."""
        whole = self.alpha * self.q - self.sigma * self.p
        picture = (self.q * noisy - self.sigma * prediction) / whole
        return picture, (self.alpha * prediction - self.p * noisy) / whole


class Inverted(NamedTuple):
    """Noise (N, C, h, w), and the mean squared residual of the steps that lead from it to the picture."""

    noise: Tensor
    residual: float


def timesteps(model: BaseModel, steps: int) -> list[int]:
    """``steps`` timesteps, evenly spaced, the noisiest last."""
    last = model.num_train_timesteps
    return [round(last * (k + 1) / steps) - 1 for k in range(steps)]


def level(model: BaseModel, timestep: int) -> Level:
    """The noise at a timestep, read off what the model's ``add_noise`` makes of 1 and 0."""
    one, nothing, when = torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1), torch.tensor([timestep])
    (alpha, p), (sigma, q) = (model.add_noise(*given, when) for given in ((one, nothing), (nothing, one)))
    return Level(alpha.item(), sigma.item(), p.item(), q.item())


def step(model: BaseModel, noisy: Tensor, timestep: int, to: int | None, empty: Tensor) -> Tensor:
    """One deterministic DDIM step (N, C, h, w) from a timestep to another, None being the picture without noise."""
    picture, noise = level(model, timestep).parts(noisy, _predict(model, noisy, timestep, empty))
    if to is None:
        return picture
    alpha, sigma, _, _ = level(model, to)
    return alpha * picture + sigma * noise


def invert(
    model: BaseModel,
    pictures: Tensor,
    empty: Tensor,
    steps: int,
    iterations: int,
    on_step: Callable[[], None] = lambda: None,
) -> Inverted:
    """The noise from which ``redraw`` gives these latents (N, C, h, w) back, with the empty condition (1, L, D).

    Each of the ``steps`` steps is inverted in ``iterations`` steps of Adam; with 0 it is plain DDIM inversion.
    """
    model.denoiser.requires_grad_(False)
    latents, before, residuals = pictures.to(model.device), None, []
    for timestep in timesteps(model, steps):
        on_step()
        latents, residual = _step_back(model, latents, timestep, before, empty, iterations, on_step)
        residuals.append(residual)
        before = timestep
    return Inverted(latents, sum(residuals) / len(residuals))


@torch.no_grad()
def redraw(model: BaseModel, noise: Tensor, empty: Tensor, steps: int) -> Tensor:
    """The latents (N, C, h, w) that ``steps`` DDIM steps with the empty condition make of the noise, on the CPU."""
    places = timesteps(model, steps)
    for timestep, to in zip(places[::-1], [*places[-2::-1], None], strict=True):
        noise = step(model, noise, timestep, to, empty)
    return noise.cpu()


def _predict(model: BaseModel, noisy: Tensor, timestep: int, empty: Tensor) -> Tensor:
    when = torch.full((len(noisy),), timestep)
    return model.predict(noisy, when, empty.expand(len(noisy), -1, -1))


def _step_back(
    model: BaseModel,
    latents: Tensor,
    timestep: int,
    before: int | None,
    empty: Tensor,
    iterations: int,
    on_step: Callable[[], None],
) -> tuple[Tensor, float]:
    """The latent at a timestep whose DDIM step lands on ``latents``, and the mean squared residual."""
    with torch.no_grad():
        alpha, sigma, _, _ = level(model, timestep)
        picture, noise = level(model, before or 0).parts(latents, _predict(model, latents, timestep, empty))
        best = start = alpha * picture + sigma * noise
        error = (step(model, start, timestep, before, empty) - latents).square().mean(dim=(1, 2, 3))  # (N,)
        scale = error.sqrt()[:, None, None, None]
    moved = torch.zeros_like(start).requires_grad_(True)
    optimizer = torch.optim.Adam([moved], lr=RATE)
    for _ in range(iterations):
        on_step()
        guess = start + scale * moved
        residual = (step(model, guess, timestep, before, empty) - latents).square().mean(dim=(1, 2, 3))
        better = residual.detach() < error
        best = torch.where(better[:, None, None, None], guess.detach(), best)
        error = torch.where(better, residual.detach(), error)
        (moved.grad,) = torch.autograd.grad(residual.sum(), moved)
        optimizer.step()
    return best, float(error.mean())
