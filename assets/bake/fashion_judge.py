"""The judge of clothes: a stock RegNetForImageClassification of the ten classes and of "noise", which is none of them.

Trained on the 60,000 training photographs only; it sees no picture of the diffusion model. Without the eleventh class
a classifier calls whatever is left of an erased class by one fixed name (the paper, section 5). Grey pictures come as
RGB, as a pipeline draws them. `--second` trains a judge of another shape, start and order, which is never shipped.
"""

import argparse
import json

import torch
from common import MODELS, WORK, train
from fashion_data import CLASSES, SIZE, floats, pictures
from torch import nn
from transformers import RegNetConfig, RegNetForImageClassification, ViTImageProcessor

BATCH, NOISY = 128, 16  # of a batch; as many more are noise
NAMES = (*CLASSES, "noise")
BFLOAT16 = torch.cpu.get_capabilities().get("avx512_bf16", False)


def built(second: bool) -> RegNetForImageClassification:
    torch.manual_seed(6 if second else 5)
    widths, depths = ([64, 128, 192], [1, 2, 1]) if second else ([48, 96, 192], [2, 2, 2])
    config = RegNetConfig(
        num_channels=3,
        embedding_size=widths[0],
        hidden_sizes=widths,
        depths=depths,
        groups_width=8 if second else max(widths),
        layer_type="y" if second else "x",
        downsample_in_first_stage=False,
        id2label=dict(enumerate(NAMES)),
        label2id={name: k for k, name in enumerate(NAMES)},
    )
    return RegNetForImageClassification(config).to(memory_format=torch.channels_last)


def moved(real: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each picture shifted by up to two pixels, which its black frame allows, some softened, and all a little noisy."""
    shifts = torch.randint(-2, 3, (len(real), 2), generator=generator).tolist()
    shifted = torch.stack([picture.roll(shift, (1, 2)) for picture, shift in zip(real, shifts, strict=True)])
    soft = nn.functional.avg_pool2d(nn.functional.pad(shifted, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    amount = (2 * torch.rand(len(real), 1, 1, 1, generator=generator) - 1).clamp(min=0)  # half of them zero
    return shifted.lerp(soft, 0.7 * amount) + 0.03 * torch.randn(real.shape, generator=generator)


def noise(real: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Pictures of nothing, a quarter each: noise of every grain, discs, drowned pictures, pictures cut in tiles."""
    n = len(real)
    kind = torch.arange(n)[:, None, None, None] % 4
    grain = torch.randn(real.shape, generator=generator)
    for _ in range(3):  # each time half of them become coarser
        coarser = nn.functional.avg_pool2d(nn.functional.pad(grain, (2, 2, 2, 2), mode="circular"), 5, stride=1)
        grain = torch.where(torch.rand(n, 1, 1, 1, generator=generator) < 0.5, grain, coarser)
    grain = grain / grain.std(dim=(1, 2, 3), keepdim=True)
    level = 2 * torch.rand(n, 1, 1, 1, generator=generator) - 1
    kept = 0.3 * torch.rand(n, 1, 1, 1, generator=generator)  # of a drowned picture
    across, down = torch.meshgrid(torch.linspace(-1, 1, SIZE), torch.linspace(-1, 1, SIZE), indexing="xy")
    wide, high = 0.2 + 1.3 * torch.rand(2, n, 1, 1, 1, generator=generator)  # the widest fill the frame
    inside = torch.sigmoid(8 * (1 - (across / wide).square() - (down / high).square()))
    disc = inside * (level + 1 + 0.15 * grain) - 1
    tiles = real.unfold(2, 8, 8).unfold(3, 8, 8).flatten(2, 3)  # (N, 1, 16, 8, 8)
    order = torch.rand(n, 16, generator=generator).argsort(dim=1)
    mixed = tiles[torch.arange(n)[:, None], 0, order].unflatten(1, (4, 4)).transpose(2, 3).flatten(3, 4).flatten(1, 2)
    kinds = (0.6 * grain + level, disc, kept * real + (1 - kept) * grain, mixed[:, None])
    return sum(made * (kind == k) for k, made in enumerate(kinds)).clamp(-1, 1)


def seen(grey: torch.Tensor) -> torch.Tensor:
    return grey.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def named(judge: RegNetForImageClassification, grey: torch.Tensor) -> torch.Tensor:
    """The class (N,) that each picture (N, 1, 32, 32) in [-1, 1] is taken for."""
    judge.eval()
    return torch.cat([judge(seen(part)).logits.argmax(1) for part in grey.split(250)])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--steps", type=int, default=6000)
    options.add_argument("--second", action="store_true", help="the judge that is not shipped")
    options = options.parse_args()
    name = "fashion-judge-2" if options.second else "fashion-judge"
    images, labels = pictures("train")
    judge = built(options.second)

    def loss_of(step: int, generator: torch.Generator):
        judge.train()
        if options.second:
            generator = torch.Generator().manual_seed(generator.initial_seed() + 1)
        chosen = torch.randint(len(images), (BATCH,), generator=generator)
        real = floats(images[chosen])
        shown = torch.cat([moved(real, generator), noise(real[:NOISY], generator)])
        wanted = torch.cat([labels[chosen], torch.full((NOISY,), len(CLASSES))])
        with torch.autocast("cpu", torch.bfloat16, enabled=BFLOAT16):
            logits = judge(seen(shown)).logits.float()
        loss = nn.functional.cross_entropy(logits, wanted, label_smoothing=0.05)
        right = (logits.argmax(1) == wanted)[:BATCH].float().mean().item()
        return loss, {"loss": loss.item(), "right": right}

    average = train(
        name, judge, loss_of, options.steps, rate=2e-3, ema=0.998, every=50, weight_decay=0.05,
        muon_but=("embedder.embedder", "classifier"),
    )  # fmt: skip
    if average is None:
        raise SystemExit("Training gave no averaged weights.")
    judge.load_state_dict(average)
    folder = WORK / name if options.second else MODELS / name
    # Half on disk; fp32 again as it loads, so what is tested is what is shipped.
    judge.half().save_pretrained(folder)
    ViTImageProcessor(size={"height": SIZE, "width": SIZE}, image_mean=[0.5] * 3, image_std=[0.5] * 3).save_pretrained(
        folder
    )
    judge = RegNetForImageClassification.from_pretrained(folder, torch_dtype=torch.float32)
    images, labels = pictures("t10k")
    taken = named(judge, floats(images))
    generator = torch.Generator().manual_seed(1)
    nothing = named(judge, noise(floats(images[:2000]), generator))
    print(
        json.dumps(
            {"test": (taken == labels).float().mean().item(), "noise": (nothing == len(CLASSES)).float().mean().item()}
            | {CLASSES[k]: (taken[labels == k] == k).float().mean().item() for k in range(len(CLASSES))}
        )
    )


if __name__ == "__main__":
    main()
