"""Learned words: vectors in a prompt's place give what the words that have those vectors give, bit for bit."""

from collections.abc import Callable

import pytest
import torch

from balign.models.stable_diffusion import TEXT_BATCH, StableDiffusion
from balign.refusal import Refusal
from tests.method.tiny import TinyModel

WORD = "<learned>"
PROMPTS = ["a painting of a <learned>, in ink", "<learned>", "the <learned> and a dog", "no such word", ""]


@pytest.fixture(scope="module", params=["sd1", "sd2"])
def model(request: pytest.FixtureRequest, tiny_model: Callable[..., str]) -> StableDiffusion:
    return StableDiffusion.load(tiny_model("epsilon", like=request.param))


@pytest.mark.parametrize("name", ["cat", "pizza guitar", "zebra"])
def test_a_words_own_vectors_give_its_conditions_bit_for_bit(model: StableDiffusion, name: str) -> None:
    with model.learned({WORD: model.word_vectors(name)}):
        learned = model.encode_text(PROMPTS * TEXT_BATCH)
    assert torch.equal(learned, model.encode_text([text.replace(WORD, name) for text in PROMPTS * TEXT_BATCH]))


def test_two_words_are_kept_apart(model: StableDiffusion) -> None:
    with model.learned({"<a>": model.word_vectors("cat"), "<ab>": model.word_vectors("red pizza")}):
        learned = model.encode_text(["a <ab> on a <a>"])
    assert torch.equal(learned, model.encode_text(["a red pizza on a cat"]))


def test_the_block_ends_as_it_began(model: StableDiffusion) -> None:
    before = model.encode_text(PROMPTS)
    with model.learned({WORD: torch.ones(1, 16)}):
        inside = model.encode_text(PROMPTS)
    with pytest.raises(TypeError), model.learned({WORD: torch.ones(1, 16)}):
        model.encode_text([1])  # type: ignore[list-item]
    assert torch.equal(model.encode_text(PROMPTS), before)
    assert not torch.equal(inside[:3], before[:3])
    assert torch.equal(inside[3:], before[3:])


def test_gradients_reach_the_vectors_and_nothing_else(model: StableDiffusion) -> None:
    vectors = model.word_vectors("cat").repeat(2, 1).requires_grad_(True)
    with model.learned({WORD: vectors}):
        model.encode_text(PROMPTS[:1]).square().sum().backward()
        with torch.no_grad():
            assert not model.encode_text(PROMPTS[:1]).requires_grad
    assert vectors.grad is not None
    assert (vectors.grad.abs().sum(dim=1) > 0).all()
    assert not model.encode_text(PROMPTS[:1]).requires_grad


def test_what_is_too_long_is_cut_as_without_learned_words(model: StableDiffusion) -> None:
    text = "a <learned> on a dog in the red painting of a guitar with the blue pizza and an ink drawing"
    with model.learned({WORD: model.word_vectors("cat")}):
        assert torch.equal(model.encode_text([text]), model.encode_text([text.replace(WORD, "cat")]))


def test_a_picture_is_drawn_with_the_learned_word(model: StableDiffusion) -> None:
    drawn = model.generate(["a cat"], [1], steps=2, guidance=2.0)
    with model.learned({WORD: model.word_vectors("cat").requires_grad_(True)}):
        assert torch.equal(model.generate(["a <learned>"], [1], steps=2, guidance=2.0), drawn)


def test_a_family_without_words_refuses() -> None:
    with pytest.raises(Refusal, match="not made of words"):
        TinyModel().word_vectors("cat")
    with pytest.raises(Refusal, match="no word can be learned"):
        TinyModel().learned({})
