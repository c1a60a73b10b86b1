"""What every attack on a run works with: the pictures to learn from, the prompts to draw, the judges, and the curve.

A finished point is on disk at once. Asked again, an attack goes on after its last point, from the state beside it.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from balign.attack.shared_curves import CURVE, fetch, keep, shared
from balign.attack.subjects import Subject
from balign.data import latents
from balign.data.attack_prompts import LEARNED, SEEDS, AttackPrompts, attack_prompts
from balign.data.latents import image_seeds
from balign.measure import scorers
from balign.measure.evaluation import Shot
from balign.measure.recovery import ConceptJudge, ScorerJudge
from balign.method.attacks.fitting import DenoisingFit
from balign.models import weight_file
from balign.models.base import BaseModel
from balign.refusal import Refusal
from balign.runs.engine import images
from balign.runs.engine.job import Job, device
from balign.runs.tryout import attack_store
from balign.runs.tryout.attack_store import AttackCurve, AttackPoint, AttackRequest

RELEARNED_FROM = 8
"""Pictures of the concept that relearning sees."""
COLUMNS = 8
"""Pictures in a row of a sheet."""

Tick = Callable[[], None]
OnPoint = Callable[[AttackCurve, AttackPoint], None]


@dataclass(frozen=True)
class Bench:
    """An attack request with everything it works with."""

    job: Job
    request: AttackRequest
    prompts: AttackPrompts
    judges: Sequence[ConceptJudge]
    folder: Path
    tick: Tick
    """Called before each batch; obeys the stop flag."""
    on_point: OnPoint
    concept: Tensor
    """What the base drew of the concept, to learn from: latents (N, C, h, w)."""
    kept: Tensor
    """What the run itself retained."""

    @property
    def seed(self) -> int:
        return self.request.seed + SEEDS

    @property
    def learned_prompts(self) -> list[str]:
        """The prompts of the pictures to learn from."""
        return self.prompts.learning(self.prompts.target.word.name)

    def draw(self, model: BaseModel, prompts: Sequence[str]) -> Tensor:
        """One picture (N, H, W, 3) for each prompt. The noise is that of its place: the same for every attack."""
        seeds = image_seeds([""] * len(prompts), self.seed)
        shots = [Shot("attack", prompt, {}, seed) for prompt, seed in zip(prompts, seeds, strict=True)]
        parts = []
        for start in range(0, len(shots), images.BATCH):
            self.tick()
            parts.append(images.render(model, shots[start : start + images.BATCH], self.job.sampling))
        return torch.cat(parts)


def open_bench(job: Job, request: AttackRequest, tick: Tick, on_point: OnPoint) -> Bench:
    """Check the request, then draw what the attacks learn from with the base, or take it from the cache."""
    count = max(request.pictures, RELEARNED_FROM)
    prompts = attack_prompts(job.prompts.lists, request.concept, count, request.pictures, request.seed)
    word = prompts.target.word
    if job.scorer is None:
        raise Refusal(f"An attack is counted by a scorer. {job.unscored}")
    judges = [ScorerJudge(job.scorer, job.prompts.choices)]
    if request.judge is not None:
        judges.append(ScorerJudge(scorers.load(request.judge, device(job.run.config)), job.prompts.choices))

    def made(texts: list[str], seed: int) -> Tensor:
        if not texts:
            return torch.empty(0, *job.model.latent_shape)
        drawn = latents.make(
            job.model,
            replace(job.prompts, forget=texts, retain=[]),
            seed=seed,
            steps=job.sampling.steps,
            guidance=job.sampling.guidance,
            on_progress=lambda *_: tick(),
        )
        return drawn.forget

    learns = {"null_text", "inversion", "relearn_concept"} & set(request.attacks)
    return Bench(
        job=job,
        request=request,
        prompts=prompts,
        judges=judges,
        folder=attack_store.folder(job.run, request, f"{word.kind} {word.name}", job.scorer.name),
        tick=tick,
        on_point=on_point,
        concept=made(prompts.learning(word.name) if learns else [], request.seed + SEEDS),
        kept=made(job.prompts.retain if "relearn_kept" in request.attacks else [], job.run.config.seed),
    )


@dataclass
class GrowingCurve:
    """A curve on disk, to which points are added."""

    bench: Bench
    subject: Subject
    attack: str
    tokens: int = 0
    steps: int = 0
    curve: AttackCurve = field(init=False)

    def __post_init__(self) -> None:
        made_from = self._made_from()
        fresh = AttackCurve(attack=self.attack, tokens=self.tokens, subject=self.subject.name, made_from=made_from)
        found = AttackCurve.read(self.folder / CURVE)
        if shared(self.subject) and (found is None or found.made_from != made_from):
            fetch(made_from, self.folder)
            found = AttackCurve.read(self.folder / CURVE)
        self.curve = found if found is not None and found.made_from == made_from else fresh
        if self.curve is fresh:
            self._state.unlink(missing_ok=True)

    def _made_from(self) -> str:
        """A hash of what decides the pictures and who judges them; of the erased model its run's whole config."""
        bench, job = self.bench, self.bench.job
        if not shared(self.subject):
            config = job.run.config.to_json()
            return attack_store.digest(self.subject.weights, job.model.fingerprint, config, self.steps)
        word, prompts = bench.prompts.target.word, bench.prompts
        own = {"rounding": self.subject.trained, "relearn_kept": (job.run.config.seed, job.prompts.retain)}
        return attack_store.digest(
            *(attack_store.VERSION, self.attack, self.tokens, self.steps, own.get(self.attack)),
            *(self.subject.weights, job.model.fingerprint, job.model.device.type, job.settled()["precision"]),
            *(job.sampling.steps, job.sampling.guidance, bench.request.pictures, bench.request.seed),
            *(word.kind, word.name, prompts.unseen_synonyms, [other.name for other in prompts.target.others]),
            *(prompts.learning(LEARNED), prompts.testing(LEARNED)),
            *([judge.name for judge in bench.judges], job.prompts.choices.get(word.kind)),
        )

    @property
    def folder(self) -> Path:
        name = "-".join(map(str, filter(None, (self.attack, self.tokens, self.steps))))
        return self.bench.folder / self.subject.folder / name

    @property
    def _state(self) -> Path:
        return self.folder / "state.safetensors"

    def missing(self, budgets: Sequence[int]) -> list[int]:
        """The budgets that have no point yet."""
        return [budget for budget in budgets if budget not in {point.budget for point in self.curve.points}]

    def add(self, budget: int, pictures: Tensor, seconds: float, loss: float | None = None) -> None:
        """Judge the pictures (N, H, W, 3), and write the point: first its sheet, then the curve that names it."""
        word = self.bench.prompts.target.word
        shown = [tuple(judge.shows(pictures, word.kind, word.name)) for judge in self.bench.judges]
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{budget:04d}.png"
        images.save_png(path, sheet(pictures))
        point = AttackPoint(
            budget=budget,
            shown=shown[0],
            shown_second=shown[1] if len(shown) > 1 else (),
            loss=loss,
            sheet=path.relative_to(self.bench.job.run.path).as_posix(),
            seconds=round(seconds, 3),
        )
        self.curve = self.curve.model_copy(update={"points": (*self.curve.points, point)})
        self.curve.write(self.folder / CURVE)
        if shared(self.subject):
            keep(self.curve, self.folder)
        self.bench.on_point(self.curve, point)

    def fit(
        self,
        make: Callable[[], DenoisingFit],
        budgets: Sequence[int],
        prompts: Sequence[str],
        during: Callable[[DenoisingFit], AbstractContextManager[None]] = lambda _: nullcontext(),
    ) -> None:
        """Train what ``make`` gives and draw the prompts at each budget, ``during`` what it gives for the fit.

        The state of every budget is on disk before its pictures are drawn, until the curve is whole.
        """
        if not self.missing(budgets):
            self._state.unlink(missing_ok=True)
            return
        fit, facts = make(), {"made_from": self.curve.made_from}
        if self._state.exists():
            fit.load_state(weight_file.read_nested(self._state)[0])
        for budget in budgets:
            started = time.monotonic()
            loss = fit.train(budget, self.bench.tick) if fit.step < budget else fit.mean_loss
            if budget not in self.missing(budgets):
                continue
            weight_file.save_nested(self._state, fit.state(), facts)
            with during(fit):
                drawn = self.bench.draw(self.subject.model, prompts)
            self.add(budget, drawn, time.monotonic() - started, loss)
        self._state.unlink(missing_ok=True)


def sheet(pictures: Tensor) -> Tensor:
    """The pictures (N, H, W, 3) in rows as one (H', W', 3), white where there is none."""
    n, height, width, _ = pictures.shape
    columns = min(n, COLUMNS)
    rows = -(-n // columns)
    whole = torch.full((rows * columns, height, width, 3), 255, dtype=torch.uint8)
    whole[:n] = pictures
    laid = whole.view(rows, columns, height, width, 3).permute(0, 2, 1, 3, 4)
    return laid.reshape(rows * height, columns * width, 3).contiguous()
