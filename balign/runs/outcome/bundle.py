"""A run as one zip: config, seeds, versions, prompts, metrics, pictures, weights, and the sha256 of each.

The zip is written as it is read from the folder, so that its size does not matter, and the same folder gives the same
bytes. `sha256sum -c SHA256SUMS` checks an unpacked one without balign. What a zip of a stranger holds is read in
`reproduce`; what makes up a run's folder is not decided here.
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


def ready(run: Run) -> bool:
    """Whether there is a report and the weights it is about, without which there is nothing to bundle."""
    return (run.path / "report.json").is_file() and (run.path / WEIGHTS).is_file()


def stream(run: Run) -> Iterator[bytes]:
    """The zip, piece by piece. What can be wrong with the folder is said before the first."""
    if not ready(run):
        raise Refusal(f"Run {run.id} has no report or no weights yet; `balign run {run.path}` finishes it.")
    try:
        members = list(_members(run))
    except (KeyError, TypeError, AttributeError):
        raise Refusal(f"The report of run {run.id} cannot be read; `balign evaluate {run.path}` mends it.") from None
    return _pieces(members)


def write(run: Run, out: Path) -> Path:
    """Write the zip whole or not at all."""
    if out.exists():
        raise Refusal(f"{out} exists; name a file that does not.")
    draft = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    pieces = stream(run)
    try:
        with open(draft, "xb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, out)
    finally:
        draft.unlink(missing_ok=True)
    return out


def _pieces(members: Sequence[tuple[str, Path | bytes]]) -> Iterator[bytes]:
    sink, sums = _Sink(), []
    with zipfile.ZipFile(sink, "w") as archive:  # type: ignore[call-overload]
        for name, content in members:
            found = hashlib.sha256()
            for chunk in _add(archive, name, content):
                found.update(chunk)
                yield sink.take()
            sums.append(f"{found.hexdigest()}  {name}\n")
        for _ in _add(archive, SUMS, "".join(sums).encode()):
            yield sink.take()
    yield sink.take()


class _Sink:
    """What zipfile writes into: it cannot be sought in, and is emptied as it fills."""

    def __init__(self) -> None:
        self.held: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.held.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""

    def take(self) -> bytes:
        taken, self.held = b"".join(self.held), []
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


def _members(run: Run) -> Iterator[tuple[str, Path | bytes]]:
    """Every file of the zip: its name and where its content is."""
    report = run.report() or {}
    yield "README.md", card(run).encode()
    yield "bundle.json", (json.dumps(_about(run, report), indent=1) + "\n").encode()
    yield "prompts.csv", _table(("use", "prompt", "seed"), _prompts(run, report))
    yield "metrics.csv", _table(METRICS, _metrics(report))
    yield "steps.csv", _table([f.name for f in fields(Step)], _steps(run))
    yield from ((name, run.path / name) for name in FILES if _plain(run.path / name))
    for folder in FOLDERS:
        found = sorted((run.path / folder).glob("[0-9]*.png"))
        yield from ((f"{folder}/{path.name}", path) for path in found if _plain(path))
    yield WEIGHTS, run.path / WEIGHTS


def _plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _about(run: Run, report: dict[str, Any]) -> dict[str, Any]:
    """What a reproduction is compared with, beside the weights."""
    settings = report.get("settings") or {}
    return {
        "format": FORMAT,
        "run": run.id,
        "model": run.config.model,
        "seed": run.config.seed,
        "steps": report.get("steps"),
        "device": settings.get("device"),
        "fingerprint": settings.get("fingerprint"),
        "versions": report.get("versions") or {},
    }


def _prompts(run: Run, report: dict[str, Any]) -> Iterator[Sequence[Any]]:
    """What the images to learn from were made of, and those that were judged; where files lay is nobody's business."""
    try:
        made = json.loads((run.path / "manifest.json").read_bytes())["images"]
    except (OSError, ValueError, KeyError):
        made = []
    yield from ((image["side"], image["prompt"], image["seed"]) for image in made)
    for name, group in report["groups"].items():
        yield from ((name, image["prompt"], image["seed"]) for image in group["images"])


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


def _metrics(report: dict[str, Any]) -> Iterator[Sequence[Any]]:
    for name, group in report["groups"].items():
        for image in group["images"]:
            yield [name, *(image.get(column) for column in METRICS[1:])]


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
    """A value for a spreadsheet: what it would take for a formula is quoted. report.json has all as it was."""
    if isinstance(value, dict):
        return json.dumps(value)
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t") else value
