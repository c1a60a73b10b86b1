"""Draw with a finished run's weights: your own prompt, the change at several strengths, probes."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from balign.data.latents import image_seeds
from balign.data.probes import probes
from balign.measure.evaluation import Shot, recognised
from balign.measure.report import Pair
from balign.models import weight_file
from balign.refusal import Refusal
from balign.runs.engine import images
from balign.runs.engine.job import Job, load_job
from balign.runs.engine.recorder import Stopped, log, sentence
from balign.runs.folder import Run
from balign.runs.tryout import store
from balign.runs.tryout.store import STRENGTHS, DrawingFailed, DrawingProgress, PromptRequest

SIDES = ("before", "after")
PROBE_SEEDS = 20_011
"""Added to a run's seed, so that no probe shares its noise with a training or test image."""
STOPPED = "Stopped; every picture that was drawn with both models is kept."
OnProgress = Callable[[int, int], None]


@contextmanager
def drawing(run: Run, verb: str, stopped: str = STOPPED) -> Iterator[OnProgress]:
    """Claim the run without changing it, and keep in its folder how far the drawing is or why it ended.

    Yields a function to call before each batch with how many pictures are done and how many there are. What was drawn
    until a stop or a kill stays. Raises Refusal if the run has nothing to draw with, is claimed already or is stopped,
    and DrawingFailed if the drawing fails.
    """
    if not store.ready(run):
        raise Refusal(f"Run {run.id} has no erased weights or no report yet; `balign run` with its folder finishes it.")

    def on_progress(done: int, total: int) -> None:
        if run.stop_requested():
            raise Stopped
        DrawingProgress(verb=verb, done=done, total=total).write(run.path / store.PROGRESS)

    with run.claim(drawing=True):
        try:
            store.remove_drafts(run)
            on_progress(0, 0)
            yield on_progress
            store.clear_progress(run)
        except Exception as error:  # whatever it is, the page gets one sentence and log.txt the rest
            refused = isinstance(error, Stopped | Refusal)
            message = stopped if isinstance(error, Stopped) else sentence(error)
            if not refused:
                log(run, error)
            ended = DrawingProgress(verb=verb, failed=message, stopped=isinstance(error, Stopped))
            ended.write(run.path / store.PROGRESS)
            raise (Refusal if refused else DrawingFailed)(message) from error
        finally:
            run.clear_stop()


def load(run: Run) -> Job:
    """The run's base model and the scorer of its report, so that scores compare."""
    report = run.report()
    return load_job(run, (report.scorer or None) if report else None)


def draw_try(run: Run, request: PromptRequest) -> Path:
    """Draw the prompt with both models and score it; returns the folder it was written to.

    Every image is drawn alone: it follows from its prompt and seed, whatever else is drawn with it.
    """
    target = store.new_try(run)
    with drawing(run, "try") as on_progress:
        job, started, pairs = load(run), time.monotonic(), []
        shots = [Shot("own", request.prompt, {}, request.seed + k) for k in range(request.images)]
        captions, report = [request.prompt] * len(shots), run.report()
        for rows, _ in _pairs(job, shots, captions, 1, target, on_progress):
            pairs += [Pair(**row) for row in rows]
            store.OwnPrompt(
                prompt=request.prompt,
                seed=request.seed,
                scorer=_name(job),
                seconds=round(time.monotonic() - started, 3),
                images=tuple(pairs),
                asked=len(shots),
                steps=report.steps if report else 0,
            ).write(target / "try.json")
    store.drop_oldest(run)
    return target


def draw_strengths(run: Run) -> Path:
    """Draw a few test prompts at every strength and score them; returns the folder they were written to.

    Goes on with what was drawn before, if that was stopped.
    """
    target = run.path / "strength"
    with drawing(run, "strength") as on_progress:
        job = load(run)
        shots = [job.shots[k] for k in images.previewed(job.shots, ("erased", "kept"))]
        prompts = tuple(store.StrengthPrompt.model_validate(shot._asdict()) for shot in shots)
        frames = list(_unfinished(store.strength, run, job, prompts))
        batch = (shots * images.BATCH)[: images.BATCH]  # a full one, as for the report, so that the images are the same
        base, total = _base(job), len(STRENGTHS) + 1
        if not frames:
            on_progress(0, total)
            untouched = images.render(job.model, batch, job.sampling)
        target.mkdir(exist_ok=True)
        for place, amount in list(enumerate(STRENGTHS))[len(frames) :]:
            on_progress(place + 1, total)
            weight_file.load_changed(run.path / "erased.safetensors", job.model.denoiser, amount, base)
            drawn = images.render(job.model, batch, job.sampling)
            if amount == 0 and not torch.equal(drawn, untouched):
                raise RuntimeError("Strength 0 gave other images than the base model, so no strength would hold.")
            for k in range(len(shots)):
                images.save_png(target / f"{place}-{k}.png", drawn[k])
            scores = _aligned(job, drawn[: len(shots)], [shot.prompt for shot in shots])
            frames.append(store.StrengthFrame(strength=amount, alignment=tuple(scores)))
            result = store.StrengthResult(scorer=_name(job), prompts=prompts, frames=tuple(frames))
            result.write(target / "strength.json")
    return target


def draw_probes(run: Run) -> Path:
    """Draw the probes with both models and score whether they show the concept; returns the folder written to.

    Goes on with what was drawn before, if that was stopped.
    """
    target = run.path / "probes"
    with drawing(run, "probe") as on_progress:
        job = load(run)
        lists = job.prompts.lists
        ways, left_out = probes(lists, job.prompts.forget, run.config.seed)
        seeds = image_seeds([probe.prompt for probe in ways], run.config.seed + PROBE_SEEDS)
        shots = [Shot("probe", p.prompt, {p.kind: p.concept}, seed) for p, seed in zip(ways, seeds, strict=True)]
        captions = {each.word.name: each.lexicon.captions(each.word)[0] for each in lists.targets}
        concepts = [captions[probe.concept] for probe in ways]
        pairs = list(_unfinished(store.probes, run, job, tuple(shots)))
        for rows, drawn in _pairs(job, shots, concepts, images.BATCH, target, on_progress, len(pairs)):
            some = shots[len(pairs) : len(pairs) + len(rows)]
            shown: list[list[dict[str, bool]]] = [
                recognised(drawn[side], some, job.scorer, job.prompts.choices) if job.scorer else [{}] * len(some)
                for side in SIDES
            ]
            for row, probe, *kinds in zip(rows, ways[len(pairs) :], *shown, strict=False):
                sees = {f"shows_{side}": known.get(probe.kind) for side, known in zip(SIDES, kinds, strict=True)}
                pairs.append(store.ProbePair(**row | probe._asdict() | sees))
            store.ProbeResult(scorer=_name(job), left_out=left_out, total=len(shots), probes=tuple(pairs)).write(
                target / "probes.json"
            )
    return target


def _pairs(
    job: Job, shots: Sequence[Shot], texts: Sequence[str], batch: int, target: Path, progress: OnProgress, done: int = 0
) -> Iterator[tuple[list[dict[str, Any]], dict[str, Tensor]]]:
    """Draw the shots from the one numbered `done` on: a batch with both models, saved in the target, then the next.

    Yields for each batch the values of its Pairs, and for each side its images (N, H, W, 3).
    """
    target.mkdir(parents=True, exist_ok=True)
    base = _base(job)
    if job.scorer:
        job.scorer.embed_texts(texts)  # all at once, so that no score depends on where it was stopped
    for start in range(done, len(shots), batch):
        some, drawn = shots[start : start + batch], {}
        rows: list[dict[str, Any]] = [{"prompt": shot.prompt, "seed": shot.seed} for shot in some]
        for turn, side in enumerate(SIDES):
            progress(2 * start + turn * len(some), 2 * len(shots))
            weight_file.load_changed(job.run.path / "erased.safetensors", job.model.denoiser, float(turn), base)
            drawn[side] = images.render(job.model, some, job.sampling)
            scores = _aligned(job, drawn[side], texts[start : start + batch])
            for k, (row, score) in enumerate(zip(rows, scores, strict=True)):
                name = f"{side}-{start + k}.png"
                images.save_png(target / name, drawn[side][k])
                row |= {side: (target / name).relative_to(job.run.path).as_posix(), f"alignment_{side}": score}
        yield rows, drawn


def _name(job: Job) -> str:
    """The scorer's name; empty without one."""
    return job.scorer.name if job.scorer else ""


def _aligned(job: Job, drawn: Tensor, texts: Sequence[str]) -> list[float | None]:
    """The alignment of each image (N, H, W, 3) with its text; None without a scorer."""
    return job.scorer.alignment(drawn, texts).tolist() if job.scorer else [None] * len(drawn)


def _base(job: Job) -> dict[str, Tensor]:
    """The weights that the run changed, as they are in the base model."""
    changed, _ = weight_file.read_changed(job.run.path / "erased.safetensors")
    weights = dict(job.model.denoiser.named_parameters())
    return {name: weights[name].detach().cpu().clone() for name in changed if name in weights}


def _unfinished(read: Callable[[Run], Any], run: Run, job: Job, shots: Sequence[Any]) -> Sequence[Any]:
    """What an earlier drawing of these shots, scored by the same scorer, had drawn when it was stopped."""
    try:
        result = read(run)
    except Refusal:  # unreadable: drawn again
        return ()
    if result is None or not result.partial or result.scorer != _name(job) or not result.goes_on_with(shots):
        return ()
    return result.drawn
