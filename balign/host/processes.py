"""The processes that work on runs: start one, ask whether it is alive and since when, end it.

Each is a session of its own, so closing the tab or stopping the server does not end it. What is known of it stands in
the run's folder and outlives the server; memory holds the children of this server alone, and only while they run.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import psutil

import balign
from balign.runs.folder import Run, RunProcess, runs_root
from balign.runs.run_folders import FolderSearch

COMMAND = (sys.executable, "-m", "balign")
"""What is started, followed by a verb such as `run`, the folder of the run, and options."""
STARTER = "starter"
"""The file that names the process started on a run; it stands in until that process claims the folder itself."""


class _Child(NamedTuple):
    """A process that this server started."""

    run: Run
    drawing: bool
    process: subprocess.Popen[bytes]


_children: list[_Child] = []
_lock = threading.Lock()


def start(run: Run, verb: str, *options: str, drawing: bool = False) -> None:
    """Start `balign VERB FOLDER OPTIONS` on the run. Raises OSError if the system starts no process.

    drawing: whether it only draws with the run's weights and leaves the run as it is.
    """
    source = str(Path(balign.__file__).parents[1])
    path = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONPATH": path, "BALIGN_RUNS": str(runs_root().absolute())}
    with _lock, open(run.path / "log.txt", "ab") as log:
        process = subprocess.Popen(
            [*COMMAND, verb, str(run.path), *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        _children[:] = [child for child in _children if child.run != run or child.process.poll() is None]
        _children.append(_Child(run, drawing, process))
        try:
            RunProcess.note(run.path / STARTER, process.pid, drawing)
        except psutil.Error:
            return  # it has ended already
        except OSError:  # nobody could see it at work
            process.kill()
            raise


def living(run: Run) -> list[RunProcess]:
    """The living processes that the folder names: the one that claimed it, and the one that was started on it."""
    _reap()
    named = (RunProcess.read(run.path / name) for name in ("pid", STARTER))
    return [process for process in named if process is not None and process.alive]


def alive(run: Run) -> bool:
    """Whether a process works on the run, even if only to draw with its weights."""
    return bool(living(run))


def since(run: Run) -> float:
    """When the process that works on the run now took it up; 0 if there is none."""
    return max((process.since for process in living(run)), default=0.0)


def working() -> list[Run]:
    """The runs that a process works on."""
    return [Run(path) for path in _at_work.found(runs_root())]


_at_work = FolderSearch(lambda path: alive(Run(path)))  # to take up a run, a process puts a file into its folder


def ended_early(run: Run) -> bool:
    """Whether a process was started on the run and ended before it recorded anything."""
    return (run.path / STARTER).is_file() and run.last_phase() is None and not alive(run)


def drawing_failed(run: Run) -> bool:
    """Whether the last drawing that this server started with the run's weights ended with an error."""
    _reap()
    return any(child.run == run and child.process.returncode for child in _children)


def end(run: Run) -> None:
    """Kill the process that works on the run, which goes on from its last checkpoint if it is resumed."""
    for process in living(run):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)


def _reap() -> None:
    """Forget the children that have ended, but for a drawing that failed, as long as its run is there."""
    with _lock:
        _children[:] = [
            child
            for child in _children
            if child.process.poll() is None or (child.drawing and child.process.returncode and child.run.path.exists())
        ]
