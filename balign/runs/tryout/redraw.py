"""Draw with a finished run's weights: your own prompt, the change at several strengths, probes.

The run is claimed meanwhile and otherwise left as it is. Every picture goes through `store`'s types.
"""

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
def drawing(run: Run, verb: str) -> Iterator[OnProgress]:
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
            message = STOPPED if isinstance(error, Stopped) else sentence(error)
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
    with drawing(run, "try") as on_progress:
        job, started = load(run), time.monotonic()
        shots = [Shot("own", request.prompt, {}, request.seed + k) for k in range(request.images)]
        drawn: dict[str, Tensor] = {}
        for turn, side in enumerate(SIDES):
            if side == "after":
                weight_file.load_changed(run.path / "erased.safetensors", job.model.denoiser)
            pictures = []
            for k, shot in enumerate(shots):
                on_progress(turn * len(shots) + k, 2 * len(shots))
                pictures.append(images.render(job.model, [shot], job.sampling)[0])
            drawn[side] = torch.stack(pictures)
        target = store.new_try(run)
        rows: list[dict[str, Any]] = [{"prompt": shot.prompt, "seed": shot.seed} for shot in shots]
        with atomic(target) as draft:
            draft.mkdir(parents=True)
            for side in SIDES:
                _add(rows, drawn[side], side, [request.prompt] * len(shots), job, draft, f"tries/{target.name}")
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
    with drawing(run, "strength") as on_progress:
        job = load(run)
        shots = [job.shots[k] for k in images.previewed(job.shots, ("erased", "kept"))]  # one full batch
        prompts = [shot.prompt for shot in shots]
        base = {name: weight.clone() for name, weight in job.weights().items()}
        total = len(STRENGTHS) + 1
        on_progress(0, total)
        untouched = _full(job, shots)
        frames = []
        target = run.path / "strength"
        with atomic(target) as draft:
            draft.mkdir(parents=True)
            for place, amount in enumerate(STRENGTHS):
                on_progress(place + 1, total)
                weight_file.load_changed(run.path / "erased.safetensors", job.model.denoiser, amount, base)
                pictures = _full(job, shots)
                if amount == 0 and not torch.equal(pictures, untouched):
                    raise RuntimeError("Strength 0 gave other images than the base model, so no strength would hold.")
                for k, picture in enumerate(pictures):
                    images.save_png(draft / f"{place}-{k}.png", picture)
                scores = tuple(job.scorer.alignment(pictures, prompts).tolist())
                frames.append(store.StrengthFrame(strength=amount, alignment=scores))
            store.StrengthResult(
                scorer=job.scorer.name,
                prompts=tuple(store.StrengthPrompt.model_validate(shot._asdict()) for shot in shots),
                frames=tuple(frames),
            ).write(draft / "strength.json")
    return target


def draw_probes(run: Run) -> Path:
    """Draw the probes with both models and score whether they show the concept; returns the folder written to."""
    with drawing(run, "probe") as on_progress:
        job = load(run)
        lists = job.prompts.lists
        ways, left_out = probes(lists, job.prompts.forget, run.config.seed)
        seeds = image_seeds([probe.prompt for probe in ways], run.config.seed + PROBE_SEEDS)
        shots = [Shot("probe", p.prompt, {p.kind: p.concept}, seed) for p, seed in zip(ways, seeds, strict=True)]
        captions = {target.word.name: target.lexicon.captions(target.word)[0] for target in lists.targets}
        rows = [probe._asdict() | {"seed": seed} for probe, seed in zip(ways, seeds, strict=True)]
        target = run.path / "probes"
        with atomic(target) as draft:
            draft.mkdir(parents=True)
            for turn, side in enumerate(SIDES):
                if side == "after":
                    weight_file.load_changed(run.path / "erased.safetensors", job.model.denoiser)
                parts = []
                for start in range(0, len(shots), images.BATCH):
                    on_progress(turn * len(shots) + start, 2 * len(shots))
                    parts.append(images.render(job.model, shots[start : start + images.BATCH], job.sampling))
                drawn = torch.cat(parts)
                _add(rows, drawn, side, [captions[probe.concept] for probe in ways], job, draft, "probes")
                shown = recognised(drawn, shots, job.scorer, job.prompts.choices)
                for row, kinds in zip(rows, shown, strict=True):
                    row[f"shows_{side}"] = kinds.get(row["kind"])
            drawn_probes = tuple(store.ProbePair(**row) for row in rows)
            store.ProbeResult(scorer=job.scorer.name, left_out=left_out, probes=drawn_probes).write(
                draft / "probes.json"
            )
    return target


def _add(
    rows: Sequence[dict[str, Any]],
    drawn: Tensor,
    side: str,
    captions: Sequence[str],
    job: Job,
    draft: Path,
    folder: str,
) -> None:
    """Save one side's images (N, H, W, 3), and add to each row its file and its alignment with its caption."""
    scores = job.scorer.alignment(drawn, captions).tolist()
    for k, (row, score) in enumerate(zip(rows, scores, strict=True)):
        images.save_png(draft / f"{side}-{k}.png", drawn[k])
        row |= {side: f"{folder}/{side}-{k}.png", f"alignment_{side}": score}


def _full(job: Job, shots: Sequence[Shot]) -> Tensor:
    """The images of a few shots, drawn in a full batch as those of the report were, so that they are the same."""
    return images.render(job.model, (list(shots) * images.BATCH)[: images.BATCH], job.sampling)[: len(shots)]
