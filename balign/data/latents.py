"""What the base model itself draws, to train on and to compare with, kept as latents in a cache that all runs share.

Every latent is a file named by what it was drawn from: the model's fingerprint, prompt, seed and sampler. Files are
written whole and hold a checksum: a damaged one is noticed and drawn again. What was
used the longest ago goes when the cache is larger than it may be.
"""

import hashlib
import json
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from balign.atomic import atomic
from balign.data.latent_cache import LATENTS, cache_folder, used
from balign.data.prompts import PromptSets
from balign.models.base import PRECISIONS, BaseModel
from balign.refusal import Refusal

VERSION = 1  # raise when the same inputs come to give another latent


class Latents(NamedTuple):
    """What the base model drew for the forget and retain prompts (N, C, h, w), and where each latent is kept."""

    forget: Tensor
    retain: Tensor
    manifest: list[dict[str, Any]]
    """One {prompt, seed, file, side} a latent, forget before retain; an own picture's has its sha256 instead."""


class TrainingData(NamedTuple):
    """The latents and conditions of both sides, on the CPU."""

    forget_latents: Tensor  # (N, C, h, w)
    retain_latents: Tensor  # (M, C, h, w)
    forget_conditions: Tensor  # (N, L, D)
    retain_conditions: Tensor  # (M, L, D)
    anchor_conditions: Tensor  # (N, L, D): the forget prompts with the concept replaced
    empty_condition: Tensor  # (1, L, D)
    forget_span: Tensor | None = None  # (N, 2): the first and the last token of the concept, if prompts are words
    anchor_span: Tensor | None = None  # (N, 2): those of the replacement


def image_seeds(prompts: Sequence[str], seed: int) -> list[int]:
    """A seed for each image, from its prompt and how often that came before: other runs draw the same for a prompt."""
    count: Counter[str] = Counter()
    seeds = []
    for prompt in prompts:
        digest = hashlib.sha256(json.dumps([seed, count[prompt], prompt]).encode()).digest()
        seeds.append(int.from_bytes(digest[:4]) >> 1)
        count[prompt] += 1
    return seeds


def make(
    model: BaseModel,
    prompts: PromptSets,
    cache_dir: str | Path | None = None,
    seed: int = 0,
    *,
    steps: int,
    guidance: float,
    batch: int = 8,
    own: Mapping[int, Tensor] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_drawn: Callable[[Sequence[int], Sequence[Tensor]], None] | None = None,
) -> Latents:
    """The latents of the forget and retain prompts, from the cache or else drawn in batches and put there.

    own: those of somebody's own pictures, by their place in both lists together; they are never in the cache.

    Both sides are drawn at the same pace. on_drawn is called with the places, in both lists together, and latents of
    what was in the cache, then of each batch. on_progress is called with how many are done and how many there are; an
    exception it raises ends the work, and every finished batch stays in the cache. Raises OSError if the cache cannot
    be written.
    """
    folder = _folder(model, cache_dir)
    texts = [*prompts.forget, *prompts.retain]
    seeds = image_seeds(texts, seed)
    files = [
        folder / f"{_key(VERSION, model, prompt, image_seed, steps, guidance)}.npz"
        for prompt, image_seed in zip(texts, seeds, strict=True)
    ]
    given = own or {}
    latents = [given.get(i, None) if i in given else _read(file, model.latent_shape) for i, file in enumerate(files)]
    missing = [i for i, latent in enumerate(latents) if latent is None]
    n, m = len(prompts.forget), len(prompts.retain)
    missing.sort(key=lambda i: i / n if i < n else (i - n) / m)
    done = len(texts) - len(missing)
    if on_drawn is not None:
        cached = [i for i, latent in enumerate(latents) if latent is not None and i not in given]
        on_drawn(cached, [latent for i in cached if (latent := latents[i]) is not None])
    if on_progress is not None:
        on_progress(done, len(texts))
    for start in range(0, len(missing), batch):
        chunk = missing[start : start + batch]
        # Always a full batch: in a smaller one a latent differs in its last bits, and then what was cached before, or
        # where a run was killed, would show in the weights. Which others share the batch changes nothing.
        full = (chunk * batch)[:batch]
        drawn = model.generate(
            [texts[i] for i in full], [seeds[i] for i in full], steps=steps, guidance=guidance, batch=batch
        )
        for i, latent in zip(chunk, _finite(model, drawn[: len(chunk)]), strict=True):
            latents[i] = stored = latent
            _write(files[i], stored)
        done += len(chunk)
        if on_drawn is not None:
            on_drawn(chunk, list(drawn[: len(chunk)]))
        if on_progress is not None:
            on_progress(done, len(texts))
    whole = torch.stack([latent for latent in latents if latent is not None])
    manifest = [
        {"prompt": prompt, "side": "forget" if i < n else "retain"}
        | ({"sha256": prompts.own[i]} if i in given else {"seed": image_seed, "file": str(file)})
        for i, (prompt, image_seed, file) in enumerate(zip(texts, seeds, files, strict=True))
    ]
    return Latents(whole[:n], whole[n:], manifest)


def none(model: BaseModel) -> Latents:
    """The latents of a run that trains on none."""
    empty = torch.empty(0, *model.latent_shape)
    return Latents(empty, empty, [])


def batch_of(model: BaseModel, prompts: Sequence[str], seeds: Sequence[int], *, steps: int, guidance: float) -> Tensor:
    """What the base model draws of these prompts in one batch: latents (N, C, h, w), from the cache or put there.

    The batch is one file, since its size may show in the last bits; so may the release of torch, the processor and the
    number of its threads, of which the name of the file speaks too. Raises OSError if the cache cannot be written.
    """
    names = [VERSION, _arithmetic(model.device)]
    file = _folder(model) / f"{_key(names, model, list(prompts), list(seeds), steps, guidance)}.npz"
    latents = _read(file, (len(prompts), *model.latent_shape))
    if latents is None:
        drawn = model.generate(prompts, seeds, steps=steps, guidance=guidance, batch=len(prompts))
        latents = _finite(model, drawn)
        _write(file, latents)
    return latents


def _finite(model: BaseModel, drawn: Tensor) -> Tensor:
    """What was drawn, in fp32 on the CPU. Raises Refusal if any of it is no number."""
    drawn = drawn.detach().to("cpu", torch.float32)
    if not bool(drawn.isfinite().all()):
        name = next(name for name, dtype in PRECISIONS.items() if dtype == model.drawn_in)
        better = " or ".join(each for each in ("fp32", "bf16") if each != name)
        accepted = "its weights may be damaged" if name == "fp32" else f"--precision {better} is accepted"
        raise Refusal(f"What the model drew in {name} is not finite; {accepted}.")
    return drawn


def training_data(model: BaseModel, prompts: PromptSets, latents: Latents, batch: int = 32) -> TrainingData:
    """The latents with their prompts' conditions, each different prompt encoded once."""
    different = list(dict.fromkeys(["", *prompts.forget, *prompts.retain, *prompts.anchor]))
    with torch.no_grad():
        parts = [model.encode_text(different[i : i + batch]).cpu() for i in range(0, len(different), batch)]
    encoded = torch.cat(parts)
    place = {prompt: i for i, prompt in enumerate(different)}

    def conditions(texts: Sequence[str]) -> Tensor:
        return encoded[[place[prompt] for prompt in texts]]

    return TrainingData(
        forget_latents=latents.forget,
        retain_latents=latents.retain,
        forget_conditions=conditions(prompts.forget),
        retain_conditions=conditions(prompts.retain),
        anchor_conditions=conditions(prompts.anchor),
        empty_condition=conditions([""]),
        **_spans(model, prompts),
    )


def _spans(model: BaseModel, prompts: PromptSets) -> dict[str, Tensor]:
    """Where forget prompts and their twins with the replacement differ, which is where the concept stands."""
    forget, anchor = model.token_ids(prompts.forget), model.token_ids(prompts.anchor)
    if not forget or not anchor:
        return {}
    sides = zip(*(differing(ids, twin) for ids, twin in zip(forget, anchor, strict=True)), strict=True)
    return dict(zip(("forget_span", "anchor_span"), map(torch.tensor, sides), strict=True))


def differing(ids: Sequence[int], twin: Sequence[int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """The first and the last place at which two sequences differ, in each; where one only lacks something, the next."""
    shorter = min(len(ids), len(twin))
    same = [a == b for a, b in zip(ids, twin, strict=False)]
    first = same.index(False) if False in same else max(0, shorter - 1)
    after = 0
    while after < shorter - first and ids[-1 - after] == twin[-1 - after]:
        after += 1
    return (first, max(first, len(ids) - 1 - after)), (first, max(first, len(twin) - 1 - after))


def _folder(model: BaseModel, cache_dir: str | Path | None = None) -> Path:
    return (Path(cache_dir) if cache_dir is not None else cache_folder()) / LATENTS / model.fingerprint[:16]


def _key(version: object, model: BaseModel, prompt: object, seed: object, steps: int, guidance: float) -> str:
    drawn_from = [version, model.fingerprint, model.device.type, prompt, seed, steps, float(guidance)]
    return hashlib.sha256(json.dumps(drawn_from).encode()).hexdigest()


def _arithmetic(device: torch.device) -> str:
    """What the last bits of a drawing hang on beside the model and the batch."""
    if device.type == "cuda":
        return f"{torch.__version__} {torch.cuda.get_device_name(device)}"
    return f"{torch.__version__} {torch.backends.cpu.get_cpu_capability()} {torch.get_num_threads()}"


def _read(file: Path, shape: tuple[int, ...]) -> Tensor | None:
    """The latent (C, h, w) in the file; None if there is none, or it is damaged or of another model."""
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            latent = torch.from_numpy(archive["latent"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        warnings.warn(f"The cached latent {file} is unreadable and is drawn again: {error}", stacklevel=3)
        return None
    if tuple(latent.shape) != tuple(shape) or latent.dtype != torch.float32 or not bool(latent.isfinite().all()):
        warnings.warn(f"The cached latent {file} is not one of this model and is drawn again.", stacklevel=3)
        return None
    used(file)
    return latent


def _write(file: Path, latent: Tensor) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic(file) as draft, draft.open("wb") as stream:
            np.savez(stream, latent=latent.numpy())
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(
            f"The image cache {file.parent} cannot be written ({reason}); free some space, "
            "or name another folder in BALIGN_CACHE."
        ) from error
