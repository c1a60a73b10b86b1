"""What older and newer releases of the libraries both read of a saved pipeline: its tokenizer and its text encoder.

transformers 5 writes a tokenizer without vocab.json and merges.txt, which 4.x reads no other way, and may write a CLIP
text encoder without the prefix of its keys, which 4.x then fills with random numbers.
"""

import json
import shutil
from pathlib import Path

from balign.models import weight_file

PREFIX = "text_model."
TOKENIZER = ("*.json", "*.txt")


def tokenizer(base: Path, target: Path) -> None:
    """Put the base's own tokenizer files into `target`, and the vocabulary and merges of its tokenizer.json beside it.

    What was written to `target` before stays where the base has no such file.
    """
    target.mkdir(exist_ok=True)
    for file in sorted(path for pattern in TOKENIZER for path in base.glob(pattern)):
        shutil.copyfile(file, target / file.name)
    vocabulary(target)


def vocabulary(folder: Path) -> None:
    """Write vocab.json and merges.txt of what this folder's tokenizer.json has, if they are not there."""
    names = folder / "vocab.json", folder / "merges.txt"
    if not all(name.is_file() for name in names):
        model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
        names[0].write_text(json.dumps(model["vocab"], ensure_ascii=False), encoding="utf-8")
        pairs = (pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"])
        names[1].write_text("\n".join(["#version: 0.2", *pairs, ""]), encoding="utf-8")


def text_encoder(folder: Path) -> None:
    """Give every key of this CLIP text encoder its prefix; no tensor changes."""
    path = folder / "model.safetensors"
    tensors, metadata = weight_file.read_changed(path)
    if not all(name.startswith(PREFIX) for name in tensors):
        named = {PREFIX + name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}
        weight_file.save_changed(path, named, {"format": "pt"} | metadata)
