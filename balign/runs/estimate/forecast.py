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
from balign.method.objectives import Settings, settle
from balign.models.catalogue import Entry, locate
from balign.models.footprint import known
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.estimate import memory
from balign.runs.estimate.timings import Timings, earlier_runs
from balign.runs.folder import runs_root
from balign.runs.prompt_lists import Pictures, model_entry, pictures, prompt_sets, resolve

FLOPS = 45e9
"""Operations of a denoiser that two cores do in a second."""
LEARN = 1.5
"""Denoising steps that training on one picture costs about as much as; one is two predictions, with guidance."""
AGAIN = 0.5
"""What gradient checkpointing adds to that."""
GPU = 60
"""How many times faster a graphics card is taken to be."""
LONG = 3 * 3600.0
"""Seconds of a run that is worth a warning."""
START, START_A_GB = 10.0, 2.0
"""Seconds to start, and for each GB of model."""
STORED = 5
"""Copies of the trained weights on disk: the checkpoint's four, and the result."""
REMEDIES: tuple[tuple[str, dict[str, object]], ...] = (
    ("training the cross-attention alone", {"train": "cross_attention"}),
    ("--micro-batch and --gradient-checkpointing left out", {"micro_batch": None, "gradient_checkpointing": None}),
    ("the bundled model", {"model": "emoji", "train": None, "size": None}),
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
    split: str
    """In what parts a batch goes through the model, if not whole, as words."""
    obstacle: str
    """Why the run would hardly work here, and what would; empty if it should fit."""
    impossible: bool = False
    """Whether that stays so whatever else ends on this machine."""
    warning: str = ""
    """What to think of before a run that would fit; empty for most."""


def estimate(config: RunConfig, sets: PromptSets) -> Estimate:
    """Time, memory and disk for this run and its prompts."""
    entry, drawn, same, spare = (
        model_entry(config),
        pictures(config, sets),
        earlier_runs(config),
        free(config.device, runs_root()),
    )
    settings, fits = _split(config, entry, spare)
    memory = _memory(settings, entry, same, spare)
    disk = _disk(settings, entry, drawn, same)
    seconds = _seconds(config, settings, entry, drawn, _cached(config, sets, same), same, spare.gpu)
    return Estimate(
        seconds=seconds,
        memory_gb=memory,
        memory_measured=bool(_measured(settings, same)),
        disk_gb=disk,
        runs=len(same),
        download=not (same or isinstance(locate(entry), Path)),
        split=_words(settings),
        obstacle=_obstacle(config, memory if not fits else 0.0, disk, spare),
        impossible=not fits and memory > spare.total,
        warning=_warning(seconds, spare),
    )


def _warning(seconds: float, spare: Free) -> str:
    """That a run takes long, and what would make it shorter; empty for one that does not."""
    if seconds < LONG:
        return ""
    if spare.gpu:
        return "This takes long; you may stop it at any time, and what there is then is kept and compared."
    faster = duration(seconds / GPU)
    return f"There is no graphics card here; with one it would be about {faster}. The bundled model needs none."


def sentence(expected: Estimate) -> str:
    """The estimate as a sentence or two, without the obstacle."""
    time = f"About {duration(expected.seconds)}"
    memory = f"{gigabytes(expected.memory_gb)} of memory{expected.split}"
    source = f"going by {counted(expected.runs, 'earlier run')} on this machine"
    if expected.memory_measured:
        return f"{time} and {memory}, {source}."
    if expected.runs:
        return f"{time}, {source}; by a count, {memory}."
    download = "; it is fetched first if it is not on the disk" if expected.download else ""
    return f"{time} and {memory}. The time is a guess: no run of this model has finished here yet{download}."


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
    config: RunConfig,
    settings: Settings,
    entry: Entry,
    drawn: Pictures,
    cached: tuple[int, int],
    same: Sequence[Timings],
    gpu: bool,
) -> float:
    batch = settings.batch_forget + settings.batch_retain
    tests = max(drawn.compared + drawn.reference - cached[1], 0) + drawn.checked
    count = max(drawn.training - cached[0], 0) + tests + drawn.previews * drawn.in_preview
    unit = 2 * known(entry).flops / FLOPS / (GPU if gpu else 1)
    denoise = median(run.denoise for run in same) if same else unit
    learnt = [run for run in same if run.learn]
    like = [r for r in learnt if r.forget == settings.forget and r.train == settings.train] or learnt
    again = AGAIN if settings.gradient_checkpointing else 0.0
    learn = median(run.learn for run in like) if like else (LEARN + again) * denoise
    start = median(run.start for run in same) if same else START + START_A_GB * entry.memory_gb
    return start + count * (config.sampling_steps or entry.steps) * denoise + settings.steps * batch * learn


def _cached(config: RunConfig, sets: PromptSets, same: Sequence[Timings]) -> tuple[int, int]:
    """How many training and test pictures an earlier run of the same seed left in the cache, if still there."""
    drawn_with = (config.seed, config.sampler, config.sampling_steps, config.guidance)
    like = [run for run in same if run.drawn_with == drawn_with and (not run.cached or run.cached.exists())]
    drawn = {prompt for run in like for prompt in run.drawn}
    tests = {test.prompt for group in sets.tests.values() for test in group}
    again = any(tests <= run.tested for run in like)  # in whole batches, which other prompts would not share
    base = pictures(config, sets)
    return sum(prompt in drawn for prompt in [*sets.forget, *sets.retain]), (
        base.compared // 2 + base.reference if again else 0
    )


# ----------------------------------------------------------------------------------------------------------------------
# Memory and disk


def _split(config: RunConfig, entry: Entry, spare: Free) -> tuple[Settings, bool]:
    """The settings with the parts that a batch will be worked on in, and whether the run then fits."""
    settings, footprint = settle(config), known(entry)
    room = spare.memory * GB - memory.beside(entry, spare.gpu)
    split = memory.fit(footprint, settings, config, room)
    if split is None:
        return memory.least(settings, config), False
    return split, memory.drawing(footprint, entry) <= room


def _words(settings: Settings) -> str:
    """In what parts a batch goes through the model; empty where it does so whole."""
    if not settings.micro_batch or not settings.steps:
        return ""
    again = " and gradient checkpointing" if settings.gradient_checkpointing else ""
    return f", with {counted(memory.at_once(settings), 'picture')} of a batch at a time{again}"


def _memory(settings: Settings, entry: Entry, same: Sequence[Timings], spare: Free) -> float:
    """GB: the most that such a run took, or else what is counted."""
    like = _measured(settings, same)
    if like:
        return max(run.memory_gb for run in like)
    return memory.needed(known(entry), settings, entry, spare.gpu) / GB


def _measured(settings: Settings, same: Sequence[Timings]) -> list[Timings]:
    """The runs that trained the same weights on as many pictures at a time and measured their memory."""
    at_once = memory.at_once(settings)
    return [run for run in same if (run.train, run.at_once) == (settings.train, at_once) and run.memory_gb]


def _disk(settings: Settings, entry: Entry, drawn: Pictures, same: Sequence[Timings]) -> float:
    """GB: the most that such a run left; else its pictures as they would be uncompressed, and its weights."""
    train = settings.train
    weights = max((r.disk_gb for r in same if r.train == train), default=STORED * known(entry).trained[train] / GB)
    return (drawn.compared + drawn.reference + drawn.training) * 3 * entry.size_px**2 / GB + weights


def _obstacle(config: RunConfig, memory: float, disk: float, spare: Free) -> str:
    """Why the run would hardly work here, and what would; empty if it should fit. memory: 0 where that suffices."""
    if disk > spare.disk:
        needed, there = gigabytes(disk), gigabytes(spare.disk)
        return f"The disk is too full: about {needed} are needed and {there} are free; free some first."
    if not memory:
        return ""
    where = "of the graphics card's memory " if spare.gpu else ""
    ways = [*_remedies(config, spare), f"{gigabytes(memory)} free"]
    return (
        f"The memory is too small: about {gigabytes(memory)} are needed and {gigabytes(spare.memory)} {where}are free. "
        f"It should work with {', or with '.join(ways)}."
    )


def _remedies(config: RunConfig, spare: Free) -> Iterator[str]:
    """The changes that would make the run fit."""
    for text, change in REMEDIES:
        changed = RunConfig.parse(config.model_dump() | change)
        if changed != config and _split(changed, model_entry(changed), spare)[1]:
            yield text
