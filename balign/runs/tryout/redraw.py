"""Draw with a finished run's weights: your own prompt, the change at several strengths, probes."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from balign.atomic import atomic
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
STOPPED = "Stopped before the end; nothing was written."
OnProgress = Callable[[int, int], None]


@contextmanager
def drawing(run: Run, verb: str, stopped: str = STOPPED) -> Iterator[OnProgress]:
    """Claim the run without changing it, and keep in its folder how far the drawing is or why it ended.

    Yields a function to call before each batch with how many pictures are done and how many there are. Raises Refusal
    if the run is not finished, is claimed already or is stopped, and DrawingFailed if the drawing fails.
    """
    if not store.ready(run):
        raise Refusal(f"Run {run.id} has no erased weights or no report yet; `balign run {run.path}` finishes it.")

    def on_progress(done: int, total: int) -> None:
        if run.stop_requested():
            raise Stopped("discard")
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
            DrawingProgress(verb=verb, failed=message).write(run.path / store.PROGRESS)
            raise (Refusal if refused else DrawingFailed)(message) from error
        finally:
            run.clear_stop()


def load(run: Run) -> Job:
    """The run's base model and the scorer of its report, so that scores compare."""
    report = run.report()
    return load_job(run, report.scorer if report else None)


def draw_try(run: Run, request: PromptRequest) -> Path:
    """Draw the prompt with both models and score it; returns the folder it was written to.

    Every image is drawn alone: it follows from its prompt and seed, whatever else is drawn with it.
    """
    target = store.new_try(run)
    with drawing(run, "try") as on_progress, atomic(target) as draft:
        job, started = load(run), time.monotonic()
        shots = [Shot("own", request.prompt, {}, request.seed + k) for k in range(request.images)]
        rows, _ = _both_sides(job, shots, [request.prompt] * len(shots), 1, draft, f"tries/{target.name}", on_progress)
        store.OwnPrompt(
            prompt=request.prompt,
            seed=request.seed,
            scorer=job.scorer.name,
            seconds=round(time.monotonic() - started, 3),
            images=tuple(Pair(**row) for row in rows),
        ).write(draft / "try.json")
    store.drop_oldest(run)
    return target


def draw_strengths(run: Run) -> Path:
    """Draw a few test prompts at every strength and score them; returns the folder they were written to."""
    target = run.path / "strength"
    with drawing(run, "strength") as on_progress, atomic(target) as draft:
        job = load(run)
        shots = [job.shots[k] for k in images.previewed(job.shots, ("erased", "kept"))]
        batch = (shots * images.BATCH)[: images.BATCH]  # a full one, as for the report, so that the images are the same
        base = {name: weight.clone() for name, weight in job.weights().items()}
        on_progress(0, len(STRENGTHS) + 1)
        untouched = images.render(job.model, batch, job.sampling)
        frames = []
        draft.mkdir()
        for place, amount in enumerate(STRENGTHS):
            on_progress(place + 1, len(STRENGTHS) + 1)
            weight_file.load_changed(run.path / "erased.safetensors", job.model.denoiser, amount, base)
            drawn = images.render(job.model, batch, job.sampling)
            if amount == 0 and not torch.equal(drawn, untouched):
                raise RuntimeError("Strength 0 gave other images than the base model, so no strength would hold.")
            for k in range(len(shots)):
                images.save_png(draft / f"{place}-{k}.png", drawn[k])
            scores = job.scorer.alignment(drawn[: len(shots)], [shot.prompt for shot in shots]).tolist()
            frames.append(store.StrengthFrame(strength=amount, alignment=tuple(scores)))
        prompts = tuple(store.StrengthPrompt.model_validate(shot._asdict()) for shot in shots)
        result = store.StrengthResult(scorer=job.scorer.name, prompts=prompts, frames=tuple(frames))
        result.write(draft / "strength.json")
    return target


def draw_probes(run: Run) -> Path:
    """Draw the probes with both models and score whether they show the concept; returns the folder written to."""
    target = run.path / "probes"
    with drawing(run, "probe") as on_progress, atomic(target) as draft:
        job = load(run)
        lists = job.prompts.lists
        ways, left_out = probes(lists, job.prompts.forget, run.config.seed)
        seeds = image_seeds([probe.prompt for probe in ways], run.config.seed + PROBE_SEEDS)
        shots = [Shot("probe", p.prompt, {p.kind: p.concept}, seed) for p, seed in zip(ways, seeds, strict=True)]
        captions = {each.word.name: each.lexicon.captions(each.word)[0] for each in lists.targets}
        concepts = [captions[probe.concept] for probe in ways]
        rows, drawn = _both_sides(job, shots, concepts, images.BATCH, draft, "probes", on_progress)
        for side in SIDES:
            shown = recognised(drawn[side], shots, job.scorer, job.prompts.choices)
            for row, probe, kinds in zip(rows, ways, shown, strict=True):
                row |= probe._asdict() | {f"shows_{side}": kinds.get(probe.kind)}
        pairs = tuple(store.ProbePair(**row) for row in rows)
        store.ProbeResult(scorer=job.scorer.name, left_out=left_out, probes=pairs).write(draft / "probes.json")
    return target


def _both_sides(
    job: Job, shots: Sequence[Shot], captions: Sequence[str], batch: int, draft: Path, folder: str, progress: OnProgress
) -> tuple[list[dict[str, Any]], dict[str, Tensor]]:
    """Draw the shots with both models, save the images in the draft and score each with its caption.

    Returns for each shot the values of a Pair, whose files lie in `folder`, and for each side its images (N, H, W, 3).
    """
    draft.mkdir(parents=True)
    rows: list[dict[str, Any]] = [{"prompt": shot.prompt, "seed": shot.seed} for shot in shots]
    drawn = {}
    for turn, side in enumerate(SIDES):
        if side == "after":
            weight_file.load_changed(job.run.path / "erased.safetensors", job.model.denoiser)
        parts = []
        for start in range(0, len(shots), batch):
            progress(turn * len(shots) + start, 2 * len(shots))
            parts.append(images.render(job.model, shots[start : start + batch], job.sampling))
        drawn[side] = torch.cat(parts)
        scores = job.scorer.alignment(drawn[side], captions).tolist()
        for k, (row, score) in enumerate(zip(rows, scores, strict=True)):
            images.save_png(draft / f"{side}-{k}.png", drawn[side][k])
            row |= {side: f"{folder}/{side}-{k}.png", f"alignment_{side}": score}
    return rows, drawn
