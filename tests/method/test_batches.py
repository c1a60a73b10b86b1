import pytest
import torch

from balign.method.batches import Share, draw, order
from tests.method.tiny import TinyModel, tiny_data


def test_every_image_comes_once_before_any_comes_again() -> None:
    row = order(seed=3, size=5, first=0, count=20)
    assert all(sorted(row[i : i + 5]) == [0, 1, 2, 3, 4] for i in range(0, 20, 5))
    assert row[:5] != row[5:10]
    assert order(3, 5, 7, 4) == row[7:11]


def test_a_step_can_be_drawn_again_without_those_before_it() -> None:
    model, data = TinyModel(), tiny_data()
    first, chosen = draw(model, data, "forget", 4, 0, 9, Share())
    again, again_chosen = draw(model, data, "forget", 4, 0, 9, Share())
    assert chosen == again_chosen
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    for step, seed, side in ((8, 0, "forget"), (9, 1, "forget"), (9, 0, "retain")):
        other, _ = draw(model, data, side, 4, seed, step, Share())
        assert not torch.equal(first.target, other.target)


def test_processes_share_the_batch_that_one_would_have_had() -> None:
    model, data = TinyModel(), tiny_data()
    whole, chosen = draw(model, data, "retain", 4, 0, 2, Share())
    parts = [draw(model, data, "retain", 4, 0, 2, Share(i, 2)) for i in range(2)]
    assert sorted(parts[0][1] + parts[1][1]) == sorted(chosen)
    for i, (part, _) in enumerate(parts):
        assert all(torch.equal(a, b[i::2]) for a, b in zip(part, whole, strict=True))
    with pytest.raises(ValueError, match=r"batch_retain is 4; a multiple of the 3 processes is accepted"):
        draw(model, data, "retain", 4, 0, 2, Share(0, 3))


def test_twins_meet_in_one_step() -> None:
    model, data = TinyModel(), tiny_data(forget=6, retain=6)
    assert draw(model, data, "forget", 4, 0, 1, Share())[1] == draw(model, data, "retain", 4, 0, 1, Share())[1]


def test_an_empty_side_is_refused() -> None:
    data = tiny_data()._replace(retain_latents=torch.zeros(0, 2, 4, 4))
    with pytest.raises(ValueError, match="There are no images to retain; at least one is needed"):
        draw(TinyModel(), data, "retain", 4, 0, 0, Share())
