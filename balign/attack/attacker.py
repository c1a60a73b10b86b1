"""Attack what a run erased, and the controls beside it; what is finished stays, and the same request goes on."""

import time
from collections.abc import Sequence
from pathlib import Path

from balign.atomic import write
from balign.attack import attack_curves, subjects
from balign.attack.bench import Bench, OnPoint, open_bench
from balign.data.attack_prompts import attack_prompts
from balign.measure.recovery import verdict
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.outcome import report_page
from balign.runs.prompt_lists import resolve
from balign.runs.tryout import attack_store, redraw
from balign.runs.tryout.attack_store import DONE, GROWING, AttackCurve, AttackPoint, AttackRequest, AttackResult

STOPPED = "Stopped before the end; what was finished is kept, and asked for again the same attack goes on from there."


def attack(run: Run, request: AttackRequest, on_point: OnPoint = lambda *_: None) -> AttackResult:
    """Make the attacks, write their attack.json and the report anew, and return what the first holds.

    ``on_point`` is called after every point. Raises Refusal for what cannot be attacked and for a run that is at work
    or not finished, and DrawingFailed if it fails.
    """
    if not request.attacks:
        raise Refusal(f"No attack was named; there are {', '.join(attack_store.CHOICES)}.")
    attack_prompts(resolve(run.config), request.concept, 1, 1, request.seed)
    subjects.check_control(request.control)
    with redraw.drawing(run, "attack", STOPPED) as on_progress:
        attack_store.remove_half_written(run)
        started, done, total, curves = time.monotonic(), 0, 0, list[AttackCurve]()

        def tick() -> None:
            on_progress(done, total)

        def count(curve: AttackCurve, point: AttackPoint) -> None:
            nonlocal done
            done += 1
            result([*curves, curve]).write(bench.folder / GROWING)
            on_point(curve, point)

        job = redraw.load(run)
        control = subjects.load_control(job, request.control) if request.control is not None else None
        bench = open_bench(job, request, tick, count)
        total = attack_curves.points(bench) * (2 + (control is not None))
        moved = subjects.distance_of(job)

        def result(made: Sequence[AttackCurve]) -> AttackResult:
            return _result(bench, made, moved, time.monotonic() - started, total)

        for subject in subjects.subjects(job, control):
            for growing in attack_curves.attack(bench, subject):
                curves.append(growing.curve)
                done = sum(len(curve.points) for curve in curves)
        finished = result([*curves, *_earlier(bench, curves)])
        finished.write(bench.folder / DONE)
        (bench.folder / GROWING).unlink(missing_ok=True)
        write(run.path / "report.html", report_page.page(run))
    return finished


def _result(
    bench: Bench, curves: Sequence[AttackCurve], moved: tuple[float, float], seconds: float, points: int
) -> AttackResult:
    word, request = bench.prompts.target.word, bench.request
    return AttackResult(
        concept=word.name,
        kind=word.kind,
        scorer=bench.judges[0].name,
        judge=request.judge,
        seed=request.seed,
        control=Path(request.control).name if request.control else None,
        moved=moved[0],
        moved_share=moved[1],
        skipped=tuple(attack_curves.skipped(bench).values()),
        seconds=round(seconds, 3),
        curves=tuple(curves),
        verdict=verdict(curves[0].points[0].share, attack_store.attempts(tuple(curves))),
        folder=bench.folder.relative_to(bench.job.run.path).as_posix(),
        points=points,
    )


def _earlier(bench: Bench, curves: Sequence[AttackCurve]) -> list[AttackCurve]:
    """Curves of earlier requests for the same pictures of the same models, which this one did not ask for."""
    try:
        before = AttackResult.read(bench.folder / DONE)
    except Refusal:  # unreadable: as if it had never been made
        before = None
    models = {(c.subject, c.made_from) for c in curves if c.attack == "name"}
    made = {(c.subject, c.attack, c.tokens) for c in curves}
    found = before.curves if before else ()
    same = {c.subject for c in found if c.attack == "name" and (c.subject, c.made_from) in models}
    return [c for c in found if c.subject in same and (c.subject, c.attack, c.tokens) not in made]
