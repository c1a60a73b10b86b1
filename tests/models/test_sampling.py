"""Noise belongs to its seed alone, and the loop asks for no more than it needs."""

import torch
from torch import Tensor

from balign.models.sampling import denoise, initial_latents


def test_each_image_starts_from_its_own_seed() -> None:
    noise = initial_latents((4, 8, 8), [1, 2, 1])
    assert torch.equal(noise[0], noise[2])
    assert not torch.equal(noise[0], noise[1])
    assert torch.equal(noise[1], initial_latents((4, 8, 8), [2])[0])
    assert torch.equal(noise[1], torch.randn(4, 8, 8, generator=torch.Generator().manual_seed(2)))


def test_no_seed_no_noise() -> None:
    assert initial_latents((4, 8, 8), []).shape == (0, 4, 8, 8)


def test_guidance_is_one_forward_pass_of_twice_the_batch() -> None:
    from diffusers import DPMSolverMultistepScheduler

    asked: list[tuple[int, float, float]] = []

    def predict(noisy: Tensor, timestep: Tensor, conditions: Tensor) -> Tensor:
        asked.append((len(noisy), conditions[0].mean().item(), conditions[-1].mean().item()))
        return 0.1 * noisy

    noise, conditions, empty = initial_latents((4, 8, 8), [1, 2, 3]), torch.ones(3, 5, 6), torch.zeros(1, 5, 6)
    guided = denoise(predict, DPMSolverMultistepScheduler(), noise, conditions, empty, 5.0, steps=4)
    plain = denoise(predict, DPMSolverMultistepScheduler(), noise, conditions, steps=4)
    assert asked == [(6, 0.0, 1.0)] * 4 + [(3, 1.0, 1.0)] * 4
    torch.testing.assert_close(guided, plain)
