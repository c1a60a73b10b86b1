"""Read one part of a pipeline's folder: its configuration, weights or tokenizer. Raises Refusal if it cannot be read.

No file is trusted: only json and safetensors are opened, and weights that do not fit their configuration are refused
(the libraries themselves would fill a gap with random numbers and a warning).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from balign.models import hub
from balign.refusal import Refusal


def config(path: Path) -> dict[str, Any]:
    """The json object in this file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Refusal(f"There is no {path}; a whole diffusers pipeline folder is accepted.") from error
    except (OSError, ValueError) as error:
        raise Refusal(f"The configuration {path} cannot be read ({error}); a json object is accepted.") from error
    if not isinstance(values, dict):
        raise Refusal(f"The configuration {path} is a json {type(values).__name__}; a json object is accepted.")
    return values


def weights(kind: Any, folder: Path, part: str) -> Any:
    """The part as a module of class ``kind`` (diffusers' or transformers'), in fp32, frozen, in eval mode."""
    config(folder / part / "config.json")
    for file in _files(folder, part):
        _open(file)
    try:
        with quiet():
            model, info = kind.from_pretrained(
                folder / part, use_safetensors=True, torch_dtype=torch.float32, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
        raise Refusal(f"The weights in {folder / part} do not fit the config.json beside them: {error}") from error
    missing = sorted(info["missing_keys"])
    if missing:
        raise Refusal(
            f"The weights in {folder / part} lack {missing[0]} and {len(missing) - 1} more that the config.json beside "
            "them needs; get the folder again."
        )
    return model.eval().requires_grad_(False)


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' progress bars, which would run through the caller's own display."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def tokenizer(kind: Any, folder: Path) -> Any:
    """The tokenizer, of class ``kind`` (transformers'), from its vocabulary."""
    place = folder / "tokenizer"
    names = {file.name for file in place.glob("*")}
    if not (names >= {"vocab.json", "merges.txt"} or "tokenizer.json" in names):
        raise Refusal(f"{place} has no vocabulary; vocab.json with merges.txt, or tokenizer.json, is accepted.")
    try:
        return kind.from_pretrained(place)
    except Exception as error:  # the tokenizers library raises bare exceptions
        raise Refusal(f"The tokenizer in {place} cannot be read ({error}); get the folder again.") from error


def _files(folder: Path, part: str) -> list[Path]:
    """The weight files that will be read."""
    patterns = [pattern for pattern in hub.FILES if pattern.startswith(part) and pattern.endswith(".safetensors")]
    files = sorted(file for pattern in patterns for file in folder.glob(pattern))
    if not files:
        raise Refusal(
            f"{folder / part} has no {patterns[0].split('/')[-1]}; only weights saved as safetensors are accepted."
        )
    return files


def _open(file: Path) -> None:
    """Read the header, which says how long the file must be, so that a torn or foreign file is named."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt"):
            return
    except (OSError, SafetensorError) as error:
        raise Refusal(
            f"The weights file {file} cannot be read as safetensors ({error}); copy or download it again."
        ) from error
