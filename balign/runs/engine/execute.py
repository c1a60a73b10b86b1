"""Do a whole run: load, check, data, unlearn, evaluate, save. Every event is yielded and recorded in the run's folder.

A run can be killed at any moment, and resumes from its folder to the same weights. Also: score a run again, export it.
"""

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from balign.atomic import write
from balign.method.training import Unlearner
from balign.models import lora, weight_file
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.engine import checkpoint, images, phases
from balign.runs.engine.job import Job, load_job, load_model
from balign.runs.engine.recorder import Recorder, Stopped, log, sentence
from balign.runs.folder import Run
from balign.runs.outcome.model_card import card
from balign.telemetry import Record, Report


def run(what: RunConfig | Run) -> Iterator[Record]:
    """Do a whole run, or the rest of one, and yield its events.

    A run that fails ends with a Phase called `failed` whose message says why. Raises Refusal only if the run is already
    running.
    """
    folder = what if isinstance(what, Run) else Run.create(what)
    with folder.claim():
        last = folder.last_phase()
        yield from _last_events(folder) if last and last.name == "done" else _guarded(folder, _all_phases)


def evaluate(folder: Run, scorer: str | None = None) -> Iterator[Record]:
    """Draw and score the images of a run's erased weights again, with another scorer if one is named."""
    with folder.claim():
        yield from _guarded(folder, lambda recorder: _reevaluate(recorder, scorer))


def export(folder: Run, out: Path, strength: float = 1.0) -> Path:
    """Write the erased model as a whole diffusers folder; `strength` says how much of the change to apply.

    If `out` ends in .safetensors, only the changed weights are written, at that strength. Raises Refusal if `out`
    exists already or the run has no erased weights.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Refusal(f"{out} exists and is not an empty folder; name a new one.")
    weights = _erased(folder)
    model = load_model(folder.config)
    weight_file.load_changed(weights, model.denoiser, strength=strength)
    if out.suffix == ".safetensors":
        names, metadata = weight_file.read_changed(weights)
        scaled = dict(model.denoiser.named_parameters())
        metadata |= {"strength": f"{strength:g}"}
        weight_file.save_changed(out, {name: scaled[name] for name in names}, metadata)
        return out
    model.save(str(out))
    write(out / "README.md", card(folder, strength))
    return out


def export_lora(folder: Run, out: Path, rank: int) -> float:
    """Write the change as a low-rank adapter; the share of its squared norm that the rank holds."""
    if rank < 1:
        raise Refusal(f"rank is {rank}; a whole number from 1 up is accepted.")
    if out.exists():
        raise Refusal(f"{out} exists; name a new file.")
    changed, _ = weight_file.read_changed(_erased(folder))
    base = dict(load_model(folder.config).denoiser.named_parameters())
    tensors, share = lora.adapter(base, changed, rank)
    weight_file.save_changed(out, tensors, {"base_model": folder.config.model, "share_of_change": f"{share:.4f}"})
    return share


def _guarded(folder: Run, work: Callable[[Recorder], Iterator[Record]]) -> Iterator[Record]:
    """The events of the work, and a last one if it is stopped or fails."""
    recorder = Recorder(folder)
    try:
        yield from work(recorder)
    except Stopped as stopped:
        if not stopped.keep:
            stopped.message = _discard(folder)
        folder.clear_stop()
        yield recorder.final("stopped", stopped.message)
    except Exception as error:  # whatever it is, the watcher gets one sentence and log.txt the trace
        log(folder, error)
        yield recorder.final("failed", sentence(error))


def _last_events(folder: Run) -> Iterator[Record]:
    """The report and last event of a finished run."""
    records = folder.telemetry()[0]
    yield from [record for record in records if isinstance(record, Report)][-1:]
    yield records[-1]


def _all_phases(recorder: Recorder) -> Iterator[Record]:
    """All phases in order; training resumes from the checkpoint, if there is one."""
    folder = recorder.run
    saved = checkpoint.read(folder)
    recorder.rewind(saved.step if saved else -1)
    job = yield from _load(recorder)
    yield from phases.check(job, recorder)
    data = yield from phases.data(job, recorder)
    learner = Unlearner(job.model, data, job.settings, folder.config.seed)
    if saved:
        saved.restore(learner, job.model.fingerprint)
    try:
        yield from phases.unlearn(job, recorder, learner)
        _save_weights(job, learner)
        scores = yield from phases.evaluate(job, recorder)
        early = [learner.outcome.message] if learner.outcome and learner.outcome.reason != "finished" else []
        yield from phases.save(job, recorder, scores, early)
        yield recorder.phase("done", 1, 1)
    except Stopped as stopped:
        if stopped.keep:
            stopped.message = _keep(job, learner)
        raise


def _reevaluate(recorder: Recorder, scorer: str | None) -> Iterator[Record]:
    """Evaluate the erased weights of the run, and report. Nothing is recorded before the evaluation is complete."""
    recorder.quiet = True
    folder = recorder.run
    weights, old = _erased(folder), phases.earlier_report(folder)
    job = yield from _load(recorder, scorer)
    for _ in images.draw(job.model, job.shots, job.sampling, folder.path / "images" / "before", again=False):
        recorder.obey()
    weight_file.load_changed(weights, job.model.denoiser)
    scores = yield from phases.evaluate(job, recorder)
    recorder.quiet = False
    early = [text for text in (old.warnings if old else ()) if text not in job.prompts.warnings]
    yield from phases.save(job, recorder, scores, early)
    yield recorder.phase("done", 1, 1)


def _load(recorder: Recorder, scorer: str | None = None) -> Generator[Record, None, Job]:
    recorder.obey()
    yield recorder.phase("load", 0, 1)
    job = load_job(recorder.run, scorer)
    recorder.obey()
    yield recorder.phase("load", 1, 1)
    return job


def _erased(folder: Run) -> Path:
    path = folder.path / "erased.safetensors"
    if not path.is_file():
        raise Refusal(f"Run {folder.id} has no erased weights yet; `balign run` with its folder makes them.")
    return path


def _save_weights(job: Job, learner: Unlearner) -> None:
    metadata = {"format": "balign", "model": job.run.config.model, "fingerprint": job.model.fingerprint}
    metadata |= {"method": job.settings.method, "step": str(learner.step)}
    weight_file.save_changed(job.run.path / "erased.safetensors", learner.changed(), metadata)


def _keep(job: Job, learner: Unlearner) -> str:
    checkpoint.save(job.run, learner, job.model.fingerprint)
    _save_weights(job, learner)
    return (
        f"Stopped after step {learner.step} of {job.settings.steps}; the weights so far are in erased.safetensors, "
        "and running the folder again continues from here."
    )


def _discard(folder: Run) -> str:
    for name in ("checkpoint.safetensors", "erased.safetensors"):
        (folder.path / name).unlink(missing_ok=True)
    return "Stopped; the weights so far were thrown away, and running the folder again starts from the beginning."
