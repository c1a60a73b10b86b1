"""How well the bundled model draws clothes: its pictures judged, class by class and as a whole, and a contact sheet.

Accuracy is the share of pictures that a judge takes for the class asked for. The distances are between the features of
the shipped judge for drawn and for real test pictures; their floor is that of as many real training pictures.
"""

import argparse
import json
from pathlib import Path

import torch
from card import sheet
from common import MODELS, WORK
from fashion_data import CLASSES, floats, pictures
from fashion_judge import seen
from transformers import RegNetForImageClassification

from balign.models.dit import DiT


@torch.no_grad()
def drawn(model: DiT, count: int, seed: int, steps: int, guidance: float) -> torch.Tensor:
    """Grey pictures in [-1, 1], (10 * count, 1, 32, 32): `count` of every class, class by class."""
    prompts = [name for name in CLASSES for _ in range(count)]
    seeds = [seed * 1_000_000 + n for n in range(len(prompts))]
    images = model.decode(model.generate(prompts, seeds, steps=steps, guidance=guidance, batch=100), batch=100)
    return floats(images[..., :1].permute(0, 3, 1, 2))


@torch.no_grad()
def judged(judge: RegNetForImageClassification, grey: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The class (N,) and the features (N, D) of pictures."""
    features = torch.cat([judge.regnet(seen(part)).pooler_output.flatten(1) for part in grey.split(250)])
    return judge.classifier(features[:, :, None, None]).argmax(1), features.double()


def frechet(a: torch.Tensor, b: torch.Tensor) -> float:
    """The distance of two normal distributions with the means and covariances of these features."""
    roots = torch.linalg.eigvals(a.T.cov() @ b.T.cov()).real.clamp(min=0).sqrt()
    between = (a.mean(0) - b.mean(0)).square().sum()
    return float(between + a.T.cov().trace() + b.T.cov().trace() - 2 * roots.sum())


def kernel_distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """The unbiased squared maximum mean discrepancy under the cubic kernel (Binkowski et al., 2018), of one block."""

    def kernel(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x: torch.Tensor) -> torch.Tensor:
        return (kernel(x, x).sum() - kernel(x, x).diagonal().sum()) / (len(x) * (len(x) - 1))

    return float(within(a) + within(b) - 2 * kernel(a, b).mean())


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", type=Path, default=MODELS / "fashion")
    options.add_argument("--count", type=int, default=100, help="pictures of a class")
    options.add_argument("--steps", type=int, default=12)
    options.add_argument("--guidance", type=float, nargs="*", default=[1.0, 1.5, 2.0])
    options = options.parse_args()
    model = DiT.load(options.model)
    asked = torch.arange(len(CLASSES)).repeat_interleave(options.count)
    (train, _), (test, labels) = pictures("train"), pictures("t10k")
    shipped = RegNetForImageClassification.from_pretrained(MODELS / "fashion-judge", torch_dtype=torch.float32).eval()
    judges = {"judge": shipped}
    if (WORK / "fashion-judge-2").is_dir():
        judges["second judge"] = RegNetForImageClassification.from_pretrained(
            WORK / "fashion-judge-2", torch_dtype=torch.float32
        ).eval()
    real, floor = (judged(shipped, floats(part[: len(asked)]))[1] for part in (test, train))
    known = {name: (judged(judge, floats(test))[0] == labels).float().mean().item() for name, judge in judges.items()}
    print(json.dumps({"real": known, "frechet": frechet(floor, real), "kernel": kernel_distance(floor, real)}))
    for guidance in options.guidance:
        made = drawn(model, options.count, 0, options.steps, guidance)
        taken, features = judged(shipped, made)
        right = {name: (judged(judge, made)[0] == asked).float().mean().item() for name, judge in judges.items()}
        by_class = [(taken[asked == k] == k).float().mean().item() for k in range(len(CLASSES))]
        print(
            json.dumps(
                {"guidance": guidance, "n": len(made), "right": right}
                | {"frechet": frechet(features, real), "kernel": kernel_distance(features, real)}
                | {"classes": dict(zip(CLASSES, by_class, strict=True))}
            ),
            flush=True,
        )
        rows = made.unflatten(0, (len(CLASSES), options.count))[:, :16].flatten(0, 1).expand(-1, 3, -1, -1)
        sheet(rows, across=16).save(options.model / f"contact-sheet-{guidance:g}.png")


if __name__ == "__main__":
    main()
