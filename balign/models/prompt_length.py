"""How much of a prompt a model reads: its text encoder takes so many tokens and cuts off the rest.

The tokens are those of the model's own folder where it is at hand, else those of CLIP, which Stable Diffusion 1 and 2
share. No model is loaded for it.
"""

import json
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from balign.models.catalogue import Entry, locate

CLIP_TOKENS = 77
VOCABULARY = Path(__file__).parent / "stock" / "sd1" / "tokenizer"
ENDS = 2
"""Tokens that every prompt begins and ends with."""
CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
MENTIONED = 3


class Cut(NamedTuple):
    """A prompt that is too long: how many tokens it has, how many are read, and the text that is not."""

    prompt: str
    tokens: int
    read: int
    lost: str


def cuts(entry: Entry, prompts: Sequence[str]) -> list[Cut]:
    """The prompts of which the model does not read everything. One whose prompts are labels reads all of them."""
    if entry.family != "Stable Diffusion":
        return []
    place = locate(entry)
    folder = place if isinstance(place, Path) and place.is_dir() else None  # a checkpoint in one file has CLIP's
    room = (_length(folder) if folder else CLIP_TOKENS) - ENDS
    long = [prompt for prompt in prompts if len(prompt.encode()) > room]  # a token has a byte at least
    found = (_cut(folder, prompt, room) for prompt in dict.fromkeys(long))
    return [each for each in found if each is not None]


def warnings(entry: Entry, prompts: Sequence[str]) -> list[str]:
    """The same as sentences: the first few, and how many more there are."""
    found = cuts(entry, prompts)
    said = [
        f"The model reads {each.read:,} of the {each.tokens:,} tokens of {_start(each.prompt)!r}; it does not read "
        f"{_start(each.lost)!r}."
        for each in found[:MENTIONED]
    ]
    if len(found) > MENTIONED:
        said.append(f"{len(found) - MENTIONED:,} more prompts are longer than the {found[0].read:,} tokens it reads.")
    return said


def _start(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"


@lru_cache(maxsize=1_024)
def _cut(folder: Path | None, prompt: str, room: int) -> Cut | None:
    ends = _ends(folder, prompt)
    if len(ends) <= room:
        return None
    return Cut(prompt, len(ends) + ENDS, room + ENDS, prompt[ends[room - 1] :].strip())


def _ends(folder: Path | None, prompt: str) -> list[int]:
    """Where in the prompt each of its tokens ends."""
    return [end for _, end in (_reader(folder) if folder else _clip())(prompt)]


@cache
def _clip() -> Any:
    """CLIP's own tokenizer, from the vocabulary of Stable Diffusion 1; no other library is loaded for that."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    files = (str(VOCABULARY / name) for name in ("vocab.json", "merges.txt"))
    whole = Tokenizer(models.BPE.from_file(*files, continuing_subword_prefix="", end_of_word_suffix="</w>"))
    whole.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    words = pre_tokenizers.Split(Regex(CLIP_WORDS), behavior="removed", invert=True)
    whole.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    return lambda text: whole.encode(text, add_special_tokens=False).offsets


@cache
def _reader(folder: Path) -> Any:
    """From a text to the places of its tokens."""
    file = folder / "tokenizer" / "tokenizer.json"
    if file.is_file():
        from tokenizers import Tokenizer

        whole = Tokenizer.from_file(str(file))
        whole.no_truncation()
        whole.no_padding()
        return lambda text: whole.encode(text, add_special_tokens=False).offsets
    from balign.models.loading import PipelineFolder

    read = PipelineFolder(folder).tokenizer()
    return lambda text: read(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]


@cache
def _length(folder: Path) -> int:
    """How many tokens the text encoder takes, both ends included."""
    for part, name in (
        ("tokenizer/tokenizer_config.json", "model_max_length"),
        ("text_encoder/config.json", "max_position_embeddings"),
    ):
        try:
            length = json.loads((folder / part).read_text(encoding="utf-8")).get(name)
        except (OSError, ValueError, AttributeError):
            continue
        if isinstance(length, int) and ENDS < length < 10_000:
            return length
    return CLIP_TOKENS
