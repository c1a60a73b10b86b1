"""Starts the process that runs a folder, and says whether it lives. The studio owns no training, only this handle.

The process is its own session: closing the tab or killing the server does not end it. It knows nothing of the page.
"""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import balign
from balign.run.config import RunConfig
from balign.run.folder import Run, list_runs, runs_root
from balign.telemetry import Phase

COMMAND = (sys.executable, "-m", "balign")
"""What is started, followed by a verb such as `run` and the folder of the run, or of several."""
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{7,79}")
LEAVING = 10.0
"""Seconds a process may take to leave after its last word."""
RECENT = 50
"""How many of the newest folders are asked whether they run."""

_children: dict[str, subprocess.Popen[bytes]] = {}
_visitors: dict[str, subprocess.Popen[bytes]] = {}
_started: dict[str, float] = {}
_lock = threading.Lock()


class Busy(ValueError):
    """Another run has the machine."""


def find(run_id: object) -> Run | None:
    """The run of this id, or None: for an id no folder has, for a path, for anything that is not an id."""
    if not isinstance(run_id, str) or not RUN_ID.fullmatch(run_id):
        return None
    try:
        return Run.open(run_id)
    except (ValueError, OSError):
        return None


def alive(run: Run) -> bool:
    """Whether a process works on the run: one started here, or any that has claimed the folder."""
    child = _children.get(run.id)
    return (child is not None and child.poll() is None) or run.running()


def started(run: Run) -> float:
    """When a process last began on the run, as far as that is known."""
    try:
        claimed = (run.path / "pid").stat().st_mtime
    except OSError:
        claimed = 0.0
    return max(claimed, _started.get(run.id, 0.0))


def died_early(run: Run) -> bool:
    """Whether the process started here ended without a word in the run's folder."""
    child = _children.get(run.id)
    return child is not None and child.poll() is not None and not run.telemetry()[0]


def begin(config: RunConfig) -> Run:
    """Create a folder for this config and start on it; refused while another run has the machine."""
    return begin_all([config])[0]


def begin_all(configs: Sequence[RunConfig]) -> list[Run]:
    """Create a folder for each config and start on them, one after another in one process."""
    with _lock:
        _refuse_if_busy()
        runs = [Run.create(config) for config in configs]
        _start(runs)
    return runs


def resume(run: Run, verb: Literal["run", "evaluate"] = "run") -> None:
    """Go on with a run that was stopped or killed, or score the weights it has."""
    with _lock:
        if alive(run):
            return
        _refuse_if_busy()
        run.clear_stop()
        _start([run], verb)


def visit(run: Run, verb: str, *options: str) -> None:
    """Draw with a finished run's weights in a process that leaves the run as it is."""
    with _lock:
        _refuse_if_busy()
        run.clear_stop()
        _visitors[run.id] = _launch([run], verb, *options)


def failed(run: Run) -> bool:
    """Whether the last such process that was started here ended with an error."""
    child = _visitors.get(run.id)
    return child is not None and child.poll() not in (None, 0)


def _refuse_if_busy() -> None:
    """A process that has said its last, as one has by the time its outcome is on the page, is waited for."""
    until = time.monotonic() + LEAVING
    while working := _working():
        if time.monotonic() > until or not all(_last_word(run) for run in working):
            raise Busy("Another run is using this machine; try again when it has finished, or stop it first.")
        time.sleep(0.1)


def _working() -> list[Run]:
    return [run for run in list_runs()[:RECENT] if alive(run)]


def _last_word(run: Run) -> bool:
    """Whether the run has told its end, though its process may still be there."""
    phases = [record for record in run.telemetry()[0] if isinstance(record, Phase)]
    return bool(phases) and phases[-1].name in ("done", "stopped", "failed")


def _start(runs: Sequence[Run], verb: str = "run") -> None:
    _started.update((run.id, time.time()) for run in runs)
    _launch(runs, verb)


def _launch(runs: Sequence[Run], verb: str, *options: str) -> subprocess.Popen[bytes]:
    source = str(Path(balign.__file__).parents[1])
    path = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONPATH": path, "BALIGN_RUNS": str(runs_root().absolute())}
    with open(runs[0].path / "log.txt", "ab") as log:
        child = subprocess.Popen(
            [*COMMAND, verb, *(str(run.path) for run in runs), *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    _children.update((run.id, child) for run in runs)
    return child
