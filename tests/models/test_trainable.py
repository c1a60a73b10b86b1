"""A choice of weights trains exactly those weights."""

import pytest
from torch import nn

from balign.models.stable_diffusion import StableDiffusion
from balign.models.trainable import TRAINABLE, select


@pytest.fixture(scope="module")
def denoiser(tiny_model_path: str) -> nn.Module:
    return StableDiffusion.load(tiny_model_path).denoiser


@pytest.mark.parametrize("which", TRAINABLE)
def test_only_the_chosen_require_gradients(denoiser: nn.Module, which: str) -> None:
    chosen = select(denoiser, which)
    assert {name for name, weight in denoiser.named_parameters() if weight.requires_grad} == set(chosen)
    assert all(dict(denoiser.named_parameters())[name] is weight for name, weight in chosen.items())


def test_the_choices_hold_one_another(denoiser: nn.Module) -> None:
    keys_values, cross, others, every = (set(select(denoiser, which)) for which in TRAINABLE)
    assert keys_values < cross < every == {name for name, _ in denoiser.named_parameters()}
    assert {name.rsplit(".", 2)[-2] for name in keys_values} == {"to_k", "to_v"}
    assert all(".attn2." in name for name in cross)
    assert any(".attn1." in name for name in every)
    assert others == every - cross


def test_an_unknown_choice_is_named(denoiser: nn.Module) -> None:
    with pytest.raises(
        ValueError,
        match=r"'lora' is no choice .* accepted are cross_attention_kv, .*, all",
    ):
        select(denoiser, "lora")


def test_a_denoiser_without_cross_attention_says_so() -> None:
    with pytest.raises(ValueError, match="no 'cross_attention' weights; choose 'all'"):
        select(nn.Linear(2, 2), "cross_attention")
