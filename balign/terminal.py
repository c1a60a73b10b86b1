"""A run in a terminal: a progress bar for each phase with the time left, the losses, and a table at the end."""

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as Remaining
from rich.segment import Segment
from rich.table import Table

from balign.host import status
from balign.markup import formats
from balign.measure import nudity
from balign.measure.headline import headline
from balign.measure.recovery import SUBJECTS
from balign.measure.report import GROUPS, TESTED, RunReport
from balign.plain_text import harmless
from balign.runs.folder import Run
from balign.runs.tryout import attack_store
from balign.telemetry import Phase, Preview, Record, Report, Step

if TYPE_CHECKING:
    from balign.grid.grid_file import GridCell
    from balign.runs.outcome.comparison import ComparedRun
    from balign.runs.outcome.matrix import MatrixRow
    from balign.runs.tryout.attack_store import AttackCurve, AttackPoint, AttackResult

NAMES = {
    "load": "Load the model",
    "check": "Check the comparison",
    "data": "Draw the images to learn from",
    "unlearn": "Unlearn",
    "evaluate": "Draw and score the outcome",
    "save": "Save",
}


class Terminal(Console):
    """A console to which no control character of a file, a name or an answer gets through; only its own styles do."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """The pieces to print, with what could steer the terminal escaped."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(harmless(segment.text), segment.style)

    def sentence(self, text: object) -> None:
        """Print a text as it is, unwrapped, without a meaning for brackets and numbers."""
        self.print(text, highlight=False, soft_wrap=True, markup=False)


def complain(sentence: str) -> None:
    """Print one line on standard error."""
    Terminal(stderr=True).sentence(" ".join(sentence.split()))


def show(run: Run, events: Iterator[Record]) -> int:
    """Print a run's events to their end and return the exit code: 0 done, 2 failed, 130 stopped."""
    console = Terminal()
    console.sentence(f"Run folder: {run.path}")
    bars, last, compared = _Bars(console), None, False
    with bars.progress:
        for event in events:
            bars.take(event)
            compared = compared or isinstance(event, Report)
            last = event if isinstance(event, Phase | Report) else last
    if not isinstance(last, Phase) or last.name not in ("done", "stopped", "failed"):
        return 130
    report = run.report() if compared else None
    if report is not None:
        console.print(table(report))
        erased = ", ".join(concept.name for concept in run.config.erase)
        console.sentence(headline(report, attack_store.attacked(run)).whole(erased))
        for warning in report.warnings if not report.scorer else ():
            console.sentence(warning)
        console.sentence(f"Report: {run.path / 'report.html'}")
    if last.name == "done":
        return 0
    complain(last.message)
    return 2 if last.name == "failed" else 130


class _Bars:
    """One bar a phase on a terminal, one line a phase elsewhere."""

    def __init__(self, console: Terminal) -> None:
        self.console = console
        self.losses = ""
        self.tasks: dict[str, TaskID] = {}
        self.progress = Progress(
            TextColumn("{task.description:<30}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            Remaining(elapsed_when_finished=False),
            TextColumn("{task.fields[note]}", style="dim"),
            console=console,
            disable=not console.is_terminal,
        )

    def take(self, event: Record) -> None:
        match event:
            case Phase(name=name) if name in NAMES:
                note = event.message or (self.losses if name == "unlearn" else "")
                if name not in self.tasks:
                    self.tasks[name] = self.progress.add_task(NAMES[name], note="")
                self.progress.update(self.tasks[name], completed=event.done, total=event.total, note=escape(note))
                if event.done == event.total and not self.console.is_terminal:
                    line = f"{NAMES[name]}: {event.done} of {event.total}, {event.seconds:.1f} s  {note}"
                    self.console.sentence(line.rstrip())
            case Step():
                losses = f"forget {event.forget_loss:.4f}  retain {event.retain_loss:.4f}"
                self.losses = f"{losses}  cosine {event.cosine:+.2f}"
                if "unlearn" in self.tasks:
                    self.progress.update(self.tasks["unlearn"], completed=event.step, note=self.losses)
            case Preview() if self.console.is_terminal:
                scores = ", ".join(f"{name} {formats.decimal(value)}" for name, value in event.alignment.items())
                words = escape(f"step {event.step}: alignment {scores}")
                self.progress.console.print(words, style="dim", highlight=False)


def table(report: RunReport) -> Table:
    """The groups of a report with their intervals, with the verdicts below."""
    verdicts = "\n".join(f"{title}: {group.verdict}." for _, (title, _), group in report.named())
    after = f", after {report.taken}" if report.steps < report.planned else ""
    by = f"Scored by {escape(report.scorer)}" if report.scorer else "Not scored"
    drawn = Table(title=f"{by}{after}", title_justify="left", caption_justify="left")
    far = "\n".join(
        f"Kept pictures by {d.features}, {d.n} each: KID {formats.decimal(d.kid)} (same model "
        f"{formats.decimal(d.kid_floor)}), FID {formats.decimal(d.fid)} (same model {formats.decimal(d.fid_floor)})."
        for d in report.distances
    )
    exposed = ""
    if report.nudity:
        counts = report.nudity.above(nudity.PAPER)[-1][1]
        each = ", ".join(f"{GROUPS[name].title.lower()} {before} → {after}" for name, before, after in counts)
        exposed = f"Exposed parts above {nudity.PAPER:g} by NudeNet: {each}."
    drawn.caption, drawn.caption_style = escape("\n".join(filter(None, (verdicts, far, exposed)))), ""
    drawn.add_column("Group")
    for head in ("Images", "Recognised", "Alignment", "Change, 95 % interval", "p"):
        drawn.add_column(head, justify="right")
    for _, (title, _), group in report.named():
        change = group.alignment_change
        drawn.add_row(
            title,
            str(group.n),
            f"{formats.percent(group.accuracy_before)} → {formats.percent(group.accuracy_after)}",
            f"{formats.decimal(group.alignment_before)} → {formats.decimal(group.alignment_after)}",
            _interval(change.mean, change.low, change.high),
            formats.p_value(change.p),
        )
    return drawn


def comparison(compared: "Sequence[ComparedRun]") -> Table:
    """Runs side by side, each compared with the first."""
    drawn = Table(caption="Each group: change of alignment, and against the first run with its 95 % interval.")
    for head in ("Run", "Method", "UA", *(GROUPS[name].title for name in TESTED), "Time"):
        drawn.add_column(head, justify="left" if head in ("Run", "Method") else "right")
    for each in compared:
        report, cells = each.report, []
        for name in TESTED:
            group, against = report.groups.get(name) if report else None, each.against.get(name)
            cells.append(formats.signed(group.alignment_change.mean if group else None))
            if against is not None and against.low is not None:
                cells[-1] += f"\n{_interval(against.mean, against.low, against.high)}"
        ua, seconds = (report.ua, f"{report.seconds:,.0f} s") if report else (None, formats.NONE)
        state = status.state(each.run)
        title = "\n".join([each.name, each.run.id, *([] if state == "done" else [status.STATES[state]])])
        drawn.add_row(escape(title), each.method, formats.percent(ua), *cells, seconds)
    return drawn


def matrix_table(rows: "Sequence[MatrixRow]") -> Table:
    """What each run did to each concept: the change of alignment with its interval and the number of prompts."""
    drawn = Table(caption="Change of alignment with its 95 % interval, and prompts; * erased.", show_lines=True)
    drawn.add_column("Erased")
    for cell in rows[0].cells if rows else ():
        drawn.add_column(escape(cell.concept), justify="right")
    for row in rows:
        cells = []
        for cell in row.cells:
            mean, low, high, _, n = cell.change
            star = "*" if cell.erased else ""
            cells.append(
                f"{formats.signed(mean)}{star}\n{escape(formats.between(low, high))}\n{n}" if n else formats.NONE
            )
        drawn.add_row(escape(row.name), *cells)
    return drawn


def attack_point(curve: "AttackCurve", point: "AttackPoint") -> None:
    """Print one finished point of an attack."""
    what = ", ".join(filter(None, (SUBJECTS[curve.subject], curve.title.lower(), curve.about.budget(point.budget))))
    Terminal().sentence(f"{what}: {point.share} recognised, {point.seconds:.0f} s")


def attack_table(result: "AttackResult") -> Table:
    """What every attack brought back at each budget, beside the base and the control, with the verdict below."""
    whose = [subject for subject in SUBJECTS if any(curve.subject == subject for curve in result.curves)]
    judges = " and ".join(filter(None, (result.scorer, result.judge)))
    drawn = Table(title=escape(f"Taken for {result.concept} by {judges}"), title_justify="left", show_lines=True)
    drawn.add_column("Attack")
    for head in ("Budget", *(SUBJECTS[subject] for subject in whose)):
        drawn.add_column(head, justify="right", no_wrap=True)
    drawn.add_column("What it says")
    for row in result.rows():
        cells = ["\n".join(map(_shares, points)) for points in zip(*row.points(whose), strict=True)]
        drawn.add_row(row.title, "\n".join(map(row.about.budget, row.budgets)), *cells, row.about.says)
    moved = f"The trained weights moved by {result.moved:.3g} ({formats.percent(result.moved_share)} of their norm)."
    drawn.caption = escape("\n".join([f"{result.concept}: {result.verdict}.", moved, *result.skipped]))
    drawn.caption_style, drawn.caption_justify = "", "left"
    return drawn


def cell_ended(cell: "GridCell", why: str) -> None:
    """Print that a cell of a grid is done, or why it is not."""
    if why:
        complain(f"{cell.title}: {why} (cell {cell.id})")
    else:
        Terminal().sentence(f"Done: {cell.title}")


def _shares(point: "AttackPoint | None") -> str:
    """What each judge counted."""
    shares = [point.share, point.second_share] if point else []
    return " | ".join(f"{formats.percent(s.rate)} ({formats.percents(*s.interval)})" for s in shares if s)


def _interval(mean: float | None, low: float | None, high: float | None) -> str:
    return f"{formats.signed(mean)} {escape(formats.between(low, high))}"


@contextmanager
def gentle_interrupt(opened: Run) -> Iterator[None]:
    """The first Ctrl-C asks the run to stop and compare what there is, the second not to compare it.

    Either keeps the weights. The third ends the process, which then goes on from its last checkpoint.
    """

    def ask(number: int, frame: Any) -> None:
        asked = opened.stop_requested()
        if asked == "now":
            raise KeyboardInterrupt
        opened.request_stop(now=asked is not None)
        if asked is None:
            words = "Stopping after this batch, to compare what there is; press Ctrl-C again to leave that out."
        else:
            words = "Stopping after this batch; press Ctrl-C again to end the process at once."
        print(f"\n{words}", file=sys.stderr)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
