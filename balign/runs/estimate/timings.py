"""What finished runs took, read from their folders: seconds for a picture, a step and a start; memory and disk.

A folder is read once, and again when its report changes. A run that never finished, or is unreadable, is passed over.
"""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from balign.machine import chosen_card
from balign.method.objectives import settle
from balign.models.catalogue import find
from balign.plain_file import raise_shortage, read_plain
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.file_cache import until_changed
from balign.runs.folder import Run, list_runs
from balign.telemetry import Phase, Step

LOOKED_AT, ENOUGH = 60, 5
"""How many of the newest folders are looked at, and how many runs are enough."""
Kind = tuple[str, str, str, int | None]
"""Model, device, number format and size."""
HEAVY = ("erased.safetensors", "checkpoint.safetensors")


@dataclass(frozen=True)
class Timings:
    """What one finished run took, and with which settings."""

    denoise: float
    """Seconds for a picture and drawing step."""
    learn: float
    """Seconds for a picture and training step; 0 of a run without steps."""
    start: float
    """Seconds to load and save."""
    train: str
    forget: str
    batch: int
    at_once: int
    """How many of them went through the model together."""
    memory_gb: float
    """0 if unknown."""
    disk_gb: float
    drawn: frozenset[str]
    """The prompts of its training pictures."""
    tested: frozenset[str]
    """The prompts of its test pictures, which the base model drew too."""
    cached: Path | None
    """One file of the cache that it drew."""
    drawn_with: tuple[int, str, int | None, float | None]
    """Seed, drawing steps and guidance of its training pictures."""


def earlier_runs(config: RunConfig) -> list[Timings]:
    """The newest finished runs of the same model and size, on the same device and in the same number format."""
    like = _kind(config)
    timings = (_timings(run, like) for run in list_runs()[:LOOKED_AT])
    return list(itertools.islice(filter(None, timings), ENOUGH))


@until_changed("report.json", most=512)
def _timings(run: Run, like: Kind) -> Timings | None:
    """What the run took; None if it is not finished, if it was another model's, or if it is unreadable."""
    try:
        config = run.config
        return _read(run) if _kind(config) == like else None
    except (OSError, Refusal) as error:
        raise_shortage(error)
        return None


def _kind(config: RunConfig) -> Kind:
    """What a run draws with and in; on a processor the precision auto is fp32."""
    auto = config.precision == "auto" and chosen_card(config.device) is None
    return config.model, config.device, "fp32" if auto else config.precision, config.size


def _read(run: Run) -> Timings | None:
    """None without a report, a step or a complete evaluation. Raises Refusal for an unreadable file."""
    records, report = run.telemetry()[0], run.report()
    ends = {record.name: record for record in records if isinstance(record, Phase)}
    steps = [record.seconds for record in records if isinstance(record, Step)]
    compared = ends.get("evaluate")
    if report is None or compared is None or compared.done < 1 or compared.done != compared.total:
        return None
    settings, config = settle(run.config), run.config
    batch = settings.batch_forget + settings.batch_retain
    drawn, cached = _drawn(run.path / "manifest.json")
    return Timings(
        denoise=compared.seconds / compared.total / (config.sampling_steps or find(config.model).steps),
        learn=median(steps) / batch if steps else 0.0,
        start=sum(ends[name].seconds for name in ("load", "save") if name in ends),
        train=settings.train,
        forget=settings.forget,
        batch=batch,
        at_once=int(report.settings.get("micro_batch") or max(settings.batch_forget, settings.batch_retain)),
        memory_gb=report.memory_gb,
        disk_gb=sum(file.stat().st_size for name in HEAVY if (file := run.file(name))) / 1e9,
        drawn=drawn,
        tested=frozenset(image.prompt for group in report.groups.values() for image in group.images),
        cached=cached,
        drawn_with=(config.seed, config.sampler, config.sampling_steps, config.guidance),
    )


def _drawn(manifest: Path) -> tuple[frozenset[str], Path | None]:
    """The prompts of a manifest and a file of the cache; none without one. Raises Refusal for an unreadable one."""
    if not manifest.is_file():
        return frozenset(), None
    try:
        images = json.loads(read_plain(manifest))["images"]
        files = (image["file"] for image in images if "file" in image)
        return frozenset(image["prompt"] for image in images), next(map(Path, files), None)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise_shortage(error)
        raise Refusal(f"The manifest {manifest} is unreadable.") from None
