"""The phase that judges a run: draw every test image with its weights, and score what both sides show."""

import itertools
from collections.abc import Generator
from pathlib import Path

import torch
from torch import Tensor

from balign.measure import nudity
from balign.measure.distances import Compared, distances
from balign.measure.evaluation import evaluate as score
from balign.measure.report import GroupName, Scores
from balign.runs.engine import images, strips
from balign.runs.engine.comparing import Comparing
from balign.runs.engine.job import Job
from balign.runs.engine.recorder import Recorder
from balign.runs.folder import Run
from balign.telemetry import Record


def evaluate(job: Job, recorder: Recorder) -> Generator[Record, None, Scores]:
    """Draw every test image with the current weights and score both sides. A second stop ends it.

    One that was ended goes on where it was, as long as the weights are the same.
    """
    folder, total, done, comparing = job.run.path / "images", len(job.shots) + len(job.own), 0, Comparing(job)
    yield recorder.phase("evaluate", comparing.since, total)
    for place, shots in ((folder, job.shots), (folder / job.own_folder, job.own)):
        since = min(max(comparing.since - done, 0), len(shots))
        for side, again in (("before", False), ("after", True)):
            for drawn in images.draw(job.model, shots, job.sampling, place / side, again, since=since):
                if side == "after" and drawn > since:
                    comparing.drawn(done + drawn)
                    if not done:
                        newest = range(images.BATCH * ((drawn - 1) // images.BATCH), drawn)
                        yield from map(recorder.record, strips.of_test(job, recorder, newest, pairs=True))
                    yield recorder.phase("evaluate", done + drawn, total)
                recorder.obey()
        done += len(shots)
    before, after = (_drawn(job, side) for side in ("before", "after"))
    scores = score([*job.shots, *job.own], before, after, job.scorer, job.prompts.choices, job.prompts.erased)
    recorder.obey()
    scores = _with_files(job, scores)
    if job.scorer is not None:
        far = distances(_kept(job, before, after), job.scorer, job.scorer.device)
        scores = scores.model_copy(update={"distances": far})
        recorder.obey()
    comparing.end()
    if not job.counts_nudity:
        return scores
    return scores.model_copy(update={"nudity": nudity.counted(*_files(job.run, scores))})


def _drawn(job: Job, side: str) -> Tensor:
    """All test images of this side, the own prompts' last."""
    folder = job.run.path / "images"
    drawn = images.load(folder / side, range(len(job.shots)))
    return torch.cat([drawn, images.load(folder / job.own_folder / side, range(len(job.own)))]) if job.own else drawn


def _files(run: Run, scores: Scores) -> list[dict[GroupName, list[Path]]]:
    """The files of each group's images, before and after."""
    return [
        {name: [run.path / getattr(pair, side) for pair in group.images] for name, group in scores.groups.items()}
        for side in ("before", "after")
    ]


def _kept(job: Job, before: Tensor, after: Tensor) -> Compared:
    """The pictures of the kept prompts, and those that KID and FID compare them with."""
    kept = [k for k, shot in enumerate(job.shots) if shot.group == "kept"]
    places = range(len(job.reference))
    reference = images.load(job.run.path / "images" / "reference", places) if kept else before[:0]
    return Compared(before[kept], after[kept], reference)


def _with_files(job: Job, scores: Scores) -> Scores:
    """The scores, each pair with its two files: the images are numbered through all groups in order, own ones anew."""
    files, groups = map(images.name, itertools.count()), {}
    for name, group in scores.groups.items():
        own = name == "own"
        numbered = zip(group.images, map(images.name, itertools.count()) if own else files, strict=False)
        place = f"images/{job.own_folder}" if own else "images"
        pairs = [
            p.model_copy(update={side: f"{place}/{side}/{f}" for side in ("before", "after")}) for p, f in numbered
        ]
        groups[name] = group.model_copy(update={"images": tuple(pairs)})
    return scores.model_copy(update={"groups": groups})
