"""A contact sheet of the bundled model: every object, styles and backgrounds in turn, drawn through `balign.models`."""

import argparse

import numpy as np
import torch
from captions import lexicon
from common import MODELS, WORK
from drawings import BACKGROUNDS, OBJECTS, STYLES
from PIL import Image

from balign.models.stable_diffusion import StableDiffusion

STEPS, GUIDANCE = 12, 3.0


def drawn(seed: int, objects: int = len(OBJECTS)) -> tuple[torch.Tensor, torch.Tensor]:
    """One picture of every object in every style on a background that goes round, drawn once for each model and seed.

    Returns pictures in [-1, 1], (N, 3, 64, 64), and their index rows (object, style, 0, background).
    """
    model = StableDiffusion.load(str(MODELS / "emoji"))
    file = WORK / f"drawn-{model.fingerprint[:12]}-{seed}-{objects}.pt"
    if file.exists():
        return torch.load(file, weights_only=True)
    grid = torch.cartesian_prod(torch.arange(objects), torch.arange(len(STYLES)))
    background = (grid.sum(1) + seed) % len(BACKGROUNDS)
    index = torch.stack([grid[:, 0], grid[:, 1], torch.zeros(len(grid), dtype=torch.long), background], dim=1)
    templates = lexicon()["templates"]["test"]
    prompts = [  # s + o // 8: every object, style and background meets every wording
        templates[(s + o // 8) % len(templates)].format(
            object=OBJECTS[o], style=list(STYLES)[s], background=list(BACKGROUNDS)[b]
        )
        for o, s, _, b in index.tolist()
    ]
    latents = model.generate(
        prompts, [seed * 100_000 + n for n in range(len(prompts))], steps=STEPS, guidance=GUIDANCE, batch=32
    )
    images = model.decode(latents, batch=32)
    found = images.permute(0, 3, 1, 2).float() / 127.5 - 1, index
    torch.save(found, file)
    return found


def sheet(pictures: torch.Tensor, across: int) -> Image.Image:
    images = ((pictures.permute(0, 2, 3, 1) + 1) * 127.5).round().clamp(0, 255).byte().numpy()
    images = np.concatenate([images, np.full((-len(images) % across, *images.shape[1:]), 255, np.uint8)])
    rows = [np.concatenate(list(images[i : i + across]), axis=1) for i in range(0, len(images), across)]
    return Image.fromarray(np.concatenate(rows))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--objects", type=int, default=len(OBJECTS))
    options.add_argument("--out", default=str(MODELS / "emoji" / "contact-sheet.jpg"))
    options = options.parse_args()
    pictures, _ = drawn(0, options.objects)
    sheet(pictures, across=4 * len(STYLES)).save(options.out, quality=88)


if __name__ == "__main__":
    main()
