"""The attacks, each a function that fills one curve of one model and leaves the model as it was."""

import time
from collections.abc import Iterator, Sequence

import torch

from balign.attack.bench import RELEARNED_FROM, Bench, GrowingCurve
from balign.attack.subjects import Subject
from balign.data.attack_prompts import LEARNED
from balign.method.attacks import fitting, null_text
from balign.method.attacks.rounding import rounded
from balign.refusal import Refusal
from balign.runs.engine import images

BITS = (8, 4)
ITERATIONS = (0, 10)
"""Steps of Adam for each DDIM step of a null-text inversion; 0 is plain DDIM inversion."""
INVERSION_PARTS = (5, 2.5, 1)
"""Textual inversion draws after a fifth, two fifths and all of its steps."""
RELEARNING_PARTS = (25, 10, 5, 2.5)
"""Relearning draws after so much smaller parts of the steps of textual inversion."""


def attack(bench: Bench, subject: Subject) -> Iterator[GrowingCurve]:
    """Every attack that was asked for on one model, and before them what it draws when asked by name."""
    yield by_name(bench, subject)
    for name in possible(bench):
        if name == "inversion":
            for tokens in bench.request.tokens:
                yield textual_inversion(bench, subject, tokens)
        else:
            yield _ONE_CURVE[name](bench, subject)


def possible(bench: Bench) -> list[str]:
    """The attacks that were asked for and can be made."""
    left_out = skipped(bench)
    return [name for name in bench.request.attacks if name not in left_out]


def skipped(bench: Bench) -> dict[str, str]:
    """Each attack that was asked for and cannot be made on this concept or model, and why."""
    reasons = {}
    if "synonyms" in bench.request.attacks and not bench.prompts.unseen_synonyms:
        reasons["synonyms"] = f"No synonym of {bench.prompts.target.word.name!r} was held out from the training."
    if "inversion" in bench.request.attacks:
        try:
            bench.job.model.word_vectors(bench.prompts.target.word.name)
        except Refusal as refusal:
            reasons["inversion"] = str(refusal)
    return reasons


def budgets(steps: int, parts: Sequence[float]) -> list[int]:
    """These parts of so many steps as whole numbers from 1 up, each once, the smallest first."""
    return sorted({max(1, round(steps / part)) for part in parts})


def points(bench: Bench) -> int:
    """How many points the curves of one model have in all."""
    counts = {"rounding": len(BITS), "null_text": len(ITERATIONS), "synonyms": 1}
    counts |= {"inversion": len(bench.request.tokens) * len(budgets(bench.request.steps, INVERSION_PARTS))}
    counts |= dict.fromkeys(("relearn_kept", "relearn_concept"), len(budgets(bench.request.steps, RELEARNING_PARTS)))
    return 1 + sum(counts[name] for name in possible(bench))


def by_name(bench: Bench, subject: Subject) -> GrowingCurve:
    """What the model draws when asked for the concept by its name."""
    return _called(bench, subject, "name", (bench.prompts.target.word.name,), 0)


def synonyms(bench: Bench, subject: Subject) -> GrowingCurve:
    """The same by the synonyms that training never saw, in turn."""
    names = bench.prompts.unseen_synonyms
    return _called(bench, subject, "synonyms", names, len(names))


def _called(bench: Bench, subject: Subject, name: str, called: Sequence[str], budget: int) -> GrowingCurve:
    curve, started = GrowingCurve(bench, subject, name), time.monotonic()
    if curve.missing([budget]):
        curve.add(budget, bench.draw(subject.model, bench.prompts.testing(*called)), time.monotonic() - started)
    return curve


def rounding(bench: Bench, subject: Subject) -> GrowingCurve:
    """By its name, with the trained weights rounded to few bits."""
    curve = GrowingCurve(bench, subject, "rounding")
    prompts = bench.prompts.testing(bench.prompts.target.word.name)
    for bits in curve.missing(BITS):
        started = time.monotonic()
        with torch.no_grad():
            for name, weight in subject.model.denoiser.named_parameters():
                if name in subject.trained:
                    weight.copy_(rounded(weight, bits))
        try:
            drawn = bench.draw(subject.model, prompts)
        finally:
            subject.restore()
        curve.add(bits, drawn, time.monotonic() - started)
    return curve


def null_text_inversion(bench: Bench, subject: Subject) -> GrowingCurve:
    """The base's own pictures of the concept, inverted and drawn again with the empty prompt."""
    curve, model, steps = GrowingCurve(bench, subject, "null_text"), subject.model, bench.job.sampling.steps
    for iterations in curve.missing(ITERATIONS):
        started, parts, residuals = time.monotonic(), [], []
        empty = model.encode_text([""]).to(model.device)
        for pictures in bench.concept[: bench.request.pictures].split(images.BATCH):
            inverted = null_text.invert(model, pictures, empty, steps, iterations, bench.tick)
            parts.append(model.decode(null_text.redraw(model, inverted.noise, empty, steps)))
            residuals += [inverted.residual] * len(pictures)
        loss = sum(residuals) / len(residuals)
        curve.add(iterations, torch.cat(parts), time.monotonic() - started, loss)
    return curve


def textual_inversion(bench: Bench, subject: Subject, tokens: int) -> GrowingCurve:
    """A new word of so many tokens, learned from the base's pictures of the concept."""
    curve = GrowingCurve(bench, subject, "inversion", tokens, bench.request.steps)
    model, target = subject.model, bench.prompts.target
    others = [word.name for word in target.others] or [target.word.kind]

    def make() -> fitting.DenoisingFit:
        start = fitting.around(model, others, tokens, bench.seed)
        return fitting.inversion(model, bench.concept, bench.prompts.learning(LEARNED), LEARNED, start, bench.seed)

    curve.fit(
        make,
        budgets(bench.request.steps, INVERSION_PARTS),
        bench.prompts.testing(LEARNED),
        lambda fit: model.learned({LEARNED: fit.trained["vectors"].detach()}),
    )
    return curve


def relearn_kept(bench: Bench, subject: Subject) -> GrowingCurve:
    """All weights trained further on what the run kept, and on nothing else."""
    return _relearn(bench, subject, "relearn_kept", bench.kept, bench.job.prompts.retain)


def relearn_concept(bench: Bench, subject: Subject) -> GrowingCurve:
    """All weights trained further on a few of the base's pictures of the concept."""
    few = slice(RELEARNED_FROM)
    return _relearn(bench, subject, "relearn_concept", bench.concept[few], bench.learned_prompts[few])


def _relearn(bench: Bench, subject: Subject, name: str, pictures: torch.Tensor, prompts: Sequence[str]) -> GrowingCurve:
    curve, model = GrowingCurve(bench, subject, name, steps=bench.request.steps), subject.model

    def make() -> fitting.DenoisingFit:
        with torch.no_grad():
            conditions = model.encode_text(prompts)
        return fitting.relearning(model, pictures, conditions, bench.seed)

    asked = bench.prompts.testing(bench.prompts.target.word.name)
    try:
        curve.fit(make, budgets(bench.request.steps, RELEARNING_PARTS), asked)
    finally:
        subject.restore()
    return curve


_ONE_CURVE = {
    "synonyms": synonyms,
    "rounding": rounding,
    "null_text": null_text_inversion,
    "relearn_kept": relearn_kept,
    "relearn_concept": relearn_concept,
}
