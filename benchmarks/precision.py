"""How far the two gradients and the step are from those in fp64, in every number format: the table of docs/measured.md.

    python -m benchmarks.precision --only bundled --seeds 4
    python -m benchmarks.precision --only sd14 --width 1 --pixels 128 --seeds 2  # 860 M weights: 12 GB, an hour or two

The gradients are those of the default's losses: ascent on the noise, and the distance to what the base predicts in the
same format. Drift is how far every trained weight was moved before, at random: 1e-4 is about one step of Adam, 3e-3
about a whole run. The step is Adam's first along the restricted gradient, projected. A seed is another draw of latents,
noise, conditions, timesteps and drift, and the lowest cosine of all seeds is shown. The second model is Stable
Diffusion 1.4's shape with random weights, a quarter as wide unless told otherwise. TF32, which no processor has, is
imitated: what goes into a product is rounded to its 10 bits. Autocast is told to keep no weights that it cast: they
would be those before the drift.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from balign import models
from balign.method.combiners import COMBINERS
from balign.method.gradients import gram, project_step
from balign.models import catalogue
from balign.models.diffusers_model import DiffusersModel
from balign.models.stable_diffusion import StableDiffusion
from balign.models.trainable import select
from benchmarks.shapes import sd14

DRIFTS = (1e-4, 3e-3)
PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "convolution", "convolution_backward")


class _TF32(TorchDispatchMode):
    """Rounds what goes into every product to 10 bits."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in PRODUCTS:
            args = tree_map(_rounded, args)
        return func(*args, **(kwargs or {}))


def _rounded(value: Any) -> Any:
    if not isinstance(value, Tensor) or value.dtype != torch.float32:
        return value
    return ((value.contiguous().view(torch.int32) + 0x1000) & ~0x1FFF).view(torch.float32)


@contextmanager
def _math_attention() -> Iterator[None]:
    """Attention by its plain products, so that each is seen."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with sdpa_kernel(SDPBackend.MATH):
        yield


@contextmanager
def _tf32() -> Iterator[None]:
    with _math_attention(), _TF32():
        yield


FORMATS: dict[str, tuple[torch.dtype, Callable[[], AbstractContextManager[Any]], float]] = {
    "fp64": (torch.float64, nullcontext, 1.0),
    "fp32": (torch.float32, nullcontext, 1.0),
    "tf32": (torch.float32, _tf32, 1.0),
    "bf16": (torch.float32, partial(torch.autocast, "cpu", torch.bfloat16, cache_enabled=False), 1.0),
    "fp16": (torch.float32, partial(torch.autocast, "cpu", torch.float16, cache_enabled=False), 1.0),
    "fp16, loss times 65,536": (
        torch.float32,
        partial(torch.autocast, "cpu", torch.float16, cache_enabled=False),
        65536.0,
    ),
}


def gradients(
    model: DiffusersModel, name: str, drift: float, pictures: int, seed: int
) -> tuple[list[Tensor], list[Tensor]]:
    """The forget and the retain gradient in this format, as fp64."""
    dtype, arithmetic, scale = FORMATS[name]
    denoiser: Any = model.denoiser.to(dtype)
    chosen: list[Tensor] = list(select(denoiser, "cross_attention").values())
    g = torch.Generator().manual_seed(seed)
    noise, noisy = (torch.randn(2, pictures, *model.latent_shape, generator=g).to(dtype) for _ in range(2))
    width = denoiser.config.cross_attention_dim
    conditions = torch.randn(2, pictures, 77, width, generator=g).to(dtype)
    timesteps = torch.randint(1000, (2, pictures), generator=g)
    moves = [drift * torch.randn(weight.shape, generator=g).to(dtype) for weight in chosen]

    def predict(side: int) -> Tensor:
        prediction: Tensor = denoiser(noisy[side], timesteps[side], conditions[side], return_dict=False)[0]
        return prediction if dtype == torch.float64 else prediction.float()

    def gradient(loss: Tensor) -> list[Tensor]:
        return [part.double() / scale for part in torch.autograd.grad(scale * loss, chosen)]

    originals = [weight.detach().clone() for weight in chosen]
    with arithmetic():
        with torch.no_grad():
            base = predict(1)
            torch._foreach_add_(chosen, moves)
        f = gradient(-(predict(0) - noise[0]).square().mean())
        r = gradient((predict(1) - base).square().mean())
    with torch.no_grad():
        torch._foreach_copy_(chosen, originals)
    return f, r


def step(f: list[Tensor], r: list[Tensor]) -> list[Tensor]:
    """Adam's first step along the restricted gradient, projected."""
    g = gram(f, r)
    if g.rr == 0:
        return [-1e-4 * part.sign() for part in f]
    a, b = COMBINERS["restricted"](*g, 6.0)
    moved = [a * one + b * other for one, other in zip(f, r, strict=True)]
    taken = [-1e-4 * part / (part.abs() + 1e-8) for part in moved]
    project_step(taken, f, r)
    return taken


def rows(name: str, model: DiffusersModel, pictures: int, seeds: int) -> Iterator[str]:
    for drift in DRIFTS:
        lowest: dict[str, list[float]] = {}
        for seed in range(seeds):
            reference = gradients(model, "fp64", drift, pictures, seed)
            reference_step = step(*reference)
            for form in list(FORMATS)[1:]:
                found = gradients(model, form, drift, pictures, seed)
                cosines = [gram(ours, theirs).cosine for ours, theirs in zip(found, reference, strict=True)]
                cosines.append(gram(step(*found), reference_step).cosine)
                lowest[form] = list(map(min, cosines, lowest.get(form, cosines)))
        for form, cosines in lowest.items():
            shown = " | ".join(f"{cosine:.5f}" for cosine in cosines)
            yield f"| {name} | {drift:g} | {form} | {shown} | {'yes' if min(cosines[:2]) >= 0.99 else 'no'} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("bundled", "sd14"))
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--pixels", type=int, default=256)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args()
    print("| model | drift | format | forget | retain | step | both at least 0.99 |\n|---|---|---|---|---|---|---|")
    if options.only != "sd14":
        bundled = models.load(catalogue.EMOJI)
        assert isinstance(bundled, DiffusersModel)
        for row in rows("bundled", bundled, 4, options.seeds):
            print(row, flush=True)
    if options.only != "bundled":
        with tempfile.TemporaryDirectory() as folder:
            torch.manual_seed(0)
            model = StableDiffusion.load(sd14(Path(folder), options.width, options.pixels))
            for row in rows(f"SD 1.4, width {options.width:g}", model, 2, options.seeds):
                print(row, flush=True)


if __name__ == "__main__":
    main()
