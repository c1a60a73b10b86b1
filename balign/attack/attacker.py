"""Attack what a run erased, and the controls beside it; what is finished stays, and the same request goes on."""

import time
from pathlib import Path

from balign.attack import attack_curves, attack_store, subjects
from balign.attack.attack_store import AttackCurve, AttackPoint, AttackRequest, AttackResult
from balign.attack.bench import OnPoint, open_bench
from balign.data.attack_prompts import attack_prompts
from balign.measure.recovery import verdict
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.prompt_lists import resolve
from balign.runs.tryout import redraw

STOPPED = "Stopped before the end; what was finished is kept, and the same command goes on from there."


def attack(run: Run, request: AttackRequest, on_point: OnPoint = lambda *_: None) -> AttackResult:
    """Make the attacks, write their attack.json, and return what it holds.

    ``on_point`` is called after every point. Raises Refusal for what cannot be attacked and for a run that is at work
    or not finished, and DrawingFailed if it fails.
    """
    if not request.attacks:
        raise Refusal(f"No attack was named; there are {', '.join(attack_store.CHOICES)}.")
    attack_prompts(resolve(run.config), request.concept, 1, 1, request.seed)
    subjects.check_control(request.control)
    with redraw.drawing(run, "attack", STOPPED) as on_progress:
        attack_store.remove_half_written(run)
        started, done, total = time.monotonic(), 0, 0

        def tick() -> None:
            on_progress(done, total)

        def count(curve: AttackCurve, point: AttackPoint) -> None:
            nonlocal done
            done += 1
            on_point(curve, point)

        job = redraw.load(run)
        control = subjects.load_control(job, request.control) if request.control is not None else None
        bench = open_bench(job, request, tick, count)
        total = attack_curves.points(bench) * (2 + (control is not None))
        moved = subjects.distance_of(job)
        curves = []
        for subject in subjects.subjects(job, control):
            for growing in attack_curves.attack(bench, subject):
                curves.append(growing.curve)
                done = sum(len(curve.points) for curve in curves)
        result = AttackResult(
            concept=bench.prompts.target.word.name,
            kind=bench.prompts.target.word.kind,
            scorer=job.scorer.name,
            judge=request.judge,
            seed=request.seed,
            control=Path(request.control).name if request.control else None,
            moved=moved[0],
            moved_share=moved[1],
            skipped=tuple(attack_curves.skipped(bench).values()),
            seconds=round(time.monotonic() - started, 3),
            curves=tuple(curves),
            verdict=verdict(curves[0].points[0].share, attack_store.attempts(tuple(curves))),
            folder=bench.folder.relative_to(run.path).as_posix(),
        )
        result.write(bench.folder / "attack.json")
    return result
