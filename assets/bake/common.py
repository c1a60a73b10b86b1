"""What every bake script shares: where its work is kept, batches of composited pictures, and a loop that resumes.

The work folder (BALIGN_BAKE, default `assets/bake/work`) is never committed: a killed script started again goes on
from its last checkpoint there.
"""

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler
from drawings import BACKGROUNDS, OBJECTS, STYLES, all_layers
from muon import Muon, split

HERE = Path(__file__).resolve().parent
WORK = Path(os.environ.get("BALIGN_BAKE", HERE / "work"))
MODULES = Path(os.environ.get("BALIGN_BAKE_MODULES", HERE / "node_modules"))
MODELS = HERE.parent / "models"
PLACEMENTS, SEED = 6, 0  # of the training pictures; the judge and the scorer are tested on others
COLOURS = torch.tensor(list(BACKGROUNDS.values()), dtype=torch.float32) / 255  # (8, 3)


class Pictures:
    """Every training picture, composited on demand from RGBA layers."""

    def __init__(self, count: int = PLACEMENTS, seed: int = SEED) -> None:
        layers = np.array(all_layers(MODULES, WORK, count, seed))
        self.layers = torch.from_numpy(layers).permute(0, 1, 2, 5, 3, 4).contiguous()  # (O, S, P, 4, 64, 64) uint8

    def __call__(self, objects, styles, placements, backgrounds) -> torch.Tensor:
        """Pictures in [-1, 1], (N, 3, 64, 64), of the indices given."""
        layer = self.layers[objects, styles, placements].float() / 255
        colour = COLOURS[backgrounds][:, :, None, None]
        alpha = layer[:, 3:]
        return ((layer[:, :3] * alpha + colour * (1 - alpha)) * 2 - 1).contiguous(memory_format=torch.channels_last)

    def random(self, n: int, generator: torch.Generator, still: float = 0.5) -> tuple[torch.Tensor, torch.Tensor]:
        """`n` random pictures and their indices (n, 4); a share `still` of them in the plain placement."""
        draw = lambda high: torch.randint(high, (n,), generator=generator)  # noqa: E731
        placement = draw(self.layers.shape[2])
        placement[torch.rand(n, generator=generator) < still] = 0
        index = torch.stack([draw(len(OBJECTS)), draw(len(STYLES)), placement, draw(len(BACKGROUNDS))], dim=1)
        return self(*index.T), index


def scheduler() -> DDIMScheduler:
    """The noise of every model here; it ends at zero signal."""
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        steps_offset=1,
    )


def train(
    name: str,
    modules: torch.nn.Module,
    loss_of: Callable[[int, torch.Generator], tuple[torch.Tensor, dict[str, float]]],
    steps: int,
    rate: float,
    warmup: int = 50,
    minutes: float = 1e9,
    ema: float | None = None,
    every: int = 100,
    weight_decay: float = 0.01,
    muon_but: tuple[str, ...] | None = None,
) -> dict[str, torch.Tensor] | None:
    """Train `modules` on `loss_of(step, generator)` with AdamW, a warm-up and a cosine to zero, resuming what is there.

    With `muon_but`, every matrix is trained by Muon instead, but for those whose name holds one of its parts.
    Every batch is seeded by its step, so a resumed run sees what an unbroken one would have. Stops early after
    `minutes` of this call, checkpoint kept. Returns the averaged weights when `ema` is given.
    """
    WORK.mkdir(parents=True, exist_ok=True)
    file, log = WORK / f"{name}.pt", WORK / f"{name}.jsonl"
    matrices, rest = split(modules, muon_but) if muon_but is not None else ([], list(modules.parameters()))
    adam = torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.99), weight_decay=weight_decay, fused=True)
    optimizers = [adam, Muon(matrices, rate, weight_decay)] if matrices else [adam]
    average = {k: v.detach().clone() for k, v in modules.state_dict().items()} if ema else None
    first = 0
    if file.exists():
        state = torch.load(file, weights_only=True)
        modules.load_state_dict(state["modules"])
        for optimizer, known in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(known)
        average, first = state["average"], state["step"]
    began = time.monotonic()
    sums: dict[str, float] = {}
    for step in range(first, steps):
        for group in (group for optimizer in optimizers for group in optimizer.param_groups):
            group["lr"] = (
                rate * min(1, (step + 1) / warmup) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))
            )
        loss, figures = loss_of(step, torch.Generator().manual_seed(1_000_003 * step + 7))
        modules.zero_grad(set_to_none=True)
        loss.backward()
        figures["norm"] = torch.nn.utils.clip_grad_norm_(modules.parameters(), 1.0).item()
        for optimizer in optimizers:
            optimizer.step()
        if average is not None:
            decay = min(ema, (step + 1) / (step + 10))
            state = modules.state_dict()
            floats = [k for k, v in state.items() if v.is_floating_point()]
            torch._foreach_lerp_([average[k] for k in floats], [state[k] for k in floats], 1 - decay)
            for k in state.keys() - set(floats):
                average[k].copy_(state[k])
        for k, v in figures.items():
            sums[k] = sums.get(k, 0.0) + v
        done = time.monotonic() - began > 60 * minutes or step + 1 == steps
        if (step + 1) % every == 0 or done:
            since = (step % every) + 1
            with log.open("a") as lines:
                lines.write(
                    json.dumps(
                        {"step": step + 1, "minutes": round((time.monotonic() - began) / 60, 2)}
                        | {k: round(v / since, 5) for k, v in sums.items()}
                    )
                    + "\n"
                )
            sums = {}
            if (step + 1) % (5 * every) == 0 or done:
                partial = file.with_suffix(".partial")
                torch.save(
                    {
                        "modules": modules.state_dict(),
                        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
                        "average": average,
                        "step": step + 1,
                    },
                    partial,
                )
                partial.rename(file)
        if done:
            break
    return average


def chunks(index: torch.Tensor, size: int) -> Iterator[torch.Tensor]:
    yield from index.split(size)
