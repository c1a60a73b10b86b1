"""The pictures of Fashion-MNIST (Debian's package dataset-fashion-mnist), in black frames of 32 x 32 pixels.

Zalando's 70,000 photographs of clothes, ten classes, 28 x 28 pixels of grey; MIT licence.
"""

import gzip
import os
from pathlib import Path

import numpy as np
import torch

FOLDER = Path(os.environ.get("BALIGN_FASHION", "/usr/share/datasets/fashion-mnist"))
CLASSES = (
    "T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"
)  # fmt: skip
SIZE, FRAME = 32, 2  # pixels


def pictures(part: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures uint8 (N, 1, 32, 32) and their classes (N,) of part ``train`` (60,000) or ``t10k`` (10,000)."""
    images, labels = (
        np.frombuffer(gzip.decompress((FOLDER / f"{part}-{kind}-ubyte.gz").read_bytes()), np.uint8, offset=offset)
        for kind, offset in (("images-idx3", 16), ("labels-idx1", 8))
    )
    square = images.reshape(-1, 1, SIZE - 2 * FRAME, SIZE - 2 * FRAME)
    framed = np.pad(square, ((0, 0), (0, 0), (FRAME, FRAME), (FRAME, FRAME)))
    return torch.from_numpy(framed), torch.from_numpy(labels.astype(np.int64))


def floats(images: torch.Tensor) -> torch.Tensor:
    """From bytes to [-1, 1]."""
    return images.float() / 127.5 - 1
