"""Which of the weight files of a pipeline's part are read, by their names alone: of a folder or of a hub's listing.

The unmarked copy comes first, then half-precision and other variants (weights are fp32 in memory whatever they were on
disk). Any of them may be in one file or in several.
"""

import re
from collections.abc import Collection
from typing import NamedTuple

from balign.refusal import Refusal

STEMS = {"text_encoder": "model"}
"""What the weights of a part are called; those of all others ``diffusion_pytorch_model``."""
VARIANTS = ("fp32", "bf16", "fp16")
"""The copies that are read before any other marked one."""
PICKLED = (".bin", ".ckpt", ".pt", ".pth")


class WeightChoice(NamedTuple):
    """The files of one copy of a part's weights, and the mark of that copy."""

    files: tuple[str, ...]
    variant: str | None


def choose(names: Collection[str], part: str, where: str, pipeline: str = "StableDiffusionPipeline") -> WeightChoice:
    """The weight files to read of those in a part's folder. Raises Refusal that names what was found instead."""
    stem = STEMS.get(part, "diffusion_pytorch_model")
    copies: dict[str | None, set[str]] = {}
    shards: dict[str | None, tuple[set[str], int]] = {}
    for name in names:
        found = re.fullmatch(rf"{stem}(\.[\w-]+?)?(-\d+-of-(\d+))?(\.[\w-]+)?\.safetensors", name)
        if not found:
            continue
        variant = (found[1] or found[4] or "").strip(".") or None
        if found[3]:
            shards.setdefault(variant, (set(), int(found[3])))[0].add(name)
        else:
            copies[variant] = {name}
    for variant, (several, count) in shards.items():
        index = f"{stem}.safetensors.index.{variant}.json" if variant else f"{stem}.safetensors.index.json"
        if variant not in copies and len(several) == count and index in names:
            copies[variant] = several | {index}
    if copies:
        variant = min(copies, key=_rank)
        return WeightChoice(tuple(sorted(copies[variant])), variant)
    raise Refusal(_why_not(names, shards, f"{where}/{part}", stem, where, pipeline))


def _rank(variant: str | None) -> tuple[int, str]:
    if variant is None:
        return 0, ""
    return (1 + VARIANTS.index(variant) if variant in VARIANTS else 1 + len(VARIANTS)), variant


def _why_not(
    names: Collection[str],
    shards: dict[str | None, tuple[set[str], int]],
    part: str,
    stem: str,
    where: str,
    pipeline: str,
) -> str:
    for several, count in shards.values():
        lacking = f"{count - len(several)} of {count} files" if len(several) < count else "the index.json of its files"
        return f"{part} lacks {lacking} of its weights; get them again."
    pickled = sorted(name for name in names if name.endswith(PICKLED))
    if pickled:
        return (
            f"{part} has its weights pickled ({pickled[0]}), which could run code; only weights saved as safetensors "
            f"are accepted. If you trust them, convert them: {conversion(where, pickled[0], pipeline)}"
        )
    others = sorted(name for name in names if name.endswith(".safetensors"))
    if others:
        return f"{part} has no {stem}.safetensors but {others[0]}; if that holds its weights, rename it so."
    return f"{part} has no {stem}.safetensors; only weights saved as safetensors are accepted."


def conversion(where: str, pickled: str, pipeline: str) -> str:
    """The command that writes a pipeline with pickled weights again with safetensors."""
    marked = pickled.split(".")[1:-1]
    options = f", variant={marked[0]!r}" if marked else ""
    options += ", safety_checker=None" if pipeline == "StableDiffusionPipeline" else ""
    return (
        f'python -c "from diffusers import {pipeline} as P; '
        f"P.from_pretrained({where!r}{options})"
        f'.save_pretrained({where.rstrip("/").split("/")[-1] + "-safetensors"!r})"'
    )
