"""How a run looks in a terminal: a bar for each phase with the time left, the losses, and a table at the end.

Where there is no terminal it prints one line a phase. It only reads events, and hands Ctrl-C on to the run.
"""

import math
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as Remaining
from rich.table import Table

from balign.runs.folder import Run
from balign.telemetry import Phase, Preview, Record, Report, Step

if TYPE_CHECKING:
    from balign.runs.outcome.comparison import Row

NAMES = {
    "load": "Load the model",
    "check": "Check the comparison",
    "data": "Draw the images to learn from",
    "unlearn": "Unlearn",
    "evaluate": "Draw and score the outcome",
    "save": "Save",
}
GROUPS = {"erased": "Erased", "kept": "Kept", "neighbours": "Neighbours"}


def show(run: Run, events: Iterator[Record]) -> int:
    """Follow a run to its end and return the exit code: 0 done, 2 failed, 130 stopped."""
    console = Console()
    console.print(f"Run folder: {run.path}", highlight=False, soft_wrap=True, markup=False)
    last = None
    with _Bars(console) as bars:
        for event in events:
            bars.take(event)
            last = event if isinstance(event, Phase | Report) else last
            if isinstance(event, Report):
                summary = event.summary
    if not isinstance(last, Phase) or last.name not in ("done", "stopped", "failed"):
        return 130
    if last.name == "done":
        console.print(table(summary))
        console.print(f"Report: {run.path / 'report.html'}", highlight=False, soft_wrap=True, markup=False)
        return 0
    print(last.message, file=sys.stderr)
    return 2 if last.name == "failed" else 130


class _Bars:
    """One bar a phase on a terminal, one line a phase elsewhere."""

    def __init__(self, console: Console) -> None:
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

    def __enter__(self) -> "_Bars":
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def take(self, event: Record) -> None:
        match event:
            case Phase(name=name) if name in NAMES:
                self._phase(event)
            case Step():
                self.losses = (
                    f"forget {event.forget_loss:.4f}  retain {event.retain_loss:.4f}  cosine {event.cosine:+.2f}"
                )
                if "unlearn" in self.tasks:
                    self.progress.update(self.tasks["unlearn"], completed=event.step, note=self.losses)
            case Preview() if self.console.is_terminal:
                scores = ", ".join(f"{name} {value:.3f}" for name, value in event.alignment.items())
                self.progress.console.print(f"step {event.step}: alignment {scores}", style="dim", highlight=False)

    def _phase(self, phase: Phase) -> None:
        note = phase.message or (self.losses if phase.name == "unlearn" else "")
        if phase.name not in self.tasks:
            self.tasks[phase.name] = self.progress.add_task(NAMES[phase.name], total=phase.total, note=note)
        self.progress.update(self.tasks[phase.name], completed=phase.done, total=phase.total, note=escape(note))
        if phase.done == phase.total and not self.console.is_terminal:
            line = f"{NAMES[phase.name]}: {phase.done} of {phase.total}, {phase.seconds:.1f} s  {note}"
            self.console.print(line.rstrip(), highlight=False, soft_wrap=True, markup=False)


def table(summary: dict[str, Any]) -> Table:
    """The groups of a report with their intervals."""
    drawn = Table(title=f"Scored by {summary.get('scorer')}", title_justify="left")
    drawn.add_column("Group")
    for head in ("Images", "Recognised", "Alignment", "Change, 95 % interval", "p"):
        drawn.add_column(head, justify="right")
    for name, group in (summary.get("groups") or {}).items():
        change = group.get("alignment_change") or {}
        drawn.add_row(
            GROUPS.get(name, name),
            str(group.get("n", 0)),
            f"{_share(group.get('accuracy_before'))} to {_share(group.get('accuracy_after'))}",
            f"{_number(group.get('alignment_before'))} to {_number(group.get('alignment_after'))}",
            f"{_number(change.get('mean'), '+.3f')} ({_number(change.get('low'), '+.3f')} to "
            f"{_number(change.get('high'), '+.3f')})",
            _number(change.get("p")),
        )
    return drawn


def comparison(rows: "Sequence[Row]") -> Table:
    """Runs side by side, each held against the first."""
    drawn = Table(caption="Each group: change of alignment, and against the first run with its 95 % interval.")
    for head in ("Run", "Method", "UA", *GROUPS.values(), "Time"):
        drawn.add_column(head, justify="left" if head in ("Run", "Method") else "right")
    for row in rows:
        report = row.report or {}
        cells = [
            f"{_number((row.group(name).get('alignment_change') or {}).get('mean'), '+.3f')}{_against(row, name)}"
            for name in GROUPS
        ]
        seconds = report.get("seconds")
        time = "?" if seconds is None else f"{seconds:.0f} s"
        drawn.add_row(escape(f"{row.name}\n{row.run.id}"), row.method, _share(report.get("ua")), *cells, time)
    return drawn


def _against(row: "Row", name: str) -> str:
    found = row.against.get(name)
    if found is None or found.low is None:
        return ""
    return f"\n{_number(found.mean, '+.3f')} ({_number(found.low, '+.3f')} to {_number(found.high, '+.3f')})"


def _share(value: float | None) -> str:
    return "?" if value is None else f"{100 * value:.0f} %"


def _number(value: float | None, form: str = ".3f") -> str:
    return "?" if value is None or not math.isfinite(value) else format(value, form)


@contextmanager
def gentle_interrupt(opened: Run) -> Iterator[None]:
    """The first Ctrl-C asks the run to stop after its batch and keep its state; the second ends the process."""

    def ask(number: int, frame: Any) -> None:
        if opened.stop_requested():
            raise KeyboardInterrupt
        opened.request_stop(keep=True)
        print("\nStopping after this batch; press Ctrl-C again to stop at once.", file=sys.stderr)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
