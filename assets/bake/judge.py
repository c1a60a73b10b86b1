"""The judge: a plain classifier of object, style and background, trained on real renders only and used nowhere else.

It sees no picture of the diffusion model while it learns, so that its verdict on them is from outside. `--check` judges
the bundled model over every object and style, three seeds.
"""

import argparse
import json
import os

import torch
from common import WORK, Pictures, train
from drawings import BACKGROUNDS, OBJECTS, STYLES
from scorer import augmented
from torch import nn

BATCH = 64


class Judge(nn.Module):
    """(N, 3, 64, 64) in [-1, 1] -> logits over objects, styles, backgrounds."""

    def __init__(self) -> None:
        super().__init__()

        def block(before: int, after: int, stride: int) -> list[nn.Module]:
            return [nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]

        self.body = nn.Sequential(
            *block(3, 24, 2), *block(24, 48, 2), *block(48, 48, 1), *block(48, 96, 2), *block(96, 96, 1),
            *block(96, 192, 2), *block(192, 192, 1), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.2),
        )  # fmt: skip
        self.heads = nn.ModuleList(nn.Linear(768, len(names)) for names in (OBJECTS, STYLES, BACKGROUNDS))

    def forward(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        features = self.body(pictures.contiguous(memory_format=torch.channels_last))
        return [head(features) for head in self.heads]


def softened(real: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Half of the pictures softened, each by its own amount, and all a little noisy.

    A soft drawing of a cat is still a cat, and a soft glossy one still glossy: what is judged is what is drawn, and by
    a model whose latents are a sixth of a picture's numbers.
    """

    def mean(pictures: torch.Tensor) -> torch.Tensor:
        return nn.functional.avg_pool2d(nn.functional.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, stride=1)

    once = mean(real)
    drawn = torch.rand(2, len(real), 1, 1, 1, generator=generator)
    soft = torch.where(drawn[0] < 0.5, once, mean(once))
    amount = (2 * drawn[1] - 1).clamp(min=0)  # half of them zero
    return real.lerp(soft, amount) + 0.04 * torch.randn(real.shape, generator=generator)


@torch.no_grad()
def accuracy(judge: Judge, real: torch.Tensor, index: torch.Tensor) -> list[float]:
    """Share right of objects, styles, backgrounds."""
    judge.eval()
    found = [torch.cat(logits).argmax(1) for logits in zip(*[judge(part) for part in real.split(128)], strict=True)]
    return [(f == index[:, k]).float().mean().item() for f, k in zip(found, (0, 1, 3), strict=True)]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--steps", type=int, default=2000)
    options.add_argument("--check", action="store_true", help="judge the bundled model instead of training")
    options.add_argument("--seeds", type=int, default=3, help="drawings of every object and style to judge")
    options.add_argument("--objects", type=int, default=len(OBJECTS), help="judge the first so many objects only")
    options = options.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(5)
    judge = Judge().to(memory_format=torch.channels_last)
    if options.check:
        from card import drawn  # the model's pictures over every object and style

        judge.load_state_dict(torch.load(WORK / "judge-average.pt", weights_only=True))
        for seed in range(options.seeds):
            print(seed, accuracy(judge, *drawn(seed, options.objects)), flush=True)
        return
    pictures = Pictures()

    def loss_of(step: int, generator: torch.Generator):
        judge.train()
        real, index = pictures.random(BATCH, generator)
        logits = judge(softened(augmented(real, generator), generator))
        losses = [nn.functional.cross_entropy(x, index[:, k]) for x, k in zip(logits, (0, 1, 3), strict=True)]
        right = (logits[0].argmax(1) == index[:, 0]).float().mean().item()
        return sum(losses), {"loss": sum(losses).item(), "object": right}

    average = train("judge", judge, loss_of, options.steps, rate=2e-3, ema=0.99, every=50)
    torch.save(average, WORK / "judge-average.pt")
    judge.load_state_dict(average)
    held_out = Pictures(count=3, seed=77)  # placements that no training picture has
    real, index = held_out.random(2544, torch.Generator().manual_seed(1), still=0)
    print(json.dumps(dict(zip(("object", "style", "background"), accuracy(judge, real, index), strict=True))))


if __name__ == "__main__":
    main()
