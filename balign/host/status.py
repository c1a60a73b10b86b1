"""The state of a run, and all that is known of it at this moment, read from its folder a little at a time."""

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from balign import telemetry
from balign.host import processes, waitlist
from balign.host.tail import Tail
from balign.measure.pace import FIXED, SHARES, Pace
from balign.measure.report import RunReport
from balign.method.objectives import settle
from balign.models.catalogue import find
from balign.plain_file import raise_shortage
from balign.refusal import Refusal
from balign.runs.claims import RunProcess, records_of
from balign.runs.estimate.forecast import LEARN
from balign.runs.file_cache import until_changed
from balign.runs.folder import Run
from balign.runs.prompt_lists import pictures, prompt_sets, resolve
from balign.runs.weights import CHECKPOINT, ERASED, saved_step

State = Literal["new", "queued", "starting", "running", "stopping", "stopped", "failed", "done"]
STATES: dict[State, str] = {
    "new": "Not started",
    "queued": "Queued",
    "starting": "Starting",
    "running": "Running",
    "stopping": "Stopping",
    "stopped": "Stopped",
    "failed": "Failed",
    "done": "Done",
}
"""The states, each with its title."""
LIVE: tuple[State, ...] = ("queued", "starting", "running", "stopping")
"""The states in which more is to come without anybody's doing."""
ENDS = ("done", "failed", "stopped")
"""The phases that a process records last."""
REMEMBERED = 64
"""How many runs' records are kept in memory at once."""


_tails: OrderedDict[Path, Tail] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True)
class RunView:
    """A run as it is shown."""

    run: Run
    state: State
    last: telemetry.Phase | None
    """The last phase the run recorded."""
    working: telemetry.Phase | None
    """The last of its phases in which something is done."""
    phases: dict[str, telemetry.Phase]
    steps: list[telemetry.Step]
    previews: list[telemetry.Preview]
    report: RunReport | None
    conflicts: list[telemetry.Conflict] = field(default_factory=list)
    drawn: list[telemetry.Drawn] = field(default_factory=list)
    """Strips of the first pictures, in the order in which they were drawn."""
    place: int = 0
    """Its place in the queue; 0 if it is not queued."""
    own: bool = True
    """Whether the viewer may change it."""
    unreadable: str = ""
    """Why the report cannot be read, if there is one that cannot."""
    trouble: str = ""
    """Why a queued run could not be started yet, if that was tried."""
    fraction: float = 0.0
    """How much of the whole run is behind it, 0 to 1; it never falls, unless the run is discarded."""
    seconds_left: float | None = None
    """A guess at the time left, once there is anything to guess from."""
    seconds: float = 0.0
    """How long the run has worked, in all its sessions."""
    comparing: bool = False
    """Whether it was stopped while it trained, and now compares what there is."""

    @property
    def live(self) -> bool:
        return self.state in LIVE

    @property
    def judging(self) -> bool:
        """Whether it had finished, and is judged again."""
        return self.state in ("starting", "stopping") and self.last is not None and self.last.name == "done"

    @property
    def partial(self) -> bool:
        """Whether there are weights that no report is about yet."""
        return self.report is None and self.run.file(ERASED) is not None

    @property
    def last_step(self) -> int:
        """How many steps are planned, if known."""
        phase = self.phases.get("unlearn")
        return max(phase.total if phase else 0, self.run.config.steps or 0, self.steps[-1].step if self.steps else 0)

    @property
    def cut_short(self) -> bool:
        """Whether the weights that it compared, or compares, are not those of a whole training."""
        trained = self.phases.get("unlearn")
        compares = self.working is not None and self.working.name in ("evaluate", "save")
        return compares and trained is not None and trained.done < trained.total

    @property
    def resumes_at(self) -> int:
        """The step that the training goes on from when it is resumed; 0 from its beginning."""
        return saved_step(self.run.path / CHECKPOINT)

    @property
    def discardable(self) -> bool:
        """Whether there is something to throw away, and nothing that works on it."""
        saved = any((self.run.path / name).is_file() for name in (CHECKPOINT, ERASED))
        return self.state in ("stopped", "failed") and (saved or bool(self.steps))


def look(run: Run) -> RunView:
    """Read on in the run's folder and return what is known now."""
    place, process = waitlist.place(run), _process(run)
    with _lock:
        inode = _telemetry(run).st_ino
        tail = _tails.pop(run.path, None)
        if tail is None or tail.inode != inode:  # a resumed run writes the file again, without what it will repeat
            tail = Tail(inode, pace=Pace(_shares(run)))
        _tails[run.path] = tail
        while len(_tails) > REMEMBERED:
            _tails.popitem(last=False)
        tail.read(run)
        steps = [tail.steps[k] for k in sorted(tail.steps)]
        previews = [tail.previews[k] for k in sorted(tail.previews)]
        conflicts = [tail.conflicts[k] for k in sorted(tail.conflicts)]
        drawn = list(tail.drawn.values())
        phases, last, working, fraction = dict(tail.phases), tail.last, tail.pace.last, tail.pace.fraction
        left, until_stopped, seconds = tail.pace.seconds_left(), tail.pace.seconds_left(stopping=True), tail.pace.spent
    current = _state(run, place > 0, process, last)
    comparing = current == "stopping" and run.stop_requested() == "comparing"
    if current == "stopping":
        left = until_stopped if comparing or (working is not None and working.name == "unlearn") else None
    report, unreadable = readable_report(run)
    return RunView(
        run=run,
        state=current,
        last=last,
        working=working,
        phases=phases,
        steps=steps,
        previews=previews,
        report=report,
        conflicts=conflicts,
        drawn=drawn,
        place=place,
        unreadable=unreadable,
        fraction=1.0 if current == "done" else fraction,
        seconds_left=left,
        seconds=seconds,
        comparing=comparing,
    )


def state(run: Run) -> State:
    """The state alone, of a run that may be one of many."""
    queued, process = waitlist.ticket(run) is not None, _process(run)
    return _state(run, queued, process, last_phase(run))


def states(runs: Sequence[Run]) -> list[State]:
    """The states of many runs. Folders in which nothing changed are not looked into again."""
    queued, worked = set(waitlist.queue()), set(processes.working())
    return [_state(run, run in queued, _process(run) if run in worked else None, last_phase(run)) for run in runs]


@until_changed("telemetry.jsonl", most=2_000)
def last_phase(run: Run) -> telemetry.Phase | None:
    """The last phase the run recorded, read again only when it recorded more."""
    return run.last_phase()


def _process(run: Run) -> RunProcess | None:
    """The process that goes on with the run; None if there is none, or if it only draws with the weights.

    To be asked before the records are read: a run that ends in between is then read to its end the next time.
    """
    working = [process for process in processes.living(run) if not process.drawing]
    return max(working, key=lambda process: process.since, default=None)


@until_changed("config.json", most=512)
def _shares(run: Run) -> Mapping[str, float]:
    """About what share of this run each phase takes, in percent, by how many pictures it draws and learns from."""
    try:
        config = run.config
        drawn, settings = pictures(config, prompt_sets(config, resolve(config))), settle(config)
        sampling = config.sampling_steps or find(config.model).steps
    except (Refusal, OSError) as error:
        raise_shortage(error)
        return SHARES
    tests = drawn.compared // 2
    learnt = settings.steps * (settings.batch_forget + settings.batch_retain) * LEARN / sampling
    work = {
        "check": 2.0 * drawn.checked,
        "data": drawn.training + tests + drawn.reference,
        "unlearn": learnt + drawn.previews * drawn.in_preview,
        "evaluate": tests,
    }
    percent = (100 - sum(SHARES[name] for name in FIXED)) / sum(work.values())
    return {name: work[name] * percent if name in work else SHARES[name] for name in SHARES}


def _state(run: Run, queued: bool, process: RunProcess | None, last: telemetry.Phase | None) -> State:
    ended = last is not None and last.name in ENDS
    if queued and (ended or process is None):  # queued to go on, though its last process may not have left yet
        return "queued"
    if process is not None and (last is None or process.records == records_of(run.path)):
        return "stopping" if run.stop_requested() else "starting"
    if last is None:
        return "failed" if processes.ended_early(run) else "new"
    if last.name == "done" or last.name == "failed":
        return "done" if last.name == "done" else "failed"
    if process is None or ended:
        return "stopped"
    return "stopping" if run.stop_requested() else "running"


def _telemetry(run: Run) -> os.stat_result:
    """Which file the run's records are in, and when the last was written; all 0 if there is none."""
    try:
        return (run.path / "telemetry.jsonl").stat()
    except OSError as error:
        raise_shortage(error)
        return os.stat_result((0,) * 10)


@until_changed("report.json", most=16)
def readable_report(run: Run) -> tuple[RunReport | None, str]:
    """The report, or why it cannot be read."""
    try:
        return run.report(), ""
    except Refusal as refusal:
        return None, str(refusal)
