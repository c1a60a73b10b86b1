"""Fill an empty work folder from the models that ship, so that a bake can go on from them: `unet.py --warm`."""

import shutil

import torch
from assemble import FOLDER
from common import WORK
from diffusers import AutoencoderKL, UNet2DConditionModel


def main() -> None:
    WORK.mkdir(parents=True, exist_ok=True)
    for part in ("tokenizer", "text_encoder"):
        shutil.copytree(FOLDER / part, WORK / part)
    for part, kind in (("vae", AutoencoderKL), ("unet", UNet2DConditionModel)):
        weights = kind.from_pretrained(FOLDER / part, torch_dtype=torch.float32).state_dict()
        torch.save(weights, WORK / f"{part}-average.pt")


if __name__ == "__main__":
    main()
