"""A run as one zip: config, seeds, versions, prompts, metrics, pictures, weights, and the sha256 of each.

The zip is written while the folder is read, so that its size does not matter, and the same folder gives the same
bytes. `sha256sum -c SHA256SUMS` checks an unpacked one without balign. `reproduce` reads such a zip.
"""

import csv
import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel, ValidationError

from balign.atomic import atomic
from balign.measure.report import Pair, RunReport
from balign.plain_file import plain, read_plain
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.outcome.model_card import card
from balign.runs.tryout.store import ready
from balign.telemetry import Step

FORMAT = "balign bundle 1"
SUMS = "SHA256SUMS"
FILES = ("config.json", "report.json", "report.html", "telemetry.jsonl")
FOLDERS = ("previews", "images/before", "images/after")
WEIGHTS = "erased.safetensors"
PICTURE = re.compile(r"[0-9]{1,9}\.png")
METRICS = ("group", *(name for name in Pair.model_fields if name != "labels"))
STEPS = tuple(field.name for field in fields(Step))
CHUNK = 1 << 20
EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of every file in a zip; the zip does not depend on when it was made."""


class TrainingImage(BaseModel):
    """What of a training image is in the zip; where its file was is nobody's business."""

    side: str
    prompt: str
    seed: int


class Manifest(BaseModel):
    """manifest.json: the training images of a run."""

    images: tuple[TrainingImage, ...] = ()


def stream(run: Run) -> Iterator[bytes]:
    """The zip, piece by piece. Raises Refusal before the first piece if the run is not finished or unreadable."""
    report = run.report() if ready(run) else None
    if report is None:
        raise Refusal(f"Run {run.id} has no report or no weights yet; `balign run` with its folder finishes it.")
    return _pieces(list(_members(run, report)))


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


def _pieces(members: Sequence[tuple[str, Path | bytes]]) -> Iterator[bytes]:
    """The zip of these files and their sums, piece by piece. Only text is worth packing."""
    sink, sums = _Sink(), bytearray()
    with zipfile.ZipFile(sink, "w") as archive:  # type: ignore[call-overload]
        for name, content in (*members, (SUMS, sums)):
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type = zipfile.ZIP_STORED if name.endswith((".png", ".safetensors")) else zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            info.file_size = content.stat().st_size if isinstance(content, Path) else len(content)  # for over 2 GB
            digest = hashlib.sha256()
            with _opened(content) as source, archive.open(info, "w") as target:
                while chunk := source.read(CHUNK):
                    target.write(chunk)
                    digest.update(chunk)
                    yield sink.take()
            sums += f"{digest.hexdigest()}  {name}\n".encode()
    yield sink.take()


def _opened(content: Path | bytes | bytearray) -> IO[bytes]:
    return open(content, "rb", opener=plain) if isinstance(content, Path) else io.BytesIO(content)


class _Sink(bytearray):
    """A file for zipfile to write into that cannot seek and is emptied while it is filled."""

    def write(self, data: bytes) -> int:
        self.extend(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is buffered."""

    def take(self) -> bytes:
        taken = bytes(self)
        self.clear()
        return taken


def _members(run: Run, report: RunReport) -> Iterator[tuple[str, Path | bytes]]:
    """Every file of the zip: its name and where its content is."""
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
    except (OSError, ValidationError):
        made = ()
    prompts = [image.model_dump() | {"use": image.side} for image in made]
    prompts += [test | {"use": test["group"]} for test in tests]
    steps = (asdict(record) for record in run.telemetry()[0] if isinstance(record, Step))
    yield "README.md", card(run).encode()
    yield "bundle.json", (json.dumps(about, indent=1) + "\n").encode()
    yield "prompts.csv", csv_table(("use", "prompt", "seed"), prompts)
    yield "metrics.csv", csv_table(METRICS, tests)
    yield "steps.csv", csv_table(STEPS, steps)
    files = [run.path / name for name in FILES]
    pictures = [
        path
        for folder in FOLDERS
        for path in sorted((run.path / folder).glob("[0-9]*.png"))
        if PICTURE.fullmatch(path.name)
    ]
    for path in (*files, *pictures):
        if os.path.isfile(path) and not path.is_symlink():
            yield path.relative_to(run.path).as_posix(), path
    yield WEIGHTS, run.path / WEIGHTS


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
