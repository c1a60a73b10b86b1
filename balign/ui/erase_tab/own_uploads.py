"""Pictures and test prompts of a visitor's own: three files beside the form, read when the run starts, then deleted."""

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from balign.data import prompt_file
from balign.host import limits
from balign.markup.render import macro
from balign.runs.config import RunConfig
from balign.runs.own_entries import MAX_PICTURES, MAX_TESTS
from balign.runs.picture_lists import own_pictures_of
from balign.ui.page import Answer, plain

UPLOADS = {
    "forget_zip": ("Pictures to forget", [".zip"], "forget-pictures"),
    "keep_zip": ("Pictures to keep", [".zip"], "keep-pictures"),
    "tests_file": ("Test prompts with seeds", [".csv", ".tsv", ".txt", ".json", ".jsonl"], "test-prompts"),
}
"""The parts: label, kinds of file, and id."""
ABOUT = (
    "Keep takes a file of one prompt a line, or a table or json with a column prompt; so do test prompts, each with a "
    "seed if you like. Pictures come as a zip of png, jpeg or webp, with captions in text files, a metadata.csv or the "
    "file names; those to forget are learned from instead of drawn ones."
)


def build(parts: dict[str, Any]) -> None:
    """The three of them, inside what is being built."""
    plain(macro("lead", ABOUT), "own-about")
    for name, (label, kinds, element) in UPLOADS.items():
        parts[name] = gr.File(label=label, file_types=kinds, height=110, elem_id=element, elem_classes="drop")


def taken(
    configs: Sequence[RunConfig], values: Mapping[str, Any]
) -> tuple[list[RunConfig], dict[str, bytes], list[str]]:
    """The configs with what was uploaded, the pictures by their sha256, and remarks. Raises Refusal for a bad file."""
    forget, keep, tests = (Path(path) if isinstance(path := values.get(name), str) else None for name in UPLOADS)
    remarks: list[str] = []
    added: dict[str, Any] = {}
    if tests is not None:
        found = prompt_file.read(tests, MAX_TESTS)
        remarks += found.remarks
        added["tests"] = [prompt._asdict() for prompt in found.prompts]
    most = limits.LIMITS.own_pictures if limits.public() else MAX_PICTURES
    first, pictures, more = own_pictures_of(configs[0], forget, keep, most)
    added |= {name: getattr(first, name) for name in ("forget_pictures", "keep_pictures")}
    return [RunConfig.parse(config.model_dump() | added) for config in configs], pictures, [*remarks, *more]


def spent(values: Mapping[str, Any]) -> Answer:
    """Delete the uploads of a run that has begun: what it needs of them is in its folder."""
    for name in UPLOADS:
        if isinstance(path := values.get(name), str):
            with contextlib.suppress(OSError):
                os.unlink(path)
    return dict.fromkeys(UPLOADS)
