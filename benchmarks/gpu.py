"""What a graphics card makes of Stable Diffusion 1.4's shape at full size, with random weights: at most 8 minutes.

    python -m benchmarks.gpu OUT                # on a card; needs no network, 10 GB of disk, goes on where it was ended
    python -m benchmarks.gpu OUT --miniature    # a small model on the processor, in seconds

One table: the peak memory of a step against the formula; steps a second of plain sum, restricted, projected and the
reference's loop in fp32, and of a plain sum in TF32 and bf16, in which nothing is trained (docs/measured.md says why);
pictures a second of the data phase; and one whole run by the command line. Each figure is written to OUT/figures.json
at once. One that fails, or is too large, is a line of the table too.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from balign.atomic import write
from balign.machine import GB
from balign.method.objectives import METHODS, settle
from balign.method.training import Unlearner
from balign.models.stable_diffusion import StableDiffusion
from balign.runs.config import RunConfig
from balign.runs.engine import splitting
from balign.runs.estimate import memory
from benchmarks.shapes import sd14
from benchmarks.step import PROJECTED, Setup, balign_step, plain_sum, reference, seconds, set_up

REPEATS = 3
BUDGET = 480.0
"""Seconds in which no further figure is begun."""


class Card:
    """The figures so far, in a file, and the model they are of."""

    def __init__(self, out: Path, miniature: bool) -> None:
        self.out, self.miniature, self.file = out, miniature, out / "figures.json"
        self.device = "cpu" if miniature else "cuda:0"
        self.begun = time.monotonic()
        out.mkdir(parents=True, exist_ok=True)
        self.figures: dict[str, str] = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.folder = out / "model"
        if not (self.folder / "model_index.json").exists():
            shutil.rmtree(self.folder, ignore_errors=True)
            sd14(self.folder, 0.1 if miniature else 1.0, 64 if miniature else 512)

    def figure(self, name: str, work: Callable[[], str]) -> None:
        """Measure this, unless it was measured already or the time is up, and write it down."""
        if name in self.figures or time.monotonic() - self.begun > BUDGET:
            return
        try:
            self.figures[name] = work()
        except (torch.OutOfMemoryError, subprocess.SubprocessError) as error:
            self.figures[name] = f"failed: {str(error).splitlines()[0][:120]}"
        write(self.file, json.dumps(self.figures, indent=1) + "\n")

    def set_up(self, batch: int) -> Setup:
        return set_up(self.folder, "cross_attention", batch, self.device)


@contextmanager
def arithmetic(name: str, device: str) -> Iterator[None]:
    """Products in fp32, TF32 or bf16."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = name == "tf32"
    try:
        with torch.autocast(device.partition(":")[0], torch.bfloat16, enabled=name == "bf16"):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def pace(card: Card, make: Callable[[Setup], Callable[[], object]], form: str) -> str:
    """Steps a second, the first of them left out."""
    setup = card.set_up(1 if card.miniature else 4)
    step = make(setup)

    def once() -> None:
        with arithmetic(form, card.device):  # anew for each step, since autocast keeps the weights that it cast
            step()

    times = [seconds(once, setup.model.device) for _ in range(REPEATS + 1)][1:]
    return f"{len(times) / sum(times):.3f} steps a second"


def peak(card: Card, micro_batch: int, again: bool) -> str:
    """The peak of a step of the default method, against the formula."""
    setup = card.set_up(4)
    model = setup.model
    settings = settle(
        method="remove", steps=2, batch_forget=4, batch_retain=4, micro_batch=micro_batch, measure_every=0,
        gradient_checkpointing=again,
    )  # fmt: skip
    said = memory.training(splitting.measured(model, settings), settings) / GB
    setup.vae.cpu(), setup.text_encoder.cpu()
    model.release()
    if card.miniature:
        list(Unlearner(model, setup.data, settings))
        return f"formula {said:.3f} GB"
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(card.device)
    list(Unlearner(model, setup.data, settings))
    found = torch.cuda.max_memory_allocated(card.device) / GB
    return f"{found:.2f} GB, formula {said:.2f}, ratio {found / said:.3f}"


def drawing(card: Card, dtype: torch.dtype) -> str:
    """Pictures a second of the data phase."""
    model = StableDiffusion.load(card.folder, card.device, dtype)
    count, steps = (2, 2) if card.miniature else (8, 12)
    prompts, seeds = ["a photo of a cat"] * count, list(range(count))
    model.generate(prompts[:1], seeds[:1], steps=1, guidance=7.5)
    started = time.perf_counter()
    model.generate(prompts, seeds, steps=steps, guidance=7.5)
    return f"{count / (time.perf_counter() - started):.3f} pictures a second, {steps} steps each"


def whole(card: Card) -> str:
    """A run by the command line."""
    config = RunConfig.parse({"erase": ["cat"], "model": str(card.folder)})
    steps, sampling = ("2", "2") if card.miniature else ("20", "12")
    command = [sys.executable, "-m", "balign", "erase", "cat", "--model", config.model, "--scorer", "emoji"]
    command += ["--steps", steps, "--sampling-steps", sampling, "--n-eval", "2", "--preview-every", "0"]
    command += ["--n-forget", "4", "--n-retain", "8", "--device", card.device]
    command += ["--batch-forget", "2", "--batch-retain", "2"] if card.miniature else []
    folders = {"BALIGN_RUNS": str(card.out / "runs"), "BALIGN_CACHE": str(card.out / "cache")}
    started = time.monotonic()
    subprocess.run(command, check=True, capture_output=True, env=os.environ | folders)
    return f"{time.monotonic() - started:.0f} s for {steps} steps, {sampling} drawing steps"


def table(figures: dict[str, str]) -> str:
    return "\n".join(["| figure | found |", "|---|---|", *(f"| {name} | {found} |" for name, found in figures.items())])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="where the model and the figures are kept")
    parser.add_argument("--miniature", action="store_true", help="a small model on the processor")
    options = parser.parse_args(arguments)
    if not options.miniature and not torch.cuda.is_available():
        raise SystemExit("torch sees no graphics card; --miniature runs on the processor.")
    METHODS["projected"] = PROJECTED
    card = Card(options.out, options.miniature)
    for parts, again in ((0, False), (1, False), (1, True)):
        name = f"peak of a step, 4 + 4, parts of {parts or 4}{', checkpointing' * again}"
        card.figure(name, lambda parts=parts, again=again: peak(card, parts, again))  # type: ignore[misc]
    kinds: dict[str, Callable[[Setup], Callable[[], Any]]] = {
        "plain sum": plain_sum,
        "restricted": lambda setup: balign_step(setup, "rgd"),
        "projected": lambda setup: balign_step(setup, "projected"),
        "reference": lambda setup: reference(setup, checkpointing=True),
    }
    for kind, make in kinds.items():
        card.figure(f"{kind}, fp32", lambda make=make: pace(card, make, "fp32"))  # type: ignore[misc]
    for form in ("tf32", "bf16"):
        card.figure(f"plain sum, {form}", lambda form=form: pace(card, plain_sum, form))  # type: ignore[misc]
    for form, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        card.figure(f"drawing, {form}", lambda dtype=dtype: drawing(card, dtype))  # type: ignore[misc]
    card.figure("a whole run", lambda: whole(card))
    print(table(card.figures))


if __name__ == "__main__":
    main()
