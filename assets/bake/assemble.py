"""Put the trained parts together as a plain StableDiffusionPipeline folder, large parts in half precision, sharded."""

import shutil

import torch
from common import MODELS, WORK, scheduler
from diffusers import StableDiffusionPipeline
from text_encoder import tokenizer
from transformers import CLIPTextModel
from unet import built, latents, vae

from balign.models import portable

FOLDER = MODELS / "emoji"


def pipeline() -> StableDiffusionPipeline:
    unet = built()
    unet.load_state_dict(torch.load(WORK / "unet-average.pt", weights_only=True))
    coder = vae()
    coder.register_to_config(scaling_factor=round(1 / latents()[2].item(), 6))
    return StableDiffusionPipeline(
        vae=coder,
        text_encoder=CLIPTextModel.from_pretrained(WORK / "text_encoder"),
        tokenizer=tokenizer(),
        unet=unet.eval(),
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def main() -> None:
    card = FOLDER / "README.md"
    kept = card.read_text() if card.exists() else None
    shutil.rmtree(FOLDER, ignore_errors=True)
    whole = pipeline()
    # Half on disk for what diffusers widens again as it loads; transformers would leave the text encoder half.
    whole.unet.half()
    whole.vae.half()
    whole.save_pretrained(FOLDER, safe_serialization=True, max_shard_size="9MB")
    portable.text_encoder(FOLDER / "text_encoder")
    portable.vocabulary(FOLDER / "tokenizer")
    if kept:
        card.write_text(kept)
    sizes = {str(f.relative_to(FOLDER)): f.stat().st_size for f in FOLDER.rglob("*") if f.is_file()}
    print(f"{sum(sizes.values()) / 1e6:.1f} MB in all, largest file {max(sizes.values()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
