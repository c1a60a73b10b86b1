"""The first pictures of a run as small strips for who watches it: to forget, to keep, and the first pairs.

They are few and small, however large the run's pictures are, and nothing is learnt from them.
"""

from collections.abc import Iterable, Sequence

import torch
from PIL import Image
from torch import Tensor

from balign.atomic import write
from balign.runs.engine import images
from balign.runs.engine.job import Job
from balign.runs.engine.recorder import Recorder
from balign.runs.prompt_lists import FIRST
from balign.telemetry import Drawn

CELL = 96
"""Pixels at most of the height and width of one."""
SIDES = {"erased": "forget", "kept": "keep"}
"""The groups of test pictures that are shown, and on which side."""


def strips(recorder: Recorder, side: str, before: Tensor, after: Tensor | None = None) -> list[Drawn]:
    """Write a strip of these uint8 images (N, H, W, 3), and one of what they are after; no more than there is room for.

    Gives the record to be told, in a list; an empty one if its side is full.
    """
    kind = side if after is None else f"{side}-pairs"
    place = recorder.shown[kind]
    few = min(len(before), FIRST - place)
    if few <= 0 or recorder.quiet:
        return []
    recorder.shown[kind] += few
    name = f"drawn/{kind}-{place:02d}"
    _save(recorder, f"{name}.png", before[:few])
    if after is None:
        return [Drawn(side, f"{name}.png", few)]
    _save(recorder, f"{name}-after.png", after[:few])
    return [Drawn(side, f"{name}.png", few, f"{name}-after.png")]


def of_test(job: Job, recorder: Recorder, places: Iterable[int], pairs: bool = False) -> list[Drawn]:
    """The same of test pictures that are in the run's folder, by their places in the list of shots."""
    told, folder, listed = [], job.run.path / "images", list(places)
    for group, side in SIDES.items():
        of_group = [k for k in listed if job.shots[k].group == group]
        if of_group:
            after = images.load(folder / "after", of_group) if pairs else None
            told += strips(recorder, side, images.load(folder / "before", of_group), after)
    return told


def of_training(job: Job, recorder: Recorder, places: Sequence[int], latents: Sequence[Tensor]) -> list[Drawn]:
    """The same of training pictures, by their places in the two lists together, and their latents (C, h, w)."""
    told: list[Drawn] = []
    for side in SIDES.values():
        chosen = [k for k, place in enumerate(places) if (place < len(job.prompts.forget)) == (side == "forget")]
        chosen = chosen[: FIRST - recorder.shown[side]]
        if chosen and not recorder.quiet:
            with torch.no_grad():
                told += strips(recorder, side, job.model.decode(torch.stack([latents[k] for k in chosen])).cpu())
    return told


def _save(recorder: Recorder, name: str, pictures: Tensor) -> None:
    """Write the images side by side, shrunk, as one png of few colours."""
    height, width = pictures.shape[1:3]
    shrunk = min(1.0, CELL / max(height, width))
    whole = Image.fromarray(torch.cat(list(pictures), dim=1).contiguous().numpy())
    cell = (round(width * shrunk), round(height * shrunk))
    whole = whole.resize((cell[0] * len(pictures), cell[1]), Image.Resampling.BOX)
    path = recorder.run.path / name
    path.parent.mkdir(exist_ok=True)
    write(path, images.png(whole.quantize(256, dither=Image.Dither.NONE)))
