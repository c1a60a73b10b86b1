"""Chooses in which parts the batches of a run go through the model, by the memory that is free where it will train."""

import math
from dataclasses import replace

import psutil
import torch

from balign.machine import GB
from balign.markup.formats import counted, gigabytes
from balign.method.objectives import Settings
from balign.models import counting, footprint
from balign.models.base import BaseModel
from balign.models.catalogue import CATALOGUE
from balign.models.footprint import Footprint
from balign.refusal import Refusal
from balign.runs.engine.checkpoint import Checkpoint
from balign.runs.engine.job import Job
from balign.runs.estimate import memory


def fitted(job: Job, saved: Checkpoint | None) -> tuple[Settings, str]:
    """The settings with the parts chosen, as a training that is resumed had them, and what was chosen as a sentence.

    Raises Refusal where even the smallest part does not fit.
    """
    settings, config = job.settings, job.run.config
    if not settings.steps or (job.light and not config.micro_batch):
        return settings, ""
    taken = measured(job.model, settings)
    room = _free(job.model) + taken.weights
    before = saved.state["settings"] if saved else {}
    if "micro_batch" in before and config.micro_batch is None and config.gradient_checkpointing is None:
        again = replace(settings, **{name: before[name] for name in ("micro_batch", "gradient_checkpointing")})
        if memory.training(taken, again) <= room:
            return again, _said(again, room)
    split = memory.fit(taken, settings, config, room)
    if split is None:
        least = memory.training(taken, memory.least(settings, config)) / memory.SPARE
        fewer = replace(settings, train="cross_attention")
        ways = [f"{gigabytes(least / GB)} free"]
        if memory.fit(taken, fewer, config, room):
            ways.insert(0, "training the cross-attention alone (--train cross_attention)")
        elif config.micro_batch or config.gradient_checkpointing is False:
            ways.insert(0, "--micro-batch and --gradient-checkpointing left out")
        raise Refusal(
            f"The memory is too small: a step needs {gigabytes(least / GB)} even in the smallest parts, and "
            f"{gigabytes(room / GB)} {_where(job.model)} are free. It should work with {', or with '.join(ways)}."
        )
    return split, _said(split, room) if split.micro_batch else ""


def measured(model: BaseModel, settings: Settings) -> Footprint:
    """What the model takes at the size it draws: a known model's of the same shape, else counted now."""
    weights = sum(weight.numel() * weight.element_size() for weight in model.denoiser.parameters())
    side = round(math.prod(model.latent_shape[1:]) ** 0.5)
    for entry in CATALOGUE:
        if (known := footprint.known(entry)).weights == weights:
            return known.at(side)
    hollow, conditions, which = model.hollow(), model.encode_text([""]), settings.train
    trained = sum(weight.numel() * 4 for weight in model.denoiser.parameters() if weight.requires_grad)
    both = [counting.learning(hollow, conditions, which, again) for again in (False, True)]
    return Footprint(side, weights, {which: trained}, {which: both}, 0, 0)


def _said(settings: Settings, room: float) -> str:
    parts = counted(memory.at_once(settings), "picture")
    again = ", with gradient checkpointing" if settings.gradient_checkpointing else ""
    return f"{gigabytes(room / GB)} of memory are free, so each step takes its batches in parts of {parts}{again}."


def _where(model: BaseModel) -> str:
    return "of the graphics card's memory" if model.device.type == "cuda" else "of memory"


def _free(model: BaseModel) -> float:
    """Bytes that are free on the very device that the model is on."""
    if model.device.type == "cuda":
        torch.cuda.empty_cache()
        return float(torch.cuda.mem_get_info(model.device)[0])
    return float(psutil.virtual_memory().available)
