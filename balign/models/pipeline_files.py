"""The files of a diffusers pipeline that are read. Pickled weights and the safety checker are not."""

import contextlib
from collections.abc import Collection
from pathlib import Path

from balign.models.weight_choice import choose
from balign.refusal import Refusal

CONFIGS = {"model_index": "model_index.json", "scheduler": "scheduler/scheduler_config.json"}
"""Where a configuration is that is no part's ``config.json``."""
WEIGHTS = ("text_encoder", "vae", "unet", "transformer")
"""The parts with weights that a pipeline may have."""
SMALL = (
    "model_index.json",
    "scheduler/*.json",
    "tokenizer/*.json",
    "tokenizer/*.txt",
    *(f"{part}/config.json" for part in WEIGHTS),
)
"""All that is read beside the weights."""


def parts(folder: Path) -> list[str]:
    """The parts with weights that this folder has a configuration of."""
    return [part for part in WEIGHTS if (folder / part / "config.json").is_file()]


def chosen(names: Collection[str], where: str, parts: Collection[str]) -> list[str]:
    """The weight files to read of these files of a pipeline. Raises Refusal if one of the parts has none."""
    files = []
    for part in parts:
        inside = [name.removeprefix(f"{part}/") for name in names if name.startswith(f"{part}/")]
        files += [f"{part}/{name}" for name in choose(inside, part, where).files]
    return files


def read_files(folder: Path) -> list[Path]:
    """All files that are read of the pipeline in this folder, sorted by their paths."""
    files = {file for pattern in SMALL for file in folder.glob(pattern)}
    names = [file.relative_to(folder).as_posix() for part in WEIGHTS for file in folder.glob(f"{part}/*")]
    for part in WEIGHTS:
        with contextlib.suppress(Refusal):  # a part that the pipeline does not have
            files |= {folder / name for name in chosen(names, str(folder), [part])}
    return sorted(files)


def refuse_neighbours(folder: Path) -> None:
    """Raise Refusal for a folder that holds no pipeline; if it is next to what is meant, that is named."""
    if (folder / "model_index.json").is_file():
        return
    if (folder.parent / "model_index.json").is_file():
        raise Refusal(f"{folder} is a part of the pipeline in {folder.parent}; name that.")
    inside = sorted([*folder.glob("snapshots/*/model_index.json"), *folder.glob("*/model_index.json")])
    if inside:
        raise Refusal(f"{folder} holds no pipeline itself; one is in {inside[-1].parent}: name that.")
    files = sorted(file for file in folder.glob("*") if file.suffix.lower() in (".safetensors", ".ckpt"))
    if files:
        raise Refusal(
            f"{folder} holds no pipeline (no model_index.json); it holds the file {files[0].name}: name that."
        )
    raise Refusal(f"There is no {folder / 'model_index.json'}; a whole diffusers pipeline folder is accepted.")


def refuse_a_part(file: Path) -> None:
    """Raise Refusal for a file that belongs to a pipeline, naming that."""
    inside = (file.parent / "config.json").is_file()
    folder = file.parent.parent if inside else file.parent
    if (inside or file.suffix.lower() == ".json") and (folder / "model_index.json").is_file():
        raise Refusal(f"{file} is a file of the pipeline in {folder}; name that.")
