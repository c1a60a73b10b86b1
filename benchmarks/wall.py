"""How long erasing takes from the command line, beside the arithmetic it cannot do without.

    python -m benchmarks.wall cat

First `python -m balign erase cat` runs as anyone would run it, with an empty cache, and is timed. Then the same run is
done once more in this process, every pass of the denoiser and the decoder being counted by kind and batch; each kind is
timed on its own. The ratio of the two is what everything else costs: imports, loading, text, scores,
files, the optimiser.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from balign.method.objectives import settle
from balign.models.stable_diffusion import StableDiffusion
from balign.models.trainable import select
from balign.runs.config import RunConfig
from balign.runs.engine.execute import run
from balign.runs.folder import Run

REPEATS = 9


class Kind(NamedTuple):
    """A sort of pass: what is called, with how many samples at once, and whether a backward pass follows."""

    part: str
    batch: int
    backward: bool


def timed(concept: str) -> float:
    """Seconds that the command takes with nothing cached."""
    with tempfile.TemporaryDirectory() as scratch:
        places = {"BALIGN_RUNS": f"{scratch}/runs", "BALIGN_CACHE": f"{scratch}/cache"}
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "balign", "erase", concept], env=os.environ | places, check=True)
        return time.perf_counter() - began


def counted(config: RunConfig) -> Counter[Kind]:
    """How many passes of each kind the run makes, with nothing cached."""
    count: Counter[Kind] = Counter()

    def counting(part: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def called(self: Any, tensor: torch.Tensor, *rest: Any, **named: Any) -> Any:
            count[Kind(part, len(tensor), torch.is_grad_enabled())] += 1
            return method(self, tensor, *rest, **named)

        return called

    with tempfile.TemporaryDirectory() as scratch, ExitStack() as patches:
        patches.enter_context(patch.dict(os.environ, BALIGN_CACHE=f"{scratch}/cache"))
        for owner, name, part in ((UNet2DConditionModel, "forward", "denoiser"), (AutoencoderKL, "decode", "decoder")):
            patches.enter_context(patch.object(owner, name, counting(part, getattr(owner, name))))
        folder = Run.create(config, Path(scratch) / "runs")
        for _ in run(folder):
            pass
        if folder.report() is None:
            raise SystemExit(f"The run did not finish: {getattr(folder.telemetry()[0][-1], 'message', '')}")
    return count


def seconds(model: StableDiffusion, kind: Kind, train: str) -> float:
    """The median time of one pass of this kind."""
    weights = list(select(model.denoiser, train).values())
    latents = torch.randn(kind.batch, *model.latent_shape)
    conditions = model.encode_text(["a cat"]).expand(kind.batch, -1, -1)
    timesteps = torch.randint(model.num_train_timesteps, (kind.batch,))

    def once() -> None:
        if kind.part == "decoder":
            model.decode(latents, batch=kind.batch)
            return
        with torch.set_grad_enabled(kind.backward):
            predicted = model.predict(latents, timesteps, conditions)
        if kind.backward:
            torch.autograd.grad(predicted.square().mean(), weights)

    taken = []
    for _ in range(REPEATS + 2):
        began = time.perf_counter()
        once()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[2:])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("concept", nargs="?", default="cat")
    asked = options.parse_args()
    config = RunConfig.parse({"erase": [asked.concept]})
    wall = timed(asked.concept)
    count = counted(config)
    model = StableDiffusion.load(Path(__file__).parents[1] / "assets" / "models" / "emoji")
    arithmetic = 0.0
    print("| pass | samples | passes | ms | s in all |\n|---|---|---|---|---|")
    for kind, passes in sorted(count.items()):
        each = seconds(model, kind, settle(config).train)
        arithmetic += passes * each
        name = f"{kind.part}{', with its backward pass' if kind.backward else ''}"
        print(f"| {name} | {kind.batch} | {passes} | {1000 * each:.1f} | {passes * each:.1f} |")
    print(f"balign erase {asked.concept}: {wall:.1f} s; arithmetic: {arithmetic:.1f} s; ratio {wall / arithmetic:.2f}")


if __name__ == "__main__":
    main()
