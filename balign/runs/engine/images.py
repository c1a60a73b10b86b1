"""Draw a run's test images and preview strips, and keep them as files.

Images are drawn in fixed groups of BATCH, whole or not at all, so that before and after see the same arithmetic and an
image does not depend on where a run was killed.
"""

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from balign.atomic import write
from balign.data import latents
from balign.measure.evaluation import Shot
from balign.measure.report import TESTED
from balign.models.base import BaseModel
from balign.runs.prompt_lists import BATCH, PREVIEWED


class Sampling(NamedTuple):
    """How every image of a run is drawn."""

    steps: int
    guidance: float


Paint = Callable[[BaseModel, Sequence[Shot], Sampling], Tensor]
"""Gives the uint8 images (N, H, W, 3) of these shots: `render`, or `recall`."""


def name(index: int) -> str:
    """The file name of the image at this place in the list of shots."""
    return f"{index:04d}.png"


def previewed(shots: Sequence[Shot], groups: Sequence[str] = TESTED) -> list[int]:
    """The places of the shots that are drawn during training: a few of every group."""
    chosen = []
    for group in groups:
        places = [k for k, shot in enumerate(shots) if shot.group == group]
        few = min(PREVIEWED, len(places))
        chosen += [places[k * len(places) // few] for k in range(few)]
    return chosen


def render(model: BaseModel, shots: Sequence[Shot], sampling: Sampling) -> Tensor:
    """The uint8 images (N, H, W, 3) of these shots with the model's current weights."""
    with torch.no_grad():
        drawn = model.generate(
            [shot.prompt for shot in shots],
            [shot.seed for shot in shots],
            steps=sampling.steps,
            guidance=sampling.guidance,
            batch=BATCH,
        )
        return model.decode(drawn, batch=BATCH).cpu()


def recall(model: BaseModel, shots: Sequence[Shot], sampling: Sampling) -> Tensor:
    """The same of a base model, whose weights are still its own, from the cache that all runs share, or put there."""
    with torch.no_grad():
        prompts, seeds = [shot.prompt for shot in shots], [shot.seed for shot in shots]
        try:
            kept = latents.batch_of(model, prompts, seeds, steps=sampling.steps, guidance=sampling.guidance)
        except OSError:  # a cache that cannot be written
            return render(model, shots, sampling)
        return model.decode(kept, batch=BATCH).cpu()


def draw(
    model: BaseModel,
    shots: Sequence[Shot],
    sampling: Sampling,
    folder: Path,
    again: bool,
    paint: Paint | None = None,
    since: int = 0,
) -> Iterator[int]:
    """Draw the shots into the folder and yield how many are done.

    again: also those that are there already, from the place `since` on.
    """
    paint = paint or render
    if shots:
        folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(shots), BATCH):
        group = shots[start : start + BATCH]
        files = [folder / name(start + k) for k in range(len(group))]
        if (again and start >= since) or any(_unreadable(file) for file in files):
            for file, image in zip(files, paint(model, group, sampling), strict=True):
                save_png(file, image)
        yield start + len(group)


def load(folder: Path, places: Iterable[int]) -> Tensor:
    """The drawn images (N, H, W, 3) back from their files, bit for bit."""
    images = []
    for place in places:
        with Image.open(folder / name(place)) as image:
            images.append(np.array(image.convert("RGB")))
    return torch.from_numpy(np.stack(images))


def squared(content: bytes, size: tuple[int, int]) -> Tensor:
    """The png as one uint8 image (1, H, W, 3) of this height and width, which it mostly has already."""
    with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
        whole = ImageOps.fit(image.convert("RGB"), (size[1], size[0]), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(whole))[None]


def save_png(path: Path, image: Tensor) -> None:
    """Write one uint8 image (H, W, 3), whole or not at all."""
    write(path, png(Image.fromarray(image.numpy())))


def png(picture: Image.Image) -> bytes:
    """The picture as a png file."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def save_strip(path: Path, images: Tensor) -> None:
    """Write the images (N, H, W, 3) side by side as one png."""
    path.parent.mkdir(exist_ok=True)
    save_png(path, torch.cat(list(images), dim=1).contiguous())


def _unreadable(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            image.verify()
    except (OSError, SyntaxError):  # PIL reports a broken png as a SyntaxError
        return True
    return False
