"""Before a run begins: its prompts, and what it will take by what finished runs of the same model took here.

With no such run it is a guess from the catalogue, and says so. It reads folders and asks the machine what is free; it
loads no model. The limits of a container, and what else will want the machine meanwhile, are not known here.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil

from balign.data.prompts import PromptSets, build
from balign.method.objectives import Settings, settle
from balign.models.catalogue import Entry, find, locate
from balign.runs.config import RunConfig
from balign.runs.estimate.timings import Past, past_runs
from balign.runs.folder import runs_root

GB = 1e9
DENOISE = 0.0067
"""Seconds of one denoising step a picture, for each GB of the catalogue's memory and 64 x 64 pixels, on two cores."""
GPU = 60
"""How many times faster a graphics card is taken to be."""
LEARN = 1.5
"""Denoising steps that learning from one picture costs about as much as."""
START, START_A_GB = 10.0, 2.0
"""Seconds to start, and for each GB of model."""
SHARES = {"cross_attention_kv": 0.025, "cross_attention": 0.06, "all": 1.0}
"""About what share of a denoiser's weights each choice trains."""
DENOISER = 0.29
"""About what share of the catalogue's memory the denoiser's weights are."""
COPIES = 6
"""Copies of the trained weights that a step holds: before, two gradients, the optimiser's two, the step."""
STORED = 5
"""Copies of the trained weights on disk: the checkpoint's four, and the result."""
BATCH = 8
PREVIEWED = 4
REMEDIES: tuple[tuple[str, dict[str, object]], ...] = (
    ("training the cross-attention alone", {"train": "cross_attention"}),
    ("batches of 4 (--batch-forget 4 --batch-retain 4)", {"batch_forget": 4, "batch_retain": 4}),
    ("the bundled model", {"model": "emoji", "train": None}),
)


class Estimate(NamedTuple):
    """What a run will take; `runs` is how many earlier ones say so, 0 for a guess. Empty `obstacle`: it should fit."""

    seconds: float
    memory_gb: float
    weighed: bool
    """Whether an earlier run said how much memory it took."""
    disk_gb: float
    runs: int
    fetched: bool
    obstacle: str


class Free(NamedTuple):
    """What the machine has to spare, in GB."""

    memory: float
    disk: float
    gpu: bool


def prompt_sets(config: RunConfig) -> PromptSets:
    """The prompts of this run. Raises what building them raises."""
    return build(
        config.erase,
        config.keep,
        find(config.model).lexicon,
        n_forget=config.n_forget,
        n_retain=config.n_retain,
        seed=config.seed,
        uniform=not settle(config).objective.diversified,
        n_test=config.n_eval,
    )


def estimate(config: RunConfig) -> Estimate:
    """Time, memory and disk for this run. Raises what building its prompts raises."""
    entry, sets = find(config.model), prompt_sets(config)
    same, spare = past_runs(config), free(config)
    memory = _memory(config, same)
    disk = _disk(config, entry, sets, same)
    return Estimate(
        seconds=_seconds(config, entry, sets, same, spare.gpu),
        memory_gb=memory,
        weighed=bool(_weighed(config, same)),
        disk_gb=disk,
        runs=len(same),
        fetched=not (same or isinstance(locate(entry), Path)),
        obstacle=_obstacle(config, memory, disk, spare),
    )


def words(found: Estimate) -> str:
    """The estimate as a sentence or two, without the obstacle."""
    time_, memory = f"About {duration(found.seconds)}", f"{_gb(found.memory_gb)} of memory"
    ground = f"going by {found.runs} earlier run{'s' * (found.runs > 1)} on this machine"
    if found.weighed:
        return f"{time_} and {memory}, {ground}."
    if found.runs:
        return f"{time_}, {ground}; by a guess, {memory}."
    fetched = "; it is fetched first if it is not on the disk" if found.fetched else ""
    return f"{time_} and {memory}. This is a guess: no run of this model has finished here yet{fetched}."


def told(config: RunConfig) -> str:
    """All of it for a terminal; empty for a config that no run can be made of, which the run itself will say."""
    try:
        found = estimate(config)
    except (ValueError, OSError):
        return ""
    return " ".join(filter(None, (words(found), found.obstacle)))


def duration(seconds: float) -> str:
    """Seconds in words, rounded as far as an estimate deserves."""
    if seconds < 90:
        return f"{max(5 * round(seconds / 5), 5)} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _gb(amount: float) -> str:
    return f"{amount:.0f} GB" if amount >= 10 else f"{max(amount, 0.1):.1f} GB"


# ----------------------------------------------------------------------------------------------------------------------
# Time


def _seconds(config: RunConfig, entry: Entry, sets: PromptSets, same: Sequence[Past], gpu: bool) -> float:
    settings = settle(config)
    batch = settings.batch_forget + settings.batch_retain
    tests = sum(map(len, sets.tests.values())) * config.eval_seeds
    drawn = _drawn(config, sets, same) + 2 * tests + min(BATCH, tests)  # before, after, and one batch a second time
    drawn += _previews(config, settings) * 3 * min(PREVIEWED, config.n_eval * config.eval_seeds)
    unit = DENOISE * entry.memory_gb * (entry.size_px / 64) ** 2 / (GPU if gpu else 1)
    denoise = median(p.denoise for p in same) if same else unit
    like = [p for p in same if p.forget == settings.objective.forget and p.train == settings.train] or same
    learn = median(p.learn for p in like) if like else LEARN * unit
    start = median(p.start for p in same) if same else START + START_A_GB * entry.memory_gb
    return start + drawn * (config.sampling_steps or entry.steps) * denoise + settings.steps * batch * learn


def _drawn(config: RunConfig, sets: PromptSets, same: Sequence[Past]) -> int:
    """How many training pictures are still to be drawn: what an earlier run of the same seed drew is in the cache."""
    wanted = [*sets.forget, *sets.retain]
    left = list(wanted)
    for past in same:
        if past.drawn_as == (config.seed, config.sampling_steps, config.guidance):
            left = [prompt for prompt in left if prompt not in past.drawn]
    return len(left)


def _previews(config: RunConfig, settings: Settings) -> int:
    return settings.steps // config.preview_every if config.preview_every else 0


# ----------------------------------------------------------------------------------------------------------------------
# Room


def _memory(config: RunConfig, same: Sequence[Past]) -> float:
    """GB: the most that such a run took; else the catalogue's figure and what more weights and pictures add to it."""
    settings, entry = settle(config), find(config.model)
    batch = settings.batch_forget + settings.batch_retain
    like = _weighed(config, same)
    if like:
        return max(p.memory_gb * max(1.0, batch / p.batch) for p in like)
    more = max(SHARES[settings.train] - SHARES["cross_attention"], 0.0) * COPIES * _denoiser(entry)
    return entry.memory_gb * max(1.0, batch / 32) + more


def _weighed(config: RunConfig, same: Sequence[Past]) -> list[Past]:
    """The runs that trained the same weights and said how much memory it took."""
    return [past for past in same if past.train == settle(config).train and past.memory_gb]


def _disk(config: RunConfig, entry: Entry, sets: PromptSets, same: Sequence[Past]) -> float:
    """GB: the most that such a run left; else its pictures as they would be uncompressed, and its weights."""
    train = settle(config).train
    pictures = 2 * sum(map(len, sets.tests.values())) * config.eval_seeds + len(sets.forget) + len(sets.retain)
    weights = max((p.disk_gb for p in same if p.train == train), default=SHARES[train] * STORED * _denoiser(entry))
    return pictures * 3 * entry.size_px**2 / GB + weights


def _denoiser(entry: Entry) -> float:
    """GB of the denoiser's weights: counted if they are at hand."""
    where = locate(entry)
    files = where.glob("unet/*.safetensors") if isinstance(where, Path) else ()
    return sum(file.stat().st_size for file in files) / GB or DENOISER * entry.memory_gb


def _obstacle(config: RunConfig, memory: float, disk: float, spare: Free) -> str:
    """Why it will hardly work here, and what would make it work; empty if nothing speaks against it."""
    if disk > spare.disk:
        return f"The disk is too full: about {_gb(disk)} are needed and {_gb(spare.disk)} are free; make room first."
    if memory <= spare.memory:
        return ""
    where = "of the graphics card's memory " if spare.gpu else ""
    ways = [*_remedies(config, spare.memory), f"{_gb(memory)} free"]
    return (
        f"The memory is too small: about {_gb(memory)} are needed and {_gb(spare.memory)} {where}are free. "
        f"It should work with {', or with '.join(ways)}."
    )


def _remedies(config: RunConfig, spare: float) -> Iterator[str]:
    for text, change in REMEDIES:
        changed = RunConfig.parse(config.model_dump() | change)
        if changed != config and _memory(changed, past_runs(changed)) <= spare:
            yield text


def free(config: RunConfig) -> Free:
    """What can be had now: of the graphics card's memory where it will be used, else of the machine's."""
    root = runs_root().absolute()
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    card = None if config.device in ("cpu", "mps") else _card(int(time.monotonic() // 20))
    memory = psutil.virtual_memory().available / GB if card is None else card
    return Free(memory, shutil.disk_usage(there).free / GB, card is not None)


@lru_cache(maxsize=1)
def _card(moment: int) -> float | None:
    """GB free on the emptiest graphics card, asked anew at every `moment`; None where there is none to ask."""
    if shutil.which("nvidia-smi") is None:
        return None
    asked = ["nvidia-smi", "--query-gpu=memory.free", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=5, check=True).stdout
        return max(float(line) for line in answer.split()) * 2**20 / GB
    except (OSError, subprocess.SubprocessError, ValueError):  # a driver without a card, or out of order
        return None


def peak_gb(device: str) -> float:
    """The most memory this process has held: on a graphics card what torch took there, else what the system counted."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device) / GB
    if os.name != "posix":
        return psutil.Process().memory_info().peak_wset / GB
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / GB
