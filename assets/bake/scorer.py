"""The scorer: a small CLIP in open_clip form that says how well a picture fits its prompt, and what a picture shows.

It shares no weights with the diffusion model's text encoder. Trained on the same drawings with stronger changes of
place, size and colour than the denoiser sees, on real pictures and on the same after the VAE's round trip, so that the
blur of the decoder is not mistaken for another drawing. A batch's own captions are few against 106 objects, so each
picture is also told from a caption of every object, style and background there is. `--check` measures the shipped
scorer through `balign.measure` on placements and changes that it never saw.
"""

import argparse
import json
import math
import os

import open_clip
import torch
from captions import captions, every_name, lexicon, told_apart
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


def unseen(real: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Changes that training never makes: turned by up to 8 degrees, and up to 3 grey levels of noise."""
    n = len(real)
    angle = (torch.rand(n, generator=generator) * 2 - 1) * math.pi * 8 / 180
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = angle.cos()
    theta[:, 0, 1], theta[:, 1, 0] = -angle.sin(), angle.sin()
    grid = nn.functional.affine_grid(theta, list(real.shape), align_corners=False)
    turned = nn.functional.grid_sample(real, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return (turned + 3 / 127.5 * torch.randn(real.shape, generator=generator)).clamp(-1, 1)


def check() -> None:
    """Zero-shot accuracy of the shipped scorer on every object in every style, placed as no training picture was."""
    from balign.measure.clip import Scorer

    held_out, scorer, generator = Pictures(count=3, seed=77), Scorer.load("emoji"), torch.Generator().manual_seed(1)
    grid = torch.cartesian_prod(torch.arange(len(OBJECTS)), torch.arange(len(STYLES)), torch.arange(1, 3))
    index = torch.cat([grid, torch.randint(len(BACKGROUNDS), (len(grid), 1), generator=generator)], dim=1)
    real = held_out(*index.T)
    for name, pictures in (("placed anew", real), ("placed anew, turned, noisy", unseen(real, generator))):
        images = ((pictures.permute(0, 2, 3, 1) + 1) * 127.5).round().clamp(0, 255).byte()
        encoded, right = scorer.embed_images(images), {}
        for kind, names, k in (("object", OBJECTS, 0), ("style", STYLES, 1), ("background", BACKGROUNDS, 3)):
            templates = lexicon()["zero_shot"][kind]
            texts = {n: [template.format(**{kind: n}) for template in templates] for n in names}
            found = scorer.classify(encoded, list(names), texts)
            right[kind] = round((found == index[:, k]).float().mean().item(), 4)
        print(json.dumps({"pictures": name, "n": len(index)} | right))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--steps", type=int, default=1500)
    options.add_argument("--minutes", type=float, default=1e9)
    options.add_argument("--check", action="store_true", help="measure the shipped scorer instead of training")
    options = options.parse_args()
    if options.check:
        return check()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    pictures, words, coder = Pictures(), tokenizer(), vae()
    model = built(len(words))

    def loss_of(step: int, generator: torch.Generator):
        real, index = batch(pictures, generator)
        with torch.no_grad():  # an eighth of the pictures as the diffusion model's decoder would draw them
            real[::8] = coder.decode(coder.encode(real[::8]).latent_dist.mean).sample.clamp(-1, 1)
        texts, mentions = captions(index, generator, partial=0.3)
        names = every_name(generator)
        image, text, scale = model(real, tokens(words, [*texts, *(name for kind in names for name in kind)]))[:3]
        logits = scale.clamp(max=50) * image @ text.T  # (pictures, their captions and then every name)
        return told_apart(logits, index, mentions, names)

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
        muon_but=("visual.conv1", "embedding", "projection", "logit"),
    )
    model.load_state_dict(average)
    save(model.eval(), words)


if __name__ == "__main__":
    main()
