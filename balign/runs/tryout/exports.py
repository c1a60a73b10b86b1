"""What was made of a run's weights to be taken away: the names in its folder, what opens each, and what was pushed."""

import re
from contextlib import suppress
from pathlib import Path
from typing import Literal

from balign.models import tensor_file
from balign.models.catalogue import find, unet_widths
from balign.models.original_names import WIDTHS
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.tryout.store import STRENGTHS, StoredResult
from balign.runs.weights import ERASED

Made = Literal["lora", "checkpoint"]
FOLDER, PUSHED = "exports", "pushed.json"
MADE = re.compile(r"exports/(lora-rank-\d{1,3}|whole-model)-strength-\d\.\d\d\.safetensors")
"""A file that other programs open. No name is that of another form."""


class PushedPage(StoredResult):
    """A page on the hub, and what was sent there."""

    what: str
    page: str


class Pushes(StoredResult):
    """What of a run was put on the hub (pushed.json), the latest last."""

    pages: tuple[PushedPage, ...] = ()


def export_name(amount: float, whole: bool = True) -> str:
    """Where, inside the run's folder, a whole pipeline of this strength is written, or its changed weights alone."""
    return f"exports/strength-{amount:.2f}{'' if whole else '.safetensors'}"


def exported(run: Run, whole: bool = True) -> list[str]:
    """Names of the pipelines that were written, or of the files of changed weights."""
    names = (export_name(amount, whole) for amount in STRENGTHS)
    return [name for name in names if run.file(f"{name}/model_index.json" if whole else name)]


def made_name(form: Made, strength: float, rank: int) -> str:
    """Where, inside the run's folder, a file for other programs is written."""
    kind = f"lora-rank-{rank}" if form == "lora" else "whole-model"
    return f"exports/{kind}-strength-{strength:.2f}.safetensors"


def made(run: Run) -> list[Path]:
    """The files for other programs that were made."""
    paths = sorted((run.path / FOLDER).glob("*.safetensors"))
    return [path for path in paths if MADE.fullmatch(f"{FOLDER}/{path.name}") and run.file(f"{FOLDER}/{path.name}")]


def opens(run: Run) -> dict[Made, str]:
    """What opens each form of this run's model; none where its family is read by diffusers alone."""
    with suppress(Refusal):
        entry = find(run.config.model)
        if entry.family == "DiT":
            return {}
        widths = unet_widths(entry)
        if widths in (None, WIDTHS):
            return {
                "lora": "for diffusers, A1111, Forge or ComfyUI, beside the base model",
                "checkpoint": "the whole model in one file, for A1111, Forge or ComfyUI",
            }
        return {
            "lora": "for diffusers, beside the base model; the other programs know no U-Net of this size",
            "checkpoint": "the whole model in one file, for diffusers' from_single_file; "
            "the other programs know no U-Net of this size",
        }
    return {}


def skipped(run: Run) -> list[str]:
    """Trained weights that a LoRA cannot hold, such as biases and norms, by the header of their file."""
    path = run.file(ERASED)
    tensors = tensor_file.read(path).tensors if path else {}
    return [name for name, t in tensors.items() if len(t.shape) not in (2, 4) or not name.endswith(".weight")]


def note_push(run: Run, what: str, page: str) -> None:
    """Keep where something of the run was put."""
    Pushes(pages=(*pushes(run), PushedPage(what=what, page=page))).write(run.path / PUSHED)


def pushes(run: Run) -> tuple[PushedPage, ...]:
    """What of the run was put on the hub, the latest last; nothing if the file is unreadable."""
    with suppress(Refusal):
        known = Pushes.read(run.path / PUSHED)
        return known.pages if known else ()
    return ()
