"""How much memory a run takes at its worst, and in which parts its batches fit: a formula of what was counted.

``python -m benchmarks.fit`` prints it for cards of several sizes and checks it against a measured peak.
"""

from collections.abc import Iterator
from dataclasses import replace

from balign.method.objectives import Settings
from balign.models.catalogue import DIT, EMOJI, FASHION, Entry
from balign.models.footprint import Footprint
from balign.runs.config import RunConfig
from balign.runs.prompt_lists import BATCH

PROCESS = {False: 0.75e9, True: 0.7e9}
"""Bytes taken before a model is loaded: on a processor by python and its libraries, on a card by its driver."""
FROZEN, SCORER = 0.83e9, 0.61e9
"""Bytes of a large model's text encoder and autoencoder, and of the scorer that goes with it."""
DECODING = 0.81e9 / 512**2
"""Bytes to decode a pixel; pictures of 512 pixels and more are decoded one at a time."""
UNAIMED = ("ascent", "weighted_ascent", "relabel")
"""The forget losses that ask the base for no target."""
SPARE = 0.95
"""The share of the free memory that is counted on."""


def at_once(settings: Settings) -> int:
    """The most pictures that go through the model together."""
    largest = max(settings.batch_forget, settings.batch_retain)
    return min(settings.micro_batch or largest, largest)


def training(footprint: Footprint, settings: Settings) -> float:
    """Bytes that a step holds: the weights, what there is of those that train, and what is kept to learn from.

    Of those that train: the weights before the step, two gradients, Adam's two moments, the base's own where a target
    is made from it, earlier gradients, and four more while a difference of gradients is taken.
    """
    if not settings.steps:
        return footprint.weights + 2 * footprint.trained["cross_attention_kv"]
    aimed = settings.retain_target == "base" or settings.forget not in UNAIMED
    copies = 5 + aimed + settings.buffer + 4 * (settings.orthogonality > 0)
    learning = footprint.learning[settings.train][settings.gradient_checkpointing]
    return footprint.weights + copies * footprint.trained[settings.train] + at_once(settings) * learning


def drawing(footprint: Footprint, entry: Entry) -> float:
    """Bytes that drawing and decoding hold."""
    pixels = entry.size_px**2
    decoding = DECODING * max(pixels, min(BATCH * pixels, 512**2))
    drawn = min(BATCH, max(1, 8 * 512**2 // pixels))  # as DiffusersModel does
    return footprint.weights + max(2 * drawn * footprint.predicting, decoding) + _others(entry)[0]


def needed(footprint: Footprint, settings: Settings, entry: Entry, gpu: bool) -> float:
    """Bytes that the whole run takes at its worst."""
    return max(training(footprint, settings), drawing(footprint, entry)) + _others(entry)[1] + PROCESS[gpu]


def beside(entry: Entry, gpu: bool) -> float:
    """Bytes that are held beside a step."""
    return _others(entry)[1] + PROCESS[gpu]


def fit(footprint: Footprint, settings: Settings, config: RunConfig, room: float) -> Settings | None:
    """The settings in the largest parts of a batch whose step fits into so many bytes; None if none does.

    First the batch is split, which costs next to nothing; then gradients are checkpointed, which costs a third more
    time. What the config says of either is kept.
    """
    for split in _splits(settings, config):
        if training(footprint, split) <= SPARE * room:
            return split
    return None


def least(settings: Settings, config: RunConfig) -> Settings:
    """The settings in the parts that take the least memory."""
    return list(_splits(settings, config))[-1]


def _splits(settings: Settings, config: RunConfig) -> Iterator[Settings]:
    """What the config leaves open, from the fastest to the smallest."""
    whole = max(settings.batch_forget, settings.batch_retain)
    sizes = [config.micro_batch] if config.micro_batch else [0, *_halves(whole)]
    could = (False, True) if settings.forget != "attention" else (False,)
    for again in could if config.gradient_checkpointing is None else (config.gradient_checkpointing,):
        for size in sizes:
            yield replace(settings, micro_batch=size, gradient_checkpointing=again)


def _halves(size: int) -> Iterator[int]:
    while size > 1:
        size = -(-size // 2)
        yield size


def _others(entry: Entry) -> tuple[float, float]:
    """Bytes of the parts that are loaded to draw, and of the scorer."""
    if entry.lexicon in (EMOJI.lexicon, FASHION.lexicon):
        return 0.0, 0.05e9
    return FROZEN - 0.49e9 * (entry.family == DIT.family), SCORER
