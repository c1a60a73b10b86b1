"""A run as one zip: config, seeds, versions, prompts, metrics, pictures, weights, and the sha256 of each.

The zip is made while the folder is read, from any byte on, so that its size does not matter, and the same folder gives
the same bytes. `sha256sum -c SHA256SUMS` checks an unpacked one without balign. `reproduce` reads such a zip.
"""

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from balign.atomic import atomic
from balign.measure.report import Pair
from balign.plain_file import raise_shortage, read_plain
from balign.refusal import Refusal
from balign.runs.file_cache import until_changed
from balign.runs.folder import PICTURES, Run
from balign.runs.outcome.model_card import card
from balign.runs.tryout.store import ready
from balign.stored_zip import StoredZip
from balign.telemetry import Step

FORMAT = "balign bundle 1"
SUMS = "SHA256SUMS"
FILES = ("config.json", "report.json", "report.html", "telemetry.jsonl")
FOLDERS = ("previews", "images/before", "images/after", "images/reference")
WEIGHTS = "erased.safetensors"
PICTURES_CSV, STEPS_CSV = "metrics.csv", "steps.csv"
OWN = re.compile(r"images/own-[0-9a-f]{12}/(before|after)")
PICTURE = re.compile(r"[0-9]{1,9}\.png")
METRICS = ("group", *(name for name in Pair.model_fields if name != "labels"))
STEPS = tuple(field.name for field in fields(Step))


class TrainingImage(BaseModel):
    """What of a training image is in the zip; where its file was is nobody's business."""

    side: str
    prompt: str
    seed: int | None = None
    sha256: str = ""
    """Of somebody's own picture, which has no seed."""


class Manifest(BaseModel):
    """manifest.json: the training images of a run."""

    images: tuple[TrainingImage, ...] = ()


def packed(run: Run) -> StoredZip:
    """The zip, which is made as it is read. Raises Refusal if the run is not finished or unreadable."""
    if not ready(run):
        raise Refusal(f"Run {run.id} has no report or no weights yet; `balign run` with its folder finishes it.")
    files = [run.path / name for name in FILES]
    own = sorted(folder.relative_to(run.path).as_posix() for folder in (run.path / "images").glob("own-*/*"))
    drawn = (
        path
        for folder in (*FOLDERS, *filter(OWN.fullmatch, own))
        for path in sorted((run.path / folder).glob("[0-9]*.png"))
    )
    pictures = [path for path in drawn if PICTURE.fullmatch(path.name)]
    named = {picture.sha256 for picture in (*run.config.forget_pictures, *run.config.keep_pictures)}
    pictures += [run.path / PICTURES / f"{sha}.png" for sha in sorted(named)]
    kept = [path for path in (*files, *pictures, run.path / WEIGHTS) if os.path.isfile(path) and not path.is_symlink()]
    return StoredZip([*_tables(run), *((path.relative_to(run.path).as_posix(), path) for path in kept)], SUMS)


def stream(run: Run) -> Iterator[bytes]:
    """The zip, piece by piece. Raises Refusal before the first piece if the run is not finished or unreadable."""
    return packed(run).pieces()


def write(run: Run, out: Path) -> Path:
    """Write the zip, whole or not at all. Raises Refusal for a file that exists, and what `stream` raises."""
    if out.exists():
        raise Refusal(f"{out} exists; name a file that does not.")
    pieces = stream(run)
    with atomic(out) as draft, open(draft, "xb") as file:
        file.writelines(pieces)
        file.flush()
        os.fsync(file.fileno())
    return out


@until_changed("config.json", "report.json", "report.html", "manifest.json", "telemetry.jsonl", most=4)
def _tables(run: Run) -> list[tuple[str, bytes]]:
    """The files of the zip that are not in the folder: their names and contents."""
    report = run.report()
    if report is None:
        raise Refusal(f"Run {run.id} has no report any more.")
    about = {  # what a reproduction is compared with, beside the weights
        "format": FORMAT,
        "run": run.id,
        "model": run.config.model,
        "seed": run.config.seed,
        "steps": report.steps,
        "device": report.settings.get("device"),
        "fingerprint": report.settings.get("fingerprint"),
        "versions": report.versions,
    }
    tests = [{"group": name} | image.model_dump() for name, group in report.groups.items() for image in group.images]
    try:
        made = Manifest.model_validate_json(read_plain(run.path / "manifest.json")).images
    except (OSError, ValidationError) as error:
        raise_shortage(error)
        made = ()
    prompts = [image.model_dump() | {"use": image.side} for image in made]
    prompts += [test | {"use": test["group"], "sha256": ""} for test in tests]
    steps = (asdict(record) for record in run.telemetry()[0] if isinstance(record, Step))
    return [
        ("README.md", card(run).encode()),
        ("bundle.json", (json.dumps(about, indent=1) + "\n").encode()),
        ("prompts.csv", csv_table(("use", "prompt", "seed", "sha256"), prompts)),
        (PICTURES_CSV, csv_table(METRICS, tests)),
        (STEPS_CSV, csv_table(STEPS, steps)),
    ]


def table(run: Run, name: str) -> bytes:
    """One of the zip's csv files. Raises Refusal if the run has no report."""
    return dict(_tables(run))[name]


def csv_table(heads: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """The rows as csv. Text that a spreadsheet would take for a formula is quoted; report.json has it as it is."""

    def cell(value: Any) -> Any:
        if isinstance(value, dict):
            return json.dumps(value)
        return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t") else value

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([cell(row[head]) for head in heads] for row in rows)
    return text.getvalue().encode()
