"""Do a whole run: load, check, data, unlearn, evaluate, save. Every event is yielded and recorded in the run's folder.

A run can be killed at any moment, and resumes from its folder to the same weights. Also: score a run again.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace

from balign.data import latent_cache
from balign.measure.nudity import INSTALL
from balign.method.training import Unlearner
from balign.models import weight_file
from balign.refusal import Refusal
from balign.runs import leftovers, weights
from balign.runs.config import RunConfig
from balign.runs.engine import checkpoint, judging, phases, splitting
from balign.runs.engine.exporting import erased_weights
from balign.runs.engine.job import UNSCORED, Job, load_job
from balign.runs.engine.recorder import Recorder, Stopped, log, sentence
from balign.runs.folder import Run
from balign.runs.judged_again import UNJUDGED
from balign.runs.own_entries import TestPrompt
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


def evaluate(folder: Run, scorer: str | None = None, tests: Sequence[TestPrompt] | None = None) -> Iterator[Record]:
    """Draw and score the images of a run's erased weights again, with another scorer and on other own prompts if given.

    Without prompts those stay that it was judged on last.
    """
    with folder.claim():
        yield from _guarded(folder, lambda recorder: _reevaluate(recorder, scorer, tests))


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
    settings, said = splitting.fitted(job, saved)
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


def _reevaluate(recorder: Recorder, scorer: str | None, tests: Sequence[TestPrompt] | None) -> Iterator[Record]:
    """Evaluate the erased weights of the run, and report.

    A finished run stays finished: nothing is recorded before the evaluation is complete.
    """
    folder = recorder.run
    last, path, old = folder.last_phase(), erased_weights(folder), phases.earlier_report(folder)
    finished = last is not None and last.name == "done"
    recorder.quiet = finished
    (folder.path / UNJUDGED).unlink(missing_ok=True)
    if tests is None and old is not None and "own" in old.groups:
        tests = [TestPrompt(prompt=image.prompt, seed=image.seed) for image in old.groups["own"].images]
    job = yield from _load(recorder, scorer, tests)
    if job.scorer is None and (old is not None or scorer is not None):  # nothing would be gained, or scores be lost
        raise Refusal(job.unscored)
    for _ in phases.base_pictures(job):
        recorder.obey()
    facts = weight_file.load_changed(path, job.model.denoiser)
    step = int(facts.get("step", job.settings.steps))
    reason = facts.get("reason", "finished" if finished or step >= job.settings.steps else STOPPED)
    early = [text for text in (old.warnings if old else ()) if text not in (*job.prompts.warnings, INSTALL)]
    early = [text for text in early if not text.startswith(UNSCORED)]
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
        scores = yield from judging.evaluate(job, recorder)
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


def _load(
    recorder: Recorder, scorer: str | None = None, tests: Sequence[TestPrompt] | None = None
) -> Generator[Record, None, Job]:
    recorder.obey()
    yield recorder.phase("load", 0, 1)
    latent_cache.shrink(latent_cache.most_bytes())
    job = load_job(recorder.run, scorer, tests)
    latent_cache.note_model(job.model.fingerprint, recorder.run.config.model)
    recorder.obey()
    yield recorder.phase("load", 1, 1)
    return job


def _save_weights(job: Job, learner: Unlearner) -> None:
    """Replace the erased weights by the present ones, and set aside what was made with other ones."""
    path = job.run.path / weights.ERASED
    if path.is_file() and weights.saved_step(path) != learner.step:
        weights.set_aside(job.run)
    metadata = {"format": "balign", "model": job.run.config.model, "fingerprint": job.model.fingerprint}
    metadata |= {"method": job.settings.method, "step": str(learner.step)}
    metadata |= {"reason": learner.outcome.reason if learner.outcome else STOPPED}
    weight_file.save_changed(path, learner.changed(), metadata)
