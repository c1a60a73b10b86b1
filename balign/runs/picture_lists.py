"""Somebody's own pictures as a config names them: gathered, checked, and cropped to the size of its model."""

from pathlib import Path

from balign.data.own_pictures import gather
from balign.runs.config import RunConfig
from balign.runs.own_entries import MAX_PICTURES
from balign.runs.prompt_lists import model_entry


def own_pictures_of(
    config: RunConfig, forget: Path | None, keep: Path | None, most: int = MAX_PICTURES
) -> tuple[RunConfig, dict[str, bytes], list[str]]:
    """The config with the pictures of these zips or folders, the pictures by their sha256, and what was left out.

    Raises Refusal for what `gather` refuses, and for a picture that is in both.
    """
    side, named = max(model_entry(config).size), {}
    pictures: dict[str, bytes] = {}
    remarks: list[str] = []
    for field, path in (("forget_pictures", forget), ("keep_pictures", keep)):
        if path is None:
            continue
        found = gather(path, side, most)
        remarks += found.remarks
        both = [picture for picture in found.pictures if picture.sha256 in pictures]
        remarks += [f"{len(both)} pictures are both to be forgotten and to be kept; they are not kept."] if both else []
        listed = [picture for picture in found.pictures if picture.sha256 not in pictures]
        named[field] = [{"sha256": picture.sha256, "caption": picture.caption or None} for picture in listed]
        pictures |= {picture.sha256: picture.content for picture in listed}
    return (RunConfig.parse(config.model_dump() | named) if named else config), pictures, remarks
