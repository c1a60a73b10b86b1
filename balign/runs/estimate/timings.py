"""What finished runs took, read from their folders: seconds a picture, a step and a start, memory, disk.

A folder is read once, and again when its report changes. A run that never finished, or cannot be read, tells nothing.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from balign.method.objectives import settle
from balign.models.catalogue import find
from balign.runs.config import RunConfig
from balign.runs.file_cache import until_changed
from balign.runs.folder import Run, list_runs
from balign.telemetry import Phase, Step

LOOKED_AT, ENOUGH = 60, 5
"""How many of the newest folders are looked at, and how many runs are enough."""
HEAVY = ("erased.safetensors", "checkpoint.safetensors")


@dataclass(frozen=True)
class Past:
    """One finished run. Seconds: `denoise` for a picture and drawing step, `learn` for one and a training step."""

    denoise: float
    learn: float
    start: float
    train: str
    forget: str
    batch: int
    memory_gb: float
    """0 where a run did not say."""
    disk_gb: float
    drawn: frozenset[str]
    """The prompts of its training pictures."""
    drawn_as: tuple[int, int | None, float | None]
    """Seed, drawing steps and guidance they were drawn with."""


def past_runs(config: RunConfig) -> list[Past]:
    """The newest finished runs of the same model, in the same place and number format."""
    found: list[Past] = []
    for run in list_runs()[:LOOKED_AT]:
        past = _past(run, config.model, config.device, config.precision)
        if past is not None:
            found.append(past)
        if len(found) == ENOUGH:
            break
    return found


@until_changed("report.json", most=512)
def _past(run: Run, model: str, device: str, precision: str) -> Past | None:
    """What the run took; None if it is not finished, if it was another model's, or if it cannot be read."""
    if not (run.path / "report.json").is_file():
        return None
    try:
        config = run.config
        if (config.model, config.device, config.precision) != (model, device, precision):
            return None
        return _read(run)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):  # being deleted, or tampered with
        return None


def _read(run: Run) -> Past | None:
    records = run.telemetry()[0]
    ends = {record.name: record for record in records if isinstance(record, Phase)}
    steps = [record.seconds for record in records if isinstance(record, Step)]
    compared = ends.get("evaluate")
    if not steps or compared is None or compared.done < 1 or compared.done != compared.total:
        return None
    settings, config = settle(run.config), run.config
    batch = settings.batch_forget + settings.batch_retain
    return Past(
        denoise=compared.seconds / compared.total / (config.sampling_steps or find(config.model).steps),
        learn=median(steps) / batch,
        start=sum(ends[name].seconds for name in ("load", "save") if name in ends),
        train=settings.train,
        forget=settings.objective.forget,
        batch=batch,
        memory_gb=float((run.report() or {}).get("memory_gb") or 0),
        disk_gb=sum(file.stat().st_size for name in HEAVY if (file := run.path / name).is_file()) / 1e9,
        drawn=_drawn(run.path / "manifest.json"),
        drawn_as=(config.seed, config.sampling_steps, config.guidance),
    )


def _drawn(manifest: Path) -> frozenset[str]:
    """The prompts of a manifest; none where there is none."""
    if not manifest.is_file():
        return frozenset()
    return frozenset(image["prompt"] for image in json.loads(manifest.read_text(encoding="utf-8"))["images"])
