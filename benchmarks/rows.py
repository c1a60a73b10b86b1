"""How long a step of every method takes, as a ratio to the plain sum, and how much more memory, in trained copies.

    python -m benchmarks.rows --repeats 7

All rows take the same images, conditions, batch and weights as the plain sum of `benchmarks.step`, with Adam, on the
bundled model; steps are interleaved and the median counts. Memory is the peak of a step beyond the plain sum's, in
units of the weights that train. Closed forms take no steps: their one edit is timed by itself, in seconds.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

from balign.method import editing
from balign.method.method_table import METHODS
from benchmarks.memory import peak_bytes
from benchmarks.step import balign_step, plain_sum, set_up

EMOJI = Path(__file__).parents[1] / "assets" / "models" / "emoji"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", type=Path, default=EMOJI)
    options.add_argument("--train", default="cross_attention")
    options.add_argument("--batch", type=int, default=8)
    options.add_argument("--repeats", type=int, default=7)
    chosen = options.parse_args()
    setup = set_up(chosen.model, chosen.train, chosen.batch, "cpu")
    trained = [name for name, row in METHODS.items() if row.steps]
    steps = {"plain sum": plain_sum(setup)} | {name: balign_step(setup, name) for name in trained}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(chosen.repeats + 1):
        for name, step in steps.items():
            started = time.perf_counter()
            step()
            if turn:  # the first warms up
                seconds[name].append(time.perf_counter() - started)
    least = statistics.median(seconds["plain sum"])
    weights = sum(w.numel() * w.element_size() for w in setup.model.denoiser.parameters() if w.requires_grad)
    plain = peak_bytes(lambda: plain_sum(setup), setup.model.device)
    for name in trained:
        more = peak_bytes(lambda name=name: balign_step(setup, name), setup.model.device) - plain  # type: ignore[misc]
        ratio, copies = statistics.median(seconds[name]) / least, more / weights
        print(json.dumps({"method": name, "ratio": round(ratio, 3), "copies": round(copies, 2)}), flush=True)
    for name, row in METHODS.items():
        if not row.steps:
            started = time.perf_counter()
            editing.prepare(row.edit, setup.model.denoiser, setup.data).apply()
            print(json.dumps({"method": name, "seconds": round(time.perf_counter() - started, 2)}), flush=True)


if __name__ == "__main__":
    main()
