import pytest
import torch

from balign.method.batches import draw, order
from tests.method.tiny import TinyModel, tiny_data


def test_every_image_comes_once_before_any_comes_again() -> None:
    row = order(seed=3, size=5, first=0, count=20)
    assert all(sorted(row[i : i + 5]) == [0, 1, 2, 3, 4] for i in range(0, 20, 5))
    assert row[:5] != row[5:10]
    assert order(3, 5, 7, 4) == row[7:11]


def test_a_step_can_be_drawn_again_without_those_before_it() -> None:
    model, data = TinyModel(), tiny_data()
    first, chosen = draw(model, data, "forget", 4, 0, 9)
    again, again_chosen = draw(model, data, "forget", 4, 0, 9)
    assert chosen == again_chosen
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    for step, seed, side in ((8, 0, "forget"), (9, 1, "forget"), (9, 0, "retain")):
        other, _ = draw(model, data, side, 4, seed, step)
        assert not torch.equal(first.target, other.target)


def test_twins_meet_in_one_step() -> None:
    model, data = TinyModel(), tiny_data(forget=6, retain=6)
    assert draw(model, data, "forget", 4, 0, 1)[1] == draw(model, data, "retain", 4, 0, 1)[1]


def test_an_empty_side_is_refused() -> None:
    data = tiny_data()._replace(retain_latents=torch.zeros(0, 2, 4, 4))
    with pytest.raises(ValueError, match="There are no images to retain; at least one is needed"):
        draw(TinyModel(), data, "retain", 4, 0, 0)
