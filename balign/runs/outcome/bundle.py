"""A run as one zip: config, seeds, versions, prompts, metrics, pictures, weights, and the sha256 of each.

The zip is written while the folder is read, so that its size does not matter, and the same folder gives the same
bytes. `sha256sum -c SHA256SUMS` checks an unpacked one without balign. `reproduce` reads such a zip.
"""

import csv
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from balign.atomic import atomic
from balign.measure.report import RunReport
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.outcome.model_card import card
from balign.telemetry import Step

FORMAT = "balign bundle 1"
SUMS = "SHA256SUMS"
FILES = ("config.json", "report.json", "report.html", "telemetry.jsonl")
FOLDERS = ("previews", "images/before", "images/after")
WEIGHTS = "erased.safetensors"
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


def ready(run: Run) -> bool:
    """Whether there is a report and the weights it is about, without which there is nothing to bundle."""
    return (run.path / "report.json").is_file() and (run.path / WEIGHTS).is_file()


def stream(run: Run) -> Iterator[bytes]:
    """The zip, piece by piece. Raises Refusal before the first piece if the run is not finished or unreadable."""
    report = run.report() if ready(run) else None
    if report is None:
        raise Refusal(f"Run {run.id} has no report or no weights yet; `balign run {run.path}` finishes it.")
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
    sink, sums = _Sink(), []
    with zipfile.ZipFile(sink, "w") as archive:  # type: ignore[call-overload]
        for name, content in members:
            digest = hashlib.sha256()
            for chunk in _add(archive, name, content):
                digest.update(chunk)
                yield sink.take()
            sums.append(f"{digest.hexdigest()}  {name}\n")
        for _ in _add(archive, SUMS, "".join(sums).encode()):
            yield sink.take()
    yield sink.take()


class _Sink:
    """A file for zipfile to write into that cannot seek and is emptied while it is filled."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is buffered."""

    def take(self) -> bytes:
        taken, self.pieces = b"".join(self.pieces), []
        return taken


def _add(archive: zipfile.ZipFile, name: str, content: Path | bytes) -> Iterator[bytes]:
    """Put one file into the zip and yield what was put, chunk by chunk. Only text is worth packing."""
    info = zipfile.ZipInfo(name, EPOCH)
    info.compress_type = zipfile.ZIP_STORED if name.endswith((".png", ".safetensors")) else zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    info.file_size = len(content) if isinstance(content, bytes) else content.stat().st_size  # for more than 2 GB
    source = io.BytesIO(content) if isinstance(content, bytes) else open(content, "rb")  # noqa: SIM115
    with source, archive.open(info, "w") as target:
        while chunk := source.read(CHUNK):
            target.write(chunk)
            yield chunk


def _members(run: Run, report: RunReport) -> Iterator[tuple[str, Path | bytes]]:
    """Every file of the zip: its name and where its content is."""
    yield "README.md", card(run).encode()
    yield "bundle.json", (json.dumps(_about(run, report), indent=1) + "\n").encode()
    yield "prompts.csv", _table(("use", "prompt", "seed"), _prompts(run, report))
    yield "metrics.csv", _table(METRICS, _metrics(report))
    yield "steps.csv", _table([f.name for f in fields(Step)], _steps(run))
    yield from ((name, run.path / name) for name in FILES if _regular(run.path / name))
    for folder in FOLDERS:
        pictures = sorted((run.path / folder).glob("[0-9]*.png"))
        yield from ((f"{folder}/{path.name}", path) for path in pictures if _regular(path))
    yield WEIGHTS, run.path / WEIGHTS


def _regular(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _about(run: Run, report: RunReport) -> dict[str, Any]:
    """What a reproduction is compared with, beside the weights."""
    return {
        "format": FORMAT,
        "run": run.id,
        "model": run.config.model,
        "seed": run.config.seed,
        "steps": report.steps,
        "device": report.settings.get("device"),
        "fingerprint": report.settings.get("fingerprint"),
        "versions": report.versions,
    }


def _prompts(run: Run, report: RunReport) -> Iterator[Sequence[Any]]:
    """The prompt and seed of each training image, if the manifest is readable, and of each test image."""
    try:
        made = Manifest.model_validate_json((run.path / "manifest.json").read_bytes()).images
    except (OSError, ValidationError):
        made = ()
    yield from ((image.side, image.prompt, image.seed) for image in made)
    for name, group in report.groups.items():
        yield from ((name, image.prompt, image.seed) for image in group.images)


METRICS = (
    "group",
    "prompt",
    "seed",
    "alignment_before",
    "alignment_after",
    "recognised_before",
    "recognised_after",
    "before",
    "after",
)


def _metrics(report: RunReport) -> Iterator[Sequence[Any]]:
    for name, group in report.groups.items():
        for image in group.images:
            yield [name, *(getattr(image, column) for column in METRICS[1:])]


def _steps(run: Run) -> Iterator[Sequence[Any]]:
    steps = [record for record in run.telemetry()[0] if isinstance(record, Step)]
    yield from ([getattr(step, f.name) for f in fields(Step)] for step in steps)


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    """A value for a spreadsheet: text that it would take for a formula is quoted. report.json has the text as it is."""
    if isinstance(value, dict):
        return json.dumps(value)
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t") else value
