"""What a text encoder does not read of a prompt is told before anything is loaded, and to the token."""

import pytest

from balign.models.catalogue import find
from balign.models.prompt_length import cuts, warnings

LONG = "a dog, " + "highly detailed oil painting of a very big green landscape, trending on artstation, " * 5


@pytest.mark.parametrize("prompt", [LONG, "短" * 290, "It's a dog's 2026 café — naïve 🐱! " * 6])
def test_the_count_for_a_hub_model_is_clips_own(prompt: str) -> None:
    from open_clip.tokenizer import SimpleTokenizer

    clip = SimpleTokenizer()
    (cut,) = cuts(find("owner/name"), [prompt, "a dog"])
    assert (cut.tokens, cut.read) == (len(clip.encode(prompt)) + 2, 77)
    assert prompt.strip().endswith(cut.lost)
    read = prompt[: prompt.rindex(cut.lost)] if cut.lost else prompt
    assert len(clip.encode(read)) == 75


def test_a_folder_counts_by_its_own_vocabulary(tiny_model_path: str) -> None:
    from transformers import CLIPTokenizer

    own = CLIPTokenizer.from_pretrained(f"{tiny_model_path}/tokenizer")
    (cut,) = cuts(find(tiny_model_path), [LONG, "a cat"])
    assert (cut.tokens, cut.read) == (len(own(LONG).input_ids), 16)
    (bundled,) = cuts(find("emoji"), [LONG])
    assert bundled.read == 32


def test_what_is_lost_is_quoted_and_many_are_counted() -> None:
    said = warnings(find("owner/name"), [f"{LONG} {i}" for i in range(5)])
    assert len(said) == 4
    assert "The model reads 77 of the 86 tokens of 'a dog, highly detailed" in said[0]
    assert said[-1] == "2 more prompts are longer than the 77 tokens it reads."
    assert warnings(find("facebook/DiT-XL-2-256"), [LONG]) == []
