"""The phases of a run after loading but the evaluation: check, data, unlearn, save. Each yields its events.

Every phase can be stopped between two batches, and repeated after a kill with the same outcome. A stop ends the
training without an outcome, and any other phase with Stopped.
"""

import contextlib
import hashlib
import json
import platform
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from torch import Tensor

from balign import machine, telemetry
from balign.atomic import write
from balign.data import latents
from balign.measure.intervals import margin
from balign.measure.ledger import ledger
from balign.measure.pace import Pace
from balign.measure.report import RunReport, Scores
from balign.method.combiners import forgetting_costs
from balign.method.objectives import Settings
from balign.method.training import Unlearner
from balign.models import weight_file
from balign.plain_file import read_plain
from balign.refusal import Refusal
from balign.runs import weights
from balign.runs.engine import checkpoint, images, strips
from balign.runs.engine.job import Job
from balign.runs.engine.recorder import Recorder
from balign.runs.folder import PICTURES, Run
from balign.runs.outcome import report_page, reproduce
from balign.telemetry import Drawn, Preview, Record, Step

PHASE_EVERY = 1.0
"""Seconds between two records of how far the training is."""
LIBRARIES = ("balign", "torch", "diffusers", "transformers", "open_clip_torch")


def check(job: Job, recorder: Recorder) -> Generator[Record, None, images.Paint]:
    """Draw a batch, load unchanged weights as changed ones will be loaded, and draw it again: nothing may differ.

    Returns how the base's other images are drawn: the cache is left alone if it gives another batch than this machine.
    """
    yield recorder.phase("check", 0, 2)
    few, folder = job.shots[: images.BATCH], job.run.path / "images" / "before"
    for paint in (images.recall, images.render):
        for _ in images.draw(job.model, few, job.sampling, folder, again=True, paint=paint):  # one batch
            recorder.obey()
            yield from map(recorder.record, strips.of_test(job, recorder, range(len(few))))
            yield recorder.phase("check", 1, 2)
        same = _load_unchanged(job)
        if same and torch.equal(images.load(folder, range(len(few))), images.render(job.model, few, job.sampling)):
            recorder.obey()
            yield recorder.phase("check", 2, 2, "Unchanged weights give the base model's images, bit for bit.")
            return paint
        if not same:
            break
    raise RuntimeError("Unchanged weights gave other images than the base model, so no comparison would hold.")


def _load_unchanged(job: Job) -> bool:
    """Save the weights as they are and load them as changed ones; whether they are still the same, bit for bit."""
    before = {name: weight.clone() for name, weight in job.weights().items()}
    with tempfile.TemporaryDirectory(dir=job.run.path) as temporary:
        path = Path(temporary) / "unchanged.safetensors"
        weight_file.save_changed(path, before)
        weight_file.load_changed(path, job.model.denoiser)
    return all(torch.equal(weight, before[name]) for name, weight in job.weights().items())


def data(job: Job, recorder: Recorder, paint: images.Paint) -> Generator[Record, None, latents.TrainingData]:
    """Draw the training images, or take them from the cache, and so the test images as they are before."""
    sampling, prompts, total = job.sampling, job.prompts, len(job.prompts.forget) + len(job.prompts.retain)

    own = _own_latents(job, recorder)

    def make(progress: Callable[..., None]) -> latents.Latents:
        told: list[Drawn] = []

        def tell(done: int, _: int) -> None:
            progress(done, total + compared, *told)
            told.clear()

        return latents.make(
            job.model,
            prompts,
            seed=job.run.config.seed,
            steps=sampling.steps,
            guidance=sampling.guidance,
            own=own,
            on_progress=tell,
            on_drawn=lambda places, drawn: told.extend(strips.of_training(job, recorder, places, drawn)),
        )

    drawn, compared = latents.none(job.model), len(job.shots) + len(job.own) + len(job.reference)
    if job.settings.steps:
        drawn = yield from recorder.follow("data", make)
    else:
        total = 0
    manifest = {"model": job.model.fingerprint, "images": drawn.manifest}
    write(job.run.path / "manifest.json", json.dumps(manifest, indent=1))
    for done in base_pictures(job, paint):
        if images.BATCH < done <= len(job.shots):  # the first are told of by the check
            newest = range(images.BATCH * ((done - 1) // images.BATCH), done)
            yield from map(recorder.record, strips.of_test(job, recorder, newest))
        yield recorder.phase("data", total + done, total + compared)
        recorder.obey()
    data = latents.training_data(job.model, prompts, drawn)
    job.model.release()
    return data


def _own_latents(job: Job, recorder: Recorder) -> dict[int, Tensor]:
    """The latents of somebody's own pictures, by their place in both lists. Raises Refusal if one is not there."""
    latents = {}
    for place, sha in job.prompts.own.items() if job.settings.steps else ():
        recorder.obey()
        path = job.run.path / PICTURES / f"{sha}.png"
        try:
            content = read_plain(path)
        except OSError:
            raise Refusal(f"The picture {sha[:12]} is not in the run's folder {PICTURES} any more.") from None
        if hashlib.sha256(content).hexdigest() != sha:
            raise Refusal(f"The picture {sha[:12]} in the run's folder {PICTURES} is not the one the run began with.")
        latents[place] = job.model.encode(images.squared(content, job.model.size))[0]
    return latents


def base_pictures(job: Job, paint: images.Paint | None = None) -> Iterator[int]:
    """Draw what is missing of the base's pictures, with its own weights, and yield how many are done."""
    done, own = 0, f"{job.own_folder}/before"
    for name, shots in (("before", job.shots), (own, job.own), ("reference", job.reference)):
        for done_here in images.draw(job.model, shots, job.sampling, job.run.path / "images" / name, False, paint):
            yield done + done_here
        done += len(shots)


def unlearn(job: Job, recorder: Recorder, learner: Unlearner) -> Iterator[Record]:
    """Take the steps, with previews and checkpoints on the way, until the end, or a stop, which is no outcome."""
    config, total = job.run.config, job.settings.steps
    yield recorder.phase("unlearn", learner.step, total)
    last = time.monotonic()
    if config.preview_every and total and not learner.step and not learner.outcome:
        yield recorder.record(_preview(job, 0))
    if not learner.step:
        recorder.obey()
    for step in learner:
        yield recorder.record(step)
        for conflict in learner.conflicts:
            yield recorder.record(conflict)
        if config.preview_every and step.step % config.preview_every == 0:
            with learner.finished():
                yield recorder.record(_preview(job, step.step))
        if step.step % config.checkpoint_every == 0 and step.step < total:
            checkpoint.save(job.run, learner, job.model.fingerprint)
        if job.run.stop_requested() and step.step < total:
            break
        if time.monotonic() - last >= PHASE_EVERY:
            last = time.monotonic()
            yield recorder.phase("unlearn", step.step, total)
    checkpoint.save(job.run, learner, job.model.fingerprint)
    learner.finish()
    end = learner.outcome
    yield recorder.phase("unlearn", learner.step, learner.step if end else total, end.message if end else "")


def _preview(job: Job, step: int) -> Preview:
    """Draw a strip of a few test images with the current weights, and score them."""
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
    scores = job.scorer.alignment(drawn, [shot.prompt for shot in shots]).tolist() if job.scorer else ()
    groups: dict[str, list[float]] = {}
    for shot, value in zip(shots, scores, strict=job.scorer is not None):
        groups.setdefault(shot.group, []).append(value)
    means = {group: sum(values) / len(values) for group, values in groups.items()}
    return Preview(step, name, means, {group: margin(values) for group, values in groups.items() if len(values) > 1})


def save(job: Job, recorder: Recorder, scores: Scores, warnings: Sequence[str]) -> Iterator[Record]:
    """Write the report and its page."""
    yield recorder.phase("save", 0, 1)
    report = summarise(job, scores, warnings).to_dict()
    write(job.run.path / "report.json", json.dumps(report, indent=1) + "\n")
    write(job.run.path / "report.html", report_page.page(job.run))
    for folder in (job.run.path / "images").glob("own-*"):
        if folder.name != job.own_folder:  # of prompts that it was judged on before
            weights.remove(folder)
    yield recorder.phase("save", 1, 1)
    yield recorder.record(telemetry.Report(report))


def earlier_report(run: Run) -> RunReport | None:
    """The report so far; None if there is none, or none that can be read, which a new one is to replace."""
    with contextlib.suppress(Refusal):
        return run.report()
    return None


def summarise(job: Job, scores: Scores, warnings: Sequence[str]) -> RunReport:
    """The report: what was done, the scores, and what it was done with."""
    records, settings, libraries = job.run.telemetry()[0], job.settled(), versions()
    steps = [record for record in records if isinstance(record, Step)]
    old = earlier_report(job.run)  # has the memory of the training, when only the scores are new
    made_with = reproduce.MadeWith(
        steps=len(steps), device=settings["device"], fingerprint=settings["fingerprint"], versions=libraries
    )
    return RunReport(
        **dict(scores),
        model=job.run.config.model,
        method=job.settings.method,
        seed=job.run.config.seed,
        steps=len(steps),
        seconds=round(Pace.of(records).spent, 3),
        memory_gb=round(max(machine.peak_gb(settings["device"]), old.memory_gb if old else 0.0), 3),
        ledger=ledger(steps),
        warnings=(*filter(None, (job.unscored,)), *job.prompts.warnings, *warnings, *_advice(job.settings, steps)),
        settings=settings,
        versions=libraries,
        reproduces=reproduce.outcome(job.run, made_with),
    )


def _advice(settings: Settings, steps: Sequence[Step]) -> list[str]:
    """From when on a quota of forgetting costs keeping, for the method that has one."""
    if settings.combine != "hamu":
        return []
    costly = [step.step for step in steps if forgetting_costs(step.cosine, settings.quota)]
    if not costly:
        return []
    return [
        f"At {len(costly):,} of {len(steps):,} steps, first at step {costly[0]:,}, the quota of forgetting could not "
        "be met without the retain loss rising to first order; ending before is advised."
    ]


def versions() -> dict[str, str]:
    """The releases a run was made with; what is not installed as a package is left out."""
    releases = {"python": platform.python_version()}
    for name in LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            releases[name] = version(name)
    return releases
