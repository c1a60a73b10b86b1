"""The phases of a run after loading: check, data, unlearn, evaluate, save. Each yields its events as they come.

Every phase can be cut short between two batches by the stop flag, and done again after a kill with the same outcome.
What is loaded, and in which order phases come, is not known here.
"""

import contextlib
import itertools
import json
import platform
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from balign import telemetry
from balign.atomic import write
from balign.data import latents
from balign.measure.evaluation import evaluate as score
from balign.measure.intervals import margin
from balign.measure.ledger import ledger
from balign.method.training import Unlearner
from balign.models import weight_file
from balign.runs.engine import checkpoint, images
from balign.runs.engine.job import Job
from balign.runs.engine.recorder import Recorder
from balign.runs.estimate import machine
from balign.runs.outcome import report_page, reproduce
from balign.telemetry import Phase, Preview, Record, Step

PHASE_EVERY = 1.0
"""Seconds between two mentions of how far the training is."""
LIBRARIES = ("balign", "torch", "diffusers", "transformers", "open_clip_torch")


def check(job: Job, recorder: Recorder) -> Iterator[Record]:
    """Draw a batch, put unchanged weights in by the way changed ones will come, draw it again: nothing may differ."""
    yield recorder.phase("check", 0, 2)
    few, folder = job.shots[: images.BATCH], job.run.path / "images" / "before"
    for _ in images.draw(job.model, few, job.sampling, folder, again=True):  # one batch
        recorder.obey()
        yield recorder.phase("check", 1, 2)
    with tempfile.TemporaryDirectory(dir=job.run.path) as temporary:
        path = Path(temporary) / "unchanged.safetensors"
        weight_file.save_changed(path, job.weights())
        weight_file.load_changed(path, job.model.denoiser)
    if not torch.equal(images.load(folder, range(len(few))), images.render(job.model, few, job.sampling)):
        raise RuntimeError("Unchanged weights gave other images than the base model, so no comparison would hold.")
    recorder.obey()
    yield recorder.phase("check", 2, 2, "Unchanged weights give the base model's images, bit for bit.")


def data(job: Job, recorder: Recorder) -> Generator[Record, None, latents.TrainingData]:
    """Make or find the training latents, and draw what the end will be compared with."""
    sampling, prompts, total = job.sampling, job.prompts, len(job.prompts.forget) + len(job.prompts.retain)

    def make(progress: Callable[[int, int], None]) -> latents.Latents:
        return latents.make(
            job.model,
            prompts,
            seed=job.run.config.seed,
            steps=sampling.steps,
            guidance=sampling.guidance,
            on_progress=lambda done, _: progress(done, total + len(job.shots)),
        )

    drawn = yield from recorder.follow("data", make)
    manifest = {"model": job.model.fingerprint, "images": drawn.manifest}
    write(job.run.path / "manifest.json", json.dumps(manifest, indent=1))
    for done in images.draw(job.model, job.shots, sampling, job.run.path / "images" / "before", again=False):
        yield recorder.phase("data", total + done, total + len(job.shots))
        recorder.obey()
    data = latents.training_data(job.model, prompts, drawn)
    job.model.release()
    return data


def unlearn(job: Job, recorder: Recorder, learner: Unlearner) -> Iterator[Record]:
    """Take the steps, look at a few images on the way, and save the state often enough."""
    config, total = job.run.config, job.settings.steps
    yield recorder.phase("unlearn", learner.step, total)
    said = time.monotonic()
    if config.preview_every and not learner.step:
        yield recorder.say(_preview(job, 0))
    for step in learner:
        yield recorder.say(step)
        for conflict in learner.conflicts:
            yield recorder.say(conflict)
        if config.preview_every and step.step % config.preview_every == 0:
            yield recorder.say(_preview(job, step.step))
        if step.step % config.checkpoint_every == 0 and step.step < total:
            checkpoint.save(job.run, learner, job.model.fingerprint)
        recorder.obey()
        if time.monotonic() - said >= PHASE_EVERY:
            said = time.monotonic()
            yield recorder.phase("unlearn", step.step, total)
    checkpoint.save(job.run, learner, job.model.fingerprint)
    yield recorder.phase("unlearn", learner.step, total, learner.outcome.message if learner.outcome else "")


def _preview(job: Job, step: int) -> Preview:
    """A strip of a few images with the current weights, and how well they fit their prompts."""
    places = images.previewed(job.shots)
    shots = [job.shots[k] for k in places]
    if step:
        drawn = images.render(job.model, shots, job.sampling)
        if not job.light:
            job.model.release()
    else:
        drawn = images.load(job.run.path / "images" / "before", places)
    name = f"previews/{step:04d}.png"
    images.save_strip(job.run.path / name, drawn)
    scores = job.scorer.alignment(drawn, [shot.prompt for shot in shots]).tolist()
    groups: dict[str, list[float]] = {}
    for shot, value in zip(shots, scores, strict=True):
        groups.setdefault(shot.group, []).append(value)
    means = {group: sum(values) / len(values) for group, values in groups.items()}
    return Preview(step, name, means, {group: margin(values) for group, values in groups.items() if len(values) > 1})


def evaluate(job: Job, recorder: Recorder) -> Generator[Record, None, dict[str, Any]]:
    """Draw every test image with the weights as they are now and score both sides."""
    folder, shots = job.run.path / "images", job.shots
    yield recorder.phase("evaluate", 0, len(shots))
    for side, again in (("before", False), ("after", True)):
        for done in images.draw(job.model, shots, job.sampling, folder / side, again):
            recorder.obey()
            if side == "after":
                yield recorder.phase("evaluate", done, len(shots))
    before, after = (images.load(folder / side, range(len(shots))) for side in ("before", "after"))
    scores = score(shots, before, after, job.scorer, job.prompts.choices, job.prompts.erased)
    drawn = iter(range(len(shots)))
    for group in scores["groups"].values():
        for image in group["images"]:
            name = images.name(next(drawn))
            image.update(before=f"images/before/{name}", after=f"images/after/{name}")
    recorder.obey()
    return scores


def save(job: Job, recorder: Recorder, scores: dict[str, Any], warnings: list[str]) -> Iterator[Record]:
    """Write the report and its page."""
    yield recorder.phase("save", 0, 1)
    summary = summarise(job, scores, warnings)
    write(job.run.path / "report.json", json.dumps(summary, indent=1) + "\n")
    report_page.write_page(job.run)
    yield recorder.phase("save", 1, 1)
    yield recorder.say(telemetry.Report(summary))


def summarise(job: Job, scores: dict[str, Any], warnings: list[str]) -> dict[str, Any]:
    """The report: what was done, what came of it, and what it was done with."""
    records = job.run.telemetry()[0]
    steps = [record for record in records if isinstance(record, Step)]
    facts, made_with = job.facts(), versions()
    old = job.run.report()  # has the memory of the training, when only the scores are new
    made = reproduce.MadeWith(
        steps=len(steps), device=facts["device"], fingerprint=facts["fingerprint"], versions=made_with
    )
    repeated = reproduce.outcome(job.run, made)
    return {
        "model": job.run.config.model,
        "method": job.settings.method,
        "seed": job.run.config.seed,
        "steps": len(steps),
        "seconds": round(seconds(records), 3),
        "memory_gb": round(max(machine.peak_gb(facts["device"]), old.memory_gb if old else 0.0), 3),
        **scores,
        "ledger": ledger(steps)._asdict(),
        "warnings": [*job.prompts.warnings, *warnings],
        "settings": facts,
        "versions": made_with,
        **({"reproduces": repeated.model_dump()} if repeated else {}),
    }


def seconds(records: Sequence[Record]) -> float:
    """The time all phases took, over every session of a run that was stopped and went on."""
    phases = [record for record in records if isinstance(record, Phase)]
    ends = [
        this.seconds
        for this, after in itertools.zip_longest(phases, phases[1:])
        if after is None or after.name != this.name or after.seconds < this.seconds
    ]
    return sum(ends)


def versions() -> dict[str, str]:
    """Which releases a run was made with; what is not installed as a package is left out."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
