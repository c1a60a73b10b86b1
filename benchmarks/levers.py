"""What levers gain in a step: the weights' format in memory, Adam's kernel, and how often a step waits for the device.

    python -m benchmarks.levers --model assets/models/emoji --batch 8
    python -m benchmarks.levers --width 0.25 --pixels 256 --batch 1     # Stable Diffusion 1.4's shape, smaller

A step is the restricted one on the chosen weights in fp32. The variants take turns and medians count: of processor
time on a CPU, which other programs disturb little. Memory is as in `step.py`. A single number that lies on the device
is waited for; that costs something on a graphics card only.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from balign.method.objectives import settle
from balign.method.training import Unlearner
from balign.models.trainable import TRAINABLE, select
from benchmarks.memory import peak_bytes
from benchmarks.shapes import sd14
from benchmarks.step import LEARNING_RATE, Setup, set_up


class Variant(NamedTuple):
    channels_last: bool
    adam: dict[str, bool]


VARIANTS = {
    "ours: channels last, one weight after the other": Variant(True, {"foreach": False}),
    "contiguous": Variant(False, {"foreach": False}),
    "Adam fused": Variant(True, {"fused": True}),
    "Adam on all weights at once": Variant(True, {"foreach": True}),
}


class Waits(TorchDispatchMode):
    """Counts the single numbers that are read from a tensor."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func.overloadpacket.__name__ == "_local_scalar_dense"
        return func(*args, **(kwargs or {}))


def learner(setup: Setup, variant: Variant) -> Callable[[], object]:
    """The training loop with this variant; a call takes a step."""
    model: Any = setup.model
    if not variant.channels_last:

        def predict(noisy: Tensor, timesteps: Tensor, conditions: Tensor) -> Tensor:
            placed = (tensor.to(model.device) for tensor in (noisy, timesteps, conditions))
            prediction: Tensor = model.denoiser(*placed, return_dict=False)[0]
            return prediction

        model.predict = predict
        model.denoiser.to(memory_format=torch.contiguous_format)
    batches = {"batch_forget": setup.batch, "batch_retain": setup.batch, "micro_batch": 0, "measure_every": 0}
    settings = settle(method="rgd", train=setup.train, steps=10**9, learning_rate=LEARNING_RATE, **batches)
    run = Unlearner(
        model, setup.data, settings, optimizer=lambda weights, rate: torch.optim.Adam(weights, lr=rate, **variant.adam)
    )
    return lambda: next(run)


def seconds(step: Callable[[], object], device: torch.device) -> float:
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    started = clock()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a pipeline folder; left out, Stable Diffusion 1.4's shape")
    parser.add_argument("--width", type=float, default=1.0, help="times the channels of Stable Diffusion 1.4")
    parser.add_argument("--pixels", type=int, default=512, help="width and height of that model's images")
    parser.add_argument("--train", choices=TRAINABLE, default="cross_attention")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in VARIANTS}
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.model or sd14(Path(temporary), options.width, options.pixels)
        setups = {name: set_up(folder, options.train, options.batch, options.device) for name in VARIANTS}
        device = next(iter(setups.values())).model.device
        peaks = {name: peak_bytes(lambda v=v, s=setups[name]: learner(s, v), device) for name, v in VARIANTS.items()}  # type: ignore[misc]
        steps = {name: learner(setups[name], variant) for name, variant in VARIANTS.items()}
        for repeat in range(options.repeats + 1):
            for name, step in steps.items():
                taken = seconds(step, device)
                if repeat:  # the first one warms up
                    times[name].append(taken)
        with Waits() as waits:
            next(iter(steps.values()))()
    medians = {name: statistics.median(each) for name, each in times.items()}
    first = next(iter(medians.values()))
    print(f"| step, {options.train}, batch {options.batch} + {options.batch} | seconds | to ours | peak MiB |")
    print("|---|---|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {median:.3f} | {median / first:.3f} | {peaks[name] / 2**20:.1f} |")
    trained = len(select(next(iter(setups.values())).model.denoiser, options.train))
    print(f"A step reads {waits.count} single numbers, {trained} of them Adam's counters, which stay on the host.")


if __name__ == "__main__":
    main()
