"""Draws with a finished run's weights: a prompt of one's own, the change at several strengths, probes.

The run is claimed meanwhile and otherwise left as it is. What may be asked and where it goes is known in `tryout`;
how an image is drawn or scored is known below.
"""

import json
import os
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
from balign.models import weight_file
from balign.refusal import Refusal
from balign.runs.engine import images
from balign.runs.engine.job import Job, load_job
from balign.runs.engine.recorder import Stopped, log, sentence
from balign.runs.folder import Run
from balign.runs.tryout import store
from balign.runs.tryout.store import STRENGTHS, Ask, Progress

SIDES = ("before", "after")
PROBE_SEEDS = 20_011
"""Added to a run's seed, so that no probe shares its noise with a training or test image."""
STOPPED = "Stopped before it was through; nothing was written."
Told = Callable[[int, int], None]


@contextmanager
def visiting(run: Run, verb: str) -> Iterator[Told]:
    """Claim the run for something that leaves it as it is, and say in its folder how far that is or why it ended.

    What is yielded is called after each batch, with how many are done and how many there are.
    """
    if not store.ready(run):
        raise Refusal(f"Run {run.id} has no erased weights or no report yet; `balign run {run.path}` finishes it.")
    run.claim()
    os.utime(run.path / "pid", (0, 0))  # older than the run's last word: nobody is to think that the run goes on

    def told(done: int, total: int) -> None:
        if run.stop_requested():
            raise Stopped("discard")
        store.tell(run, Progress(verb, done, total))

    try:
        store.sweep(run)
        told(0, 0)
        yield told
        store.clear(run)
    except Exception as error:  # whatever it is, the watcher gets one sentence and log.txt the rest
        words = STOPPED if isinstance(error, Stopped) else sentence(error)
        if not isinstance(error, Stopped):
            log(run, error)
        store.tell(run, Progress(verb, 0, 0, words))
        raise Refusal(words) from error
    finally:
        run.clear_stop()
        run.release()


def load(run: Run) -> Job:
    """The run's base model and the scorer of its report, so that scores compare."""
    scorer = (run.report() or {}).get("scorer")
    return load_job(run, scorer if isinstance(scorer, str) else None)


def draw_try(run: Run, ask: Ask) -> Path:
    """Draw the prompt with both models and score it; where it was written.

    Every image is drawn alone: it follows from its prompt and seed, whatever else is drawn with it.
    """
    with visiting(run, "try") as told:
        job, started = load(run), time.monotonic()
        shots = [Shot("own", ask.prompt, {}, ask.seed + k) for k in range(ask.images)]
        drawn: dict[str, Tensor] = {}
        for turn, side in enumerate(SIDES):
            if side == "after":
                weight_file.load_changed(run.path / "erased.safetensors", job.model.denoiser)
            pictures = []
            for k, shot in enumerate(shots):
                told(turn * len(shots) + k, 2 * len(shots))
                pictures.append(images.render(job.model, [shot], job.sampling)[0])
            drawn[side] = torch.stack(pictures)
        target = store.new_try(run)
        rows: list[dict[str, Any]] = [{"prompt": shot.prompt, "seed": shot.seed} for shot in shots]
        with store.whole(target) as draft:
            for side, pictures_of in drawn.items():
                scores = job.scorer.alignment(pictures_of, [ask.prompt] * len(shots)).tolist()
                for k, (row, score) in enumerate(zip(rows, scores, strict=True)):
                    images.save_png(draft / f"{side}-{k}.png", pictures_of[k])
                    row |= {side: f"tries/{target.name}/{side}-{k}.png", f"alignment_{side}": score}
            facts = {"scorer": job.scorer.name, "seconds": round(time.monotonic() - started, 3), "images": rows}
            _write(draft / "try.json", ask.model_dump(exclude={"images"}) | facts)
        store.drop_oldest(run)
    return target


def draw_strengths(run: Run) -> Path:
    """Draw a few test prompts at every strength and score them; where they were written."""
    with visiting(run, "strength") as told:
        job = load(run)
        shots = [job.shots[k] for k in images.previewed(job.shots, ("erased", "kept"))]  # one full batch
        base = {name: weight.clone() for name, weight in job.weights().items()}
        total = len(STRENGTHS) + 1
        told(0, total)
        untouched = _full(job, shots)
        frames = []
        target = run.path / "strength"
        with store.whole(target) as draft:
            for place, amount in enumerate(STRENGTHS):
                told(place + 1, total)
                weight_file.load_changed(run.path / "erased.safetensors", job.model.denoiser, amount, base)
                drawn = _full(job, shots)
                if amount == 0 and not torch.equal(drawn, untouched):
                    raise RuntimeError("Strength 0 gave other images than the base model, so no strength would hold.")
                for k, picture in enumerate(drawn):
                    images.save_png(draft / f"{place}-{k}.png", picture)
                scores = job.scorer.alignment(drawn, [shot.prompt for shot in shots]).tolist()
                frames.append({"strength": amount, "alignment": scores})
            rows = [{"group": shot.group, "prompt": shot.prompt, "seed": shot.seed} for shot in shots]
            _write(draft / "strength.json", {"scorer": job.scorer.name, "prompts": rows, "frames": frames})
    return target


def draw_probes(run: Run) -> Path:
    """Draw the probes with both models, and say which still show the concept; where they were written."""
    with visiting(run, "probe") as told:
        job = load(run)
        lists = job.prompts.lists
        asked, left_out = probes(lists, job.prompts.forget, run.config.seed)
        seeds = image_seeds([probe.prompt for probe in asked], run.config.seed + PROBE_SEEDS)
        shots = [Shot("probe", p.prompt, {p.kind: p.concept}, seed) for p, seed in zip(asked, seeds, strict=True)]
        captions = {target.word.name: target.lexicon.captions(target.word)[0] for target in lists.targets}
        rows = [probe._asdict() | {"seed": seed} for probe, seed in zip(asked, seeds, strict=True)]
        target = run.path / "probes"
        with store.whole(target) as draft:
            for turn, side in enumerate(SIDES):
                if side == "after":
                    weight_file.load_changed(run.path / "erased.safetensors", job.model.denoiser)
                parts = []
                for start in range(0, len(shots), images.BATCH):
                    told(turn * len(shots) + start, 2 * len(shots))
                    parts.append(images.render(job.model, shots[start : start + images.BATCH], job.sampling))
                drawn = torch.cat(parts)
                scores = job.scorer.alignment(drawn, [captions[probe.concept] for probe in asked]).tolist()
                shown = recognised(drawn, shots, job.scorer, job.prompts.choices)
                for k, (row, score, kinds) in enumerate(zip(rows, scores, shown, strict=True)):
                    images.save_png(draft / f"{side}-{k}.png", drawn[k])
                    row |= {side: f"probes/{side}-{k}.png", f"alignment_{side}": score}
                    row |= {f"shows_{side}": kinds.get(row["kind"])}
            _write(draft / "probes.json", {"scorer": job.scorer.name, "left_out": left_out, "probes": rows})
    return target


def _full(job: Job, shots: Sequence[Shot]) -> Tensor:
    """The images of a few shots, drawn in a full batch as those of the report were, so that they are the same."""
    return images.render(job.model, (list(shots) * images.BATCH)[: images.BATCH], job.sampling)[: len(shots)]


def _write(path: Path, facts: dict[str, Any]) -> None:
    path.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
