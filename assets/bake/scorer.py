"""The scorer: a small CLIP in open_clip form that says how well a picture fits its prompt, and what a picture shows.

It shares no weights with the diffusion model's text encoder. Trained on the same drawings with stronger changes of
place, size and colour than the denoiser sees, on real pictures and on the same after the VAE's round trip, so that the
blur of the decoder is not mistaken for another drawing.
"""

import argparse
import json

import open_clip
import torch
from captions import captions, contrastive, matches
from common import MODELS, Pictures, train
from drawings import BACKGROUNDS, OBJECTS, STYLES
from safetensors.torch import save_file
from text_encoder import LENGTH, tokenizer, tokens
from torch import nn
from unet import vae

GROUP, GROUPS = 16, 4  # pictures a batch: GROUP * GROUPS; half of them GROUPS objects in every style
CONFIG = {
    "embed_dim": 192,
    "vision_cfg": {"image_size": 64, "layers": [1, 2, 2, 1], "width": 20, "head_width": 40},
    "text_cfg": {
        "context_length": LENGTH,
        "vocab_size": None,
        "width": 128,
        "heads": 4,
        "layers": 2,
        "hf_tokenizer_name": ".",
        "tokenizer_kwargs": {"clean": "lower"},
    },
}


def built(vocabulary: int) -> open_clip.CLIP:
    torch.manual_seed(4)
    return open_clip.CLIP(**{**CONFIG, "text_cfg": CONFIG["text_cfg"] | {"vocab_size": vocabulary}})


def augmented(real: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each picture moved by up to 4 pixels, resized by up to 12 % and its colours shifted a little; edges repeated."""
    n = len(real)
    uniform = lambda low, high, *shape: low + (high - low) * torch.rand(n, *shape, generator=generator)  # noqa: E731
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / uniform(0.88, 1.12)
    theta[:, :, 2] = uniform(-8 / 64, 8 / 64, 2)
    grid = nn.functional.affine_grid(theta, list(real.shape), align_corners=False)
    moved = nn.functional.grid_sample(real, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return (moved * uniform(0.9, 1.1, 1, 1, 1) + uniform(-0.06, 0.06, 3, 1, 1)).clamp(-1, 1)


def batch(pictures: Pictures, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Half a batch of few objects in every style, so that near twins meet; the other half of anything."""
    n = GROUP * GROUPS
    kinds = (len(OBJECTS), len(STYLES), pictures.layers.shape[2], len(BACKGROUNDS))
    index = torch.stack([torch.randint(high, (n,), generator=generator) for high in kinds], dim=1)
    half = n // 2
    index[:half, 0] = torch.randint(len(OBJECTS), (GROUPS,), generator=generator).repeat_interleave(half // GROUPS)
    index[:half, 1] = torch.arange(half) % len(STYLES)
    return augmented(pictures(*index.T), generator), index


def save(model: open_clip.CLIP, words) -> None:
    folder = MODELS / "emoji-clip"
    folder.mkdir(parents=True, exist_ok=True)
    words.save_pretrained(folder)
    config = CONFIG | {"text_cfg": CONFIG["text_cfg"] | {"vocab_size": len(words)}}
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}, indent=2)
    )
    halves = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    save_file({k: v.contiguous() for k, v in halves.items()}, folder / "open_clip_model.safetensors")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--steps", type=int, default=3000)
    options.add_argument("--minutes", type=float, default=1e9)
    options = options.parse_args()
    torch.set_num_threads(2)
    pictures, words, coder = Pictures(), tokenizer(), vae()
    model = built(len(words))

    def loss_of(step: int, generator: torch.Generator):
        real, index = batch(pictures, generator)
        with torch.no_grad():  # a quarter of the pictures as the diffusion model's decoder would draw them
            real[::4] = coder.decode(coder.encode(real[::4]).latent_dist.mean).sample.clamp(-1, 1)
        texts, mentions = captions(index, generator, partial=0.6)
        image, text, scale = model(real, tokens(words, texts))[:3]
        logits = scale.clamp(max=50) * image @ text.T
        match = matches(index, index, mentions)
        best = match.gather(1, logits.argmax(1, keepdim=True)).float().mean()
        loss = contrastive(logits, match)
        return loss, {"loss": loss.item(), "top1": best.item(), "scale": scale.item()}

    average = train(
        "scorer",
        model,
        loss_of,
        options.steps,
        rate=1.5e-3,
        minutes=options.minutes,
        ema=0.998,
        every=50,
        weight_decay=0.05,
    )
    model.load_state_dict(average)
    save(model.eval(), words)


if __name__ == "__main__":
    main()
