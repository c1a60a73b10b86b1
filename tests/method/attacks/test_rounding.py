"""Rounding to few bits stays within its bound, and the distance is that of the weights that trained."""

import math

import pytest
import torch

from balign.method.attacks.rounding import distance, rounded


@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("shape", [(5, 7), (4, 3, 3, 3)])
def test_no_entry_moves_by_more_than_half_a_spacing(bits: int, shape: tuple[int, ...]) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(bits)) * torch.logspace(-4, 2, shape[0]).view(
        -1, *[1] * (len(shape) - 1)
    )
    found = rounded(weight, bits)
    spacing = weight.flatten(1).abs().amax(dim=1) / (2 ** (bits - 1) - 1)
    moved = (found - weight).flatten(1).abs().amax(dim=1)
    assert (moved <= 0.5 * spacing * (1 + 1e-4)).all()
    assert moved.max() > 0
    levels = (found.flatten(1) / spacing[:, None]).round()
    assert levels.abs().max() == 2 ** (bits - 1) - 1
    torch.testing.assert_close(levels * spacing[:, None], found.flatten(1))
    torch.testing.assert_close(rounded(found, bits), found)


def test_biases_and_zeros_stay() -> None:
    bias, zeros = torch.randn(5), torch.zeros(3, 4)
    assert torch.equal(rounded(bias, 4), bias)
    assert torch.equal(rounded(zeros, 4), zeros)


def test_the_distance_is_the_norm_over_the_weights_that_changed() -> None:
    before = {"a": torch.tensor([3.0, 0.0]), "b": torch.tensor([[4.0]]), "frozen": torch.ones(9)}
    after = {"a": torch.tensor([3.0, 1.0]), "b": torch.tensor([[2.0]])}
    moved, share = distance(before, after)
    assert moved == pytest.approx(math.sqrt(5))
    assert share == pytest.approx(math.sqrt(5) / 5)
    assert distance(before, {name: before[name] for name in after}) == (0.0, 0.0)
