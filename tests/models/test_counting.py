"""What is counted of a model is what a step of it holds, and the catalogue's numbers are those that are counted."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from balign import models
from balign.models import catalogue, counting, footprint
from balign.models.counting import LiveBytes
from balign.models.stable_diffusion import StableDiffusion
from balign.models.trainable import select


def held(model: StableDiffusion, pictures: int, again: bool) -> int:
    """The most that learning from so many pictures really holds beside weights and gradient."""
    chosen = list(select(model.denoiser, "cross_attention").values())
    model.checkpoint_gradients(again)
    for weight in chosen:
        weight.grad = torch.zeros_like(weight)
    noisy, conditions = torch.zeros(pictures, *model.latent_shape), model.encode_text(["a cat"] * pictures)
    gradients = [weight.grad for weight in chosen if weight.grad is not None]
    with LiveBytes([*model.denoiser.parameters(), *gradients]) as live:
        error = model.predict(noisy, torch.zeros(pictures, dtype=torch.long), conditions).square().sum()
        torch.autograd.backward(error, inputs=chosen)
    model.checkpoint_gradients(False)
    for weight in chosen:
        weight.grad = None
    return live.peak


@pytest.mark.parametrize("again", [False, True])
def test_the_count_is_what_a_step_holds(again: bool) -> None:
    model = models.load(catalogue.EMOJI)
    assert isinstance(model, StableDiffusion)
    counted = counting.learning(model.hollow(), model.encode_text([""]), "cross_attention", again)
    assert counted == footprint.known(catalogue.EMOJI).learning["cross_attention"][again]
    for pictures in (1, 3):
        assert held(model, pictures, again) == pytest.approx(pictures * counted, rel=0.1)


def test_checkpointed_gradients_are_the_same(tiny_model: Callable[..., str]) -> None:
    model = StableDiffusion.load(tiny_model())
    chosen = list(select(model.denoiser, "all").values())
    found = []
    for again in (False, True):
        model.checkpoint_gradients(again)
        noisy, conditions = torch.ones(2, *model.latent_shape), model.encode_text(["a", ""])
        prediction = model.predict(noisy, torch.tensor([3, 700]), conditions)
        found.append(torch.autograd.grad(prediction.square().mean(), chosen, materialize_grads=True))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-8)


def test_a_model_like_one_of_the_catalogue_has_its_numbers_at_its_size() -> None:
    known = footprint.known(catalogue.SD14)
    half = footprint.known(replace(catalogue.SD14, id="owner/name", size=(256, 256)))
    assert half.weights == known.weights
    assert half.learning["all"][0] == known.learning["all"][0] // 4
    assert footprint.known(replace(catalogue.SD14, size=(256, 256))) == half
    assert footprint.known(catalogue.find("owner/name")) == known
