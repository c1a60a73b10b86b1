"""Do a whole run: load, check, data, unlearn, evaluate, save. Every event is yielded and recorded in the run's folder.

A run can be killed at any moment, and resumes from its folder to the same weights. Also: score a run again, export it.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from balign.atomic import write
from balign.method.training import Unlearner
from balign.models import lora, weight_file
from balign.refusal import Refusal
from balign.runs import leftovers, weights
from balign.runs.config import RunConfig
from balign.runs.engine import checkpoint, fitting, images, phases
from balign.runs.engine.job import Job, load_job, load_model
from balign.runs.engine.recorder import Recorder, Stopped, log, sentence
from balign.runs.folder import Run
from balign.runs.outcome.model_card import card
from balign.telemetry import Record, Report

STOPPED = "stopped"
"""In the metadata of the weights, the reason of a training that goes on when the run is resumed."""


def run(what: RunConfig | Run) -> Iterator[Record]:
    """Do a whole run, or the rest of one, and yield its events.

    A run that is asked to stop keeps and compares what there is. One that fails ends with a Phase called `failed` whose
    message says why. Raises Refusal only if the run is already running.
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
    erased = _erased(folder)
    model = load_model(folder.config)
    weight_file.load_changed(erased, model.denoiser, strength=strength)
    if out.suffix == ".safetensors":
        names, metadata = weight_file.read_changed(erased)
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
    leftovers.clear_run(folder.path)
    if folder.stop_requested() == "comparing":  # killed while it did
        folder.clear_stop()
    try:
        yield from work(recorder)
    except Stopped as stopped:
        event = recorder.final("stopped", str(stopped))
        folder.clear_stop()
        yield event
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
    settings, said = fitting.fitted(job, saved)
    job = replace(job, settings=settings)
    if said:
        yield recorder.phase("load", 1, 1, said)
    paint = yield from phases.check(job, recorder)
    data = yield from phases.data(job, recorder, paint)
    learner = Unlearner(job.model, data, job.settings, folder.config.seed)
    if saved:
        saved.restore(learner, job.model.fingerprint)
    yield from phases.unlearn(job, recorder, learner)
    _save_weights(job, learner)
    reason = learner.outcome.reason if learner.outcome else STOPPED
    early = [learner.outcome.message] if learner.outcome and reason != "finished" else []
    yield from _compare(job, recorder, learner.step, reason, early)


def _reevaluate(recorder: Recorder, scorer: str | None) -> Iterator[Record]:
    """Evaluate the erased weights of the run, and report.

    A finished run stays finished: nothing is recorded before the evaluation is complete.
    """
    folder = recorder.run
    last, path, old = folder.last_phase(), _erased(folder), phases.earlier_report(folder)
    finished = last is not None and last.name == "done"
    recorder.quiet = finished
    job = yield from _load(recorder, scorer)
    for _ in images.draw(job.model, job.shots, job.sampling, folder.path / "images" / "before", again=False):
        recorder.obey()
    facts = weight_file.load_changed(path, job.model.denoiser)
    step = int(facts.get("step", job.settings.steps))
    reason = facts.get("reason", "finished" if finished or step >= job.settings.steps else STOPPED)
    early = [text for text in (old.warnings if old else ()) if text not in job.prompts.warnings]
    yield from _compare(job, recorder, step, reason, early)


def _compare(job: Job, recorder: Recorder, step: int, reason: str, early: Sequence[str]) -> Iterator[Record]:
    """Evaluate the weights and report; then the run is done, or stopped where its training is not over."""
    folder, partial, where = job.run, reason == STOPPED, f"Stopped after step {step:,} of {job.settings.steps:,}"
    flag = folder.stop_requested()
    if flag == "now":
        raise Stopped(f"{where}, without a comparison; the weights are kept, and resuming goes on from there.")
    if flag or partial:
        folder.begin_last_comparison()
    try:
        scores = yield from phases.evaluate(job, recorder)
    except Stopped:
        resuming = "resuming goes on from there" if partial else "resuming compares them"
        raise Stopped(f"{where}, before it was compared; the weights are kept, and {resuming}.") from None
    about = [f"{where}: these are the scores of the weights so far."] if partial else []
    recorder.quiet = False
    yield from phases.save(job, recorder, scores, [*(text for text in early if text not in about), *about])
    if partial:
        raise Stopped(f"{where} and compared; resuming goes on from there.")
    yield recorder.phase("done", 1, 1)
    folder.clear_stop()  # which may have come too late


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
    """Replace the erased weights by the present ones, and set aside what was made with other ones."""
    path = job.run.path / weights.ERASED
    if path.is_file() and weights.saved_step(path) != learner.step:
        weights.set_aside(job.run)
    metadata = {"format": "balign", "model": job.run.config.model, "fingerprint": job.model.fingerprint}
    metadata |= {"method": job.settings.method, "step": str(learner.step)}
    metadata |= {"reason": learner.outcome.reason if learner.outcome else STOPPED}
    weight_file.save_changed(path, learner.changed(), metadata)
