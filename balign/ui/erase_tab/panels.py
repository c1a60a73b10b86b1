"""The moving parts of the page as html: progress, charts, ledger. Each is a function of a View, or of None.

With None it is the empty state, which says what will be seen there. Every text is escaped.
"""

import base64
from functools import cache
from html import escape
from pathlib import Path

from balign import telemetry
from balign.host import waitlist
from balign.host.status import SHARES, View
from balign.markup.charts import Cell, Series, ledger, ledger_words
from balign.markup.charts import lines as chart
from balign.measure.ledger import raises as violated

PHASES = {
    "load": ("Load", "Loading the model"),
    "check": ("Check", "Checking that nothing changes by itself"),
    "data": ("Draw", "Drawing pictures to learn from"),
    "unlearn": ("Unlearn", "Unlearning"),
    "evaluate": ("Compare", "Drawing and scoring before and after"),
    "save": ("Save", "Saving"),
}
LINES = "the thin line is every step, the thick one is smoothed"
PROOF = (
    "Green proves only that a step harmed neither side on the pictures it learnt from, to first order above and as "
    "measured below; whether other pictures are safe is not proved but tested, in the comparison at the end."
)
UNITS = {"data": "picture", "unlearn": "step", "evaluate": "picture"}
STATES = {
    "starting": "Starting",
    "stopping": "Stopping at the next safe point",
    "stopped": "Stopped",
    "failed": "This run failed",
    "done": "Done",
}


def progress(view: View | None) -> str:
    """Phase, step, time left and a bar; always in sight."""
    if view is None:
        return _bar("idle", "Ready", "Press Erase to begin. The defaults take a few minutes on a laptop.", "", 0, "")
    current = view.working.name if view.working else ""
    title = STATES.get(view.state) or PHASES.get(current, ("", "Working"))[1]
    if view.state == "queued":
        title = f"{waitlist.ordinal(view.place)} in line"
    if view.state == "stopping" and current in PHASES:
        title = f"{PHASES[current][1]}: stopping at the next safe point"
    left = duration(view.seconds_left) if view.live else ""
    left = f"about {left} left" if left else ""
    return _bar(view.state, title, _detail(view), left, view.fraction, current)


def _detail(view: View) -> str:
    last = view.last
    if view.state == "queued":
        return "It begins by itself when those before it have ended; this page may be closed meanwhile."
    if view.state == "failed":
        given = last.message if last is not None and last.name == "failed" else ""
        return given or "The process ended before it could say why; log.txt in the run's folder has the details."
    if view.state == "stopped" and (last is None or last.name != "stopped"):
        return "The process ended before the run did. Resume goes on from the last checkpoint."
    if last is None or view.state == "starting":
        return "The first sign of life takes a few seconds."
    if view.state == "done":
        spent = sum(phase.seconds for phase in view.phases.values())
        return f"{len(view.steps):,} steps, {duration(spent)} in all"
    if last.name in UNITS and last.total > 0:
        done = view.steps[-1].step if last.name == "unlearn" and view.steps else last.done
        words = f"{UNITS[last.name]} {done:,} of {last.total:,}"
        return f"{words} · {last.message}" if last.message else words
    return last.message


def _bar(state: str, title: str, detail: str, left: str, fraction: float, current: str) -> str:
    names = list(PHASES)
    reached = len(names) if state == "done" else names.index(current) if current in names else -1
    items = "".join(
        f'<li class="{"past" if k < reached else "now" if k == reached else "next"}">{PHASES[name][0]}</li>'
        for k, name in enumerate(SHARES)
    )
    width = round(100 * fraction, 1)
    return (
        f'<section class="progress {state}" aria-label="Progress"><div class="line">'
        f'<strong role="status">{escape(title)}</strong>'
        f'<span class="detail">{escape(detail)}</span><span class="left">{escape(left)}</span></div>'
        f'<div class="bar" role="progressbar" aria-label="Whole run" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{width:.0f}"><i style="width:{width}%"></i></div><ol class="phases">{items}</ol></section>'
    )


def duration(seconds: float | None) -> str:
    """Seconds in words, rounded as far as a guess deserves."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{max(5 * round(seconds / 5), 5)} s"
    if seconds < 600:
        return f"{int(seconds // 60)} min {int(seconds % 60) // 10 * 10:02d} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def losses(view: View | None) -> str:
    steps = view.steps if view else []
    lines = [
        Series(
            "erased",
            "erased",
            [(s.step, s.forget_loss) for s in steps],
            f"forget loss: what the training lowers to make the model forget; {LINES}",
            True,
        ),
        Series(
            "kept",
            "kept",
            [(s.step, s.retain_loss) for s in steps],
            f"retain loss: how badly the model denoises what it should keep; {LINES}",
            True,
        ),
    ]
    return chart("Loss", lines, _end(view))


def cosine(view: View | None) -> str:
    steps = view.steps if view else []
    term = "cosine of the forget and retain gradients: below zero, erasing and keeping pull against each other"
    line = Series("cosine", "plain", [(s.step, s.cosine) for s in steps], term, True)
    return chart("Do erasing and keeping agree?", [line], _end(view), limits=(-1, 1))


def alignment(view: View | None) -> str:
    previews = view.previews if view else []
    term = (
        "mean cosine of the preview pictures with their own prompts, as the scorer sees it; the band is the 95 % "
        "interval of the mean, wide because they are few"
    )
    lines = []
    for name in ("erased", "kept", "neighbours"):
        told = [p for p in previews if name in p.alignment]
        margins = [p.margin.get(name, 0.0) for p in told]
        lines.append(Series(name, name, [(p.step, p.alignment[name]) for p in told], term, margins=margins))
    return chart("Do pictures match their words?", lines, _end(view), waiting="Waiting for the first preview")


def _end(view: View | None) -> int:
    return view.last_step if view else 1


def cells(steps: list[telemetry.Step]) -> list[Cell]:
    """Whether each step kept its promise, and whether it held where it was measured."""
    return [Cell(s.step, not _broken(s.forget_change, s.retain_change, s), _measured(s)) for s in steps]


def _broken(forget: float | None, retain: float | None, step: telemetry.Step) -> bool:
    return violated(forget, step.forget_loss) or violated(retain, step.retain_loss)


def _measured(step: telemetry.Step) -> bool | None:
    forget, retain = step.measured_forget_change, step.measured_retain_change
    return None if forget is None and retain is None else not _broken(forget, retain, step)


def books(view: View | None) -> str:
    """The ledger with the one sentence on what it does and does not prove."""
    marks = cells(view.steps) if view else []
    return (
        '<section class="ledger"><h3>Ledger <span class="soft">one cell a step</span></h3>'
        f"{ledger(marks, _end(view))}"
        '<p class="legend"><span class="key held">raised neither loss</span> <span class="key broken">raised one</span>'
        ' <span class="soft">top row promised, bottom row measured</span></p>'
        f'<p>{escape(ledger_words(marks))}{_bent(view)} <span class="soft">{PROOF}</span></p></section>'
    )


def _bent(view: View | None) -> str:
    """How many steps the method turned aside so as not to hurt one of the two."""
    steps = view.steps if view else []
    bent = sum(step.projected for step in steps)
    return f" {bent:,} were bent to spare one of the two." if bent else ""


def explainer() -> str:
    """What a visitor sees before the first run."""
    points = (
        (
            "It draws",
            "The model draws pictures of what you want gone, and of everything around it that should stay.",
        ),
        (
            "It unlearns",
            "Small steps make it worse at the first and no worse at the second. A step that would hurt what you keep "
            "is bent until it does not.",
        ),
        (
            "You compare",
            "The same words and the same noise are drawn before and after, side by side, each picture with a score.",
        ),
    )
    items = "".join(f"<li><b>{title}</b><span>{text}</span></li>" for title, text in points)
    return f'<section class="explainer"><h2>What will happen</h2><ol>{items}</ol>{_example()}</section>'


@cache
def _example() -> str:
    """What it came to once: a few pictures of the bundled model, in the page itself since no run's folder has them."""
    drawn = ""
    for name, words in (("erased", "cat, erased"), ("kept", "the rest, kept")):
        data = base64.b64encode(Path(__file__).with_name(f"example-{name}.webp").read_bytes()).decode()
        told = f"Five pictures before, and the same five after: {words}"
        drawn += (
            f'<figure><figcaption><span class="key {name}">{words}</span></figcaption>'
            f'<img src="data:image/webp;base64,{data}" alt="{told}" width="320" height="128"></figure>'
        )
    words = "The bundled model, asked for the same pictures before (above) and after (below) it forgot cats."
    return f'<div class="example">{drawn}</div><p class="soft">{words}</p>'
