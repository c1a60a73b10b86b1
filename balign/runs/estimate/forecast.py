"""The estimate before a run: time, memory and disk, by what finished runs of the same model took on this machine.

Without such a run it is a guess from the catalogue, and says so. What else will use the machine meanwhile is not
foreseen.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from balign.data.prompts import PromptSets
from balign.machine import GB, Free, free
from balign.markup.formats import counted, duration, gigabytes
from balign.method.objectives import settle
from balign.models.catalogue import Entry, find, locate
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.estimate.timings import Timings, earlier_runs
from balign.runs.folder import runs_root
from balign.runs.prompt_lists import Pictures, model_entry, pictures, prompt_sets, resolve

DENOISE = 0.0067
"""Seconds of one denoising step a picture, for each GB of the catalogue's memory and 64 x 64 pixels, on two cores."""
LEARN = 1.5
"""Denoising steps that training on one picture costs about as much as."""
GPU = 60
"""How many times faster a graphics card is taken to be."""
START, START_A_GB = 10.0, 2.0
"""Seconds to start, and for each GB of model."""
SHARES = {"cross_attention_kv": 0.025, "cross_attention": 0.06, "not_cross_attention": 0.94, "all": 1.0}
"""About what share of a denoiser's weights each choice trains."""
DENOISER = 0.29
"""About what share of the catalogue's memory the denoiser's weights are."""
COPIES = 6
"""Copies of the trained weights that a step holds: before, two gradients, the optimiser's two, the step."""
STORED = 5
"""Copies of the trained weights on disk: the checkpoint's four, and the result."""
REMEDIES: tuple[tuple[str, dict[str, object]], ...] = (
    ("training the cross-attention alone", {"train": "cross_attention"}),
    ("batches of 4 (--batch-forget 4 --batch-retain 4)", {"batch_forget": 4, "batch_retain": 4}),
    ("the bundled model", {"model": "emoji", "train": None}),
)


class Estimate(NamedTuple):
    """What a run will take."""

    seconds: float
    memory_gb: float
    memory_measured: bool
    """Whether an earlier run measured how much memory it took."""
    disk_gb: float
    runs: int
    """How many earlier runs it is based on; 0 for a guess."""
    download: bool
    """Whether the model may have to be fetched first."""
    obstacle: str
    """Why the run would hardly work here, and what would; empty if it should fit."""


def estimate(config: RunConfig, sets: PromptSets) -> Estimate:
    """Time, memory and disk for this run and its prompts."""
    entry, drawn, same, spare = (
        model_entry(config),
        pictures(config, sets),
        earlier_runs(config),
        free(config.device, runs_root()),
    )
    memory = _memory(config, same)
    disk = _disk(config, entry, drawn, same)
    return Estimate(
        seconds=_seconds(config, entry, drawn, _cached(config, sets, same), same, spare.gpu),
        memory_gb=memory,
        memory_measured=bool(_measured(config, same)),
        disk_gb=disk,
        runs=len(same),
        download=not (same or isinstance(locate(entry), Path)),
        obstacle=_obstacle(config, memory, disk, spare),
    )


def sentence(expected: Estimate) -> str:
    """The estimate as a sentence or two, without the obstacle."""
    time, memory = f"About {duration(expected.seconds)}", f"{gigabytes(expected.memory_gb)} of memory"
    source = f"going by {counted(expected.runs, 'earlier run')} on this machine"
    if expected.memory_measured:
        return f"{time} and {memory}, {source}."
    if expected.runs:
        return f"{time}, {source}; by a guess, {memory}."
    download = "; it is fetched first if it is not on the disk" if expected.download else ""
    return f"{time} and {memory}. This is a guess: no run of this model has finished here yet{download}."


def summary(config: RunConfig) -> str:
    """The whole estimate in one line; empty for a config that cannot run, since the run itself will say why."""
    try:
        expected = estimate(config, prompt_sets(config, resolve(config)))
    except (Refusal, OSError):
        return ""
    return " ".join(filter(None, (sentence(expected), expected.obstacle)))


# ----------------------------------------------------------------------------------------------------------------------
# Time


def _seconds(
    config: RunConfig, entry: Entry, drawn: Pictures, cached: int, same: Sequence[Timings], gpu: bool
) -> float:
    settings = settle(config)
    batch = settings.batch_forget + settings.batch_retain
    tests = drawn.compared + drawn.reference + drawn.checked
    count = max(drawn.training - cached, 0) + tests + drawn.previews * drawn.in_preview
    unit = DENOISE * entry.memory_gb * (entry.size_px / 64) ** 2 / (GPU if gpu else 1)
    denoise = median(run.denoise for run in same) if same else unit
    learnt = [run for run in same if run.learn]
    like = [r for r in learnt if r.forget == settings.forget and r.train == settings.train] or learnt
    learn = median(run.learn for run in like) if like else LEARN * denoise
    start = median(run.start for run in same) if same else START + START_A_GB * entry.memory_gb
    return start + count * (config.sampling_steps or entry.steps) * denoise + settings.steps * batch * learn


def _cached(config: RunConfig, sets: PromptSets, same: Sequence[Timings]) -> int:
    """How many training pictures an earlier run of the same seed has drawn: they are in the cache."""
    drawn_with = (config.seed, config.sampling_steps, config.guidance)
    cached = {prompt for run in same if run.drawn_with == drawn_with for prompt in run.drawn}
    return sum(prompt in cached for prompt in [*sets.forget, *sets.retain])


# ----------------------------------------------------------------------------------------------------------------------
# Memory and disk


def _memory(config: RunConfig, same: Sequence[Timings]) -> float:
    """GB: the most that such a run took; else the catalogue's figure and what more weights and pictures add to it."""
    settings, entry = settle(config), find(config.model)
    batch = settings.batch_forget + settings.batch_retain
    like = _measured(config, same)
    if like:
        return max(run.memory_gb * max(1.0, batch / run.batch) for run in like)
    if not settings.steps:
        return entry.memory_gb
    kept = settings.buffer * SHARES[settings.train] * _denoiser(entry)
    more = kept + max(SHARES[settings.train] - SHARES["cross_attention"], 0.0) * COPIES * _denoiser(entry)
    return entry.memory_gb * max(1.0, batch / 32) + more


def _measured(config: RunConfig, same: Sequence[Timings]) -> list[Timings]:
    """The runs that trained the same weights and measured their memory."""
    train = settle(config).train
    return [run for run in same if run.train == train and run.memory_gb]


def _disk(config: RunConfig, entry: Entry, drawn: Pictures, same: Sequence[Timings]) -> float:
    """GB: the most that such a run left; else its pictures as they would be uncompressed, and its weights."""
    train = settle(config).train
    weights = max((r.disk_gb for r in same if r.train == train), default=SHARES[train] * STORED * _denoiser(entry))
    return (drawn.compared + drawn.reference + drawn.training) * 3 * entry.size_px**2 / GB + weights


def _denoiser(entry: Entry) -> float:
    """GB of the denoiser's weights: counted if they are on this machine."""
    where = locate(entry)
    files = where.glob("unet/*.safetensors") if isinstance(where, Path) else ()
    return sum(file.stat().st_size for file in files) / GB or DENOISER * entry.memory_gb


def _obstacle(config: RunConfig, memory: float, disk: float, spare: Free) -> str:
    """Why the run would hardly work here, and what would; empty if it should fit."""
    if disk > spare.disk:
        needed, there = gigabytes(disk), gigabytes(spare.disk)
        return f"The disk is too full: about {needed} are needed and {there} are free; free some first."
    if memory <= spare.memory:
        return ""
    where = "of the graphics card's memory " if spare.gpu else ""
    ways = [*_remedies(config, spare.memory), f"{gigabytes(memory)} free"]
    return (
        f"The memory is too small: about {gigabytes(memory)} are needed and {gigabytes(spare.memory)} {where}are free. "
        f"It should work with {', or with '.join(ways)}."
    )


def _remedies(config: RunConfig, memory: float) -> Iterator[str]:
    """The changes that would make the run fit into this many GB."""
    for text, change in REMEDIES:
        changed = RunConfig.parse(config.model_dump() | change)
        if changed != config and _memory(changed, earlier_runs(changed)) <= memory:
            yield text
