"""Textual inversion and relearning: the loss falls, nothing else moves, and a saved fit goes on bit for bit."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from balign.method.attacks import fitting
from balign.method.attacks.fitting import DenoisingFit
from balign.models.base import BaseModel
from balign.models.stable_diffusion import StableDiffusion
from balign.models.weight_file import read_nested, save_nested
from tests.method.tiny import TinyModel, tiny_data

PROMPTS = [f"a {what} of a <learned>" for what in ("painting", "picture", "drawing")]


def weights(model: BaseModel) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in model.denoiser.named_parameters()}


def relearning(model: BaseModel) -> DenoisingFit:
    data = tiny_data()
    return fitting.relearning(model, data.retain_latents, data.retain_conditions, seed=3)


def mean_loss(fit: DenoisingFit) -> float:
    with torch.no_grad():
        return sum(float(fit.loss_at(step)) for step in range(10)) / 10


def test_relearning_lowers_the_loss() -> None:
    fit = relearning(TinyModel())
    before = mean_loss(fit)
    told = fit.train(100)
    assert mean_loss(fit) < before
    assert told == pytest.approx(sum(fit.losses[-10:]) / 10)
    assert fit.step == 100


def test_inversion_lowers_the_loss_and_leaves_the_model_alone(tiny_model: Callable[..., str]) -> None:
    model = StableDiffusion.load(tiny_model())
    before, latents = weights(model), torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    start = fitting.around(model, ["dog", "red pizza"], 2, seed=1)
    fit = fitting.inversion(model, latents, PROMPTS, "<learned>", start, seed=1)
    first = mean_loss(fit)
    fit.train(20)
    assert mean_loss(fit) < first
    assert not torch.equal(fit.trained["vectors"], start)
    assert all(torch.equal(weight, before[name]) for name, weight in weights(model).items())
    assert not any(weight.requires_grad for weight in model.denoiser.parameters())


def test_an_inversion_begins_at_no_word_and_each_of_its_tokens_elsewhere(tiny_model: Callable[..., str]) -> None:
    model = StableDiffusion.load(tiny_model())
    start = fitting.around(model, ["dog", "pizza"], 3, seed=1)
    mean = torch.stack([model.word_vectors(word)[0] for word in ("dog", "pizza")]).mean(dim=0)
    assert start.shape == (3, 16)
    assert len({tuple(row) for row in start.tolist()} | {tuple(mean.tolist())}) == 4
    assert torch.equal(fitting.around(model, ["dog", "pizza"], 3, seed=1), start)
    assert not torch.equal(fitting.around(model, ["dog", "pizza"], 3, seed=2), start)


@pytest.mark.parametrize("at", [1, 7])
def test_a_saved_fit_goes_on_bit_for_bit(at: int, tmp_path: Path) -> None:
    whole = relearning(TinyModel())
    whole.train(12)
    first = relearning(TinyModel())
    first.train(at)
    save_nested(tmp_path / "state.safetensors", first.state(), {})
    second = relearning(TinyModel())
    second.load_state(read_nested(tmp_path / "state.safetensors")[0])
    assert second.step == at
    assert second.train(12) == whole.train(12)
    assert second.losses == whole.losses
    assert all(torch.equal(weight, second.trained[name]) for name, weight in whole.trained.items())


def test_a_state_is_a_copy() -> None:
    fit = relearning(TinyModel())
    fit.train(2)
    state = fit.state()
    kept = copy.deepcopy(state)
    fit.train(4)
    assert state["losses"] == kept["losses"]
    assert all(torch.equal(state["trained"][name], kept["trained"][name]) for name in kept["trained"])


def test_other_seeds_see_other_batches() -> None:
    data, losses = tiny_data(), []
    for seed in (1, 2):
        fit = fitting.relearning(TinyModel(), data.retain_latents, data.retain_conditions, seed)
        losses.append(fit.loss_at(0).item())
    assert losses[0] != losses[1]


def test_it_can_be_stopped_before_each_step() -> None:
    fit, told = relearning(TinyModel()), []
    fit.train(3, lambda: told.append(fit.step))
    assert told == [0, 1, 2]


def test_a_loss_that_is_not_finite_is_told() -> None:
    fit = relearning(TinyModel())
    with torch.no_grad():
        next(iter(fit.trained.values())).fill_(float("nan"))
    with pytest.raises(RuntimeError, match="The loss of step 1 of the attack is nan"):
        fit.train(1)
