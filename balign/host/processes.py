"""The processes that work on runs: start one, ask whether it is alive and since when, end it.

Each is a session of its own, so closing the tab or stopping the server does not end it. What is known of it stands in
the run's folder and outlives the server; memory holds the children of this server alone, and only while they run.
"""

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

import balign
from balign import locks
from balign.atomic import atomic
from balign.plain_file import plain
from balign.runs.claims import RunProcess, records_of
from balign.runs.folder import Run, runs_root
from balign.runs.run_folders import FolderSearch

COMMAND = (sys.executable, "-m", "balign")
"""What is started, followed by a verb such as `run`, the folder of the run, and options."""
STARTER = "starter"
"""The note of the process started on a run, which inherits its lock; it stands in until that process claims the run."""


class _Child(NamedTuple):
    """A process that this server started."""

    run: Run
    drawing: bool
    process: subprocess.Popen[bytes]


_children: list[_Child] = []
_lock = threading.Lock()


def start(run: Run, verb: str, *options: str, drawing: bool = False, secret: str = "") -> None:
    """Start `balign VERB FOLDER OPTIONS` on the run. Raises OSError if the system starts no process.

    drawing: whether it only draws with the run's weights and leaves the run as it is. secret: a line that it reads from
    its standard input, where nobody else sees it.
    """
    source = str(Path(balign.__file__).parents[1])
    path = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
    environment = os.environ | {"PYTHONPATH": path, "BALIGN_RUNS": str(runs_root().absolute())}
    environment["PYTHONUTF8"] = "1"  # whatever the server's own locale: a prompt may be in any script
    note, process = run.path / STARTER, None
    try:
        with (
            _lock,
            open(run.path / "log.txt", "ab", opener=plain) as log,
            atomic(note) as draft,
            open(draft, "xb") as file,
        ):
            locks.lock(file)
            process = subprocess.Popen(
                [*COMMAND, verb, str(run.path), *options],
                stdin=subprocess.PIPE if secret else subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                pass_fds=[file.fileno()],
            )
            _children[:] = [child for child in _children if child.run != run or child.process.poll() is None]
            _children.append(_Child(run, drawing, process))
            RunProcess(note, process.pid, time.monotonic(), records_of(run.path), drawing).write(file)
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError), process.stdin:  # it has ended already
                process.stdin.write(f"{secret}\n".encode())
    except OSError:
        if process is not None:  # nobody could see it at work
            process.kill()
        raise


def living(run: Run) -> list[RunProcess]:
    """The living processes that the folder names: the one that claimed it, and the one that was started on it."""
    _reap()
    named = (RunProcess.read(run.path / name) for name in ("pid", STARTER))
    return [process for process in named if process is not None]


def alive(run: Run) -> bool:
    """Whether a process works on the run, even if only to draw with its weights."""
    return bool(living(run))


def worked(run: Run) -> float:
    """For how many seconds the process that works on the run now has done so; 0 if there is none."""
    return min((time.monotonic() - process.since for process in living(run)), default=0.0)


def working() -> list[Run]:
    """The runs that a process works on."""
    return [Run(path) for path in _at_work.found(runs_root())]


_at_work = FolderSearch(lambda path: alive(Run(path)))  # to take up a run, a process puts a file into its folder


def ended_early(run: Run) -> bool:
    """Whether a process was started on the run and ended before it recorded anything."""
    return run.file(STARTER) is not None and run.last_phase() is None and not alive(run)


def drawing_failed(run: Run) -> bool:
    """Whether the last drawing that this server started with the run's weights ended with an error."""
    _reap()
    return any(child.run == run and child.process.returncode for child in _children)


def end(run: Run) -> None:
    """Kill the process that works on the run, which goes on from its last checkpoint if it is resumed."""
    for process in living(run):
        process.kill()


def _reap() -> None:
    """Forget the children that have ended, but for a drawing that failed, as long as its run is there."""
    with _lock:
        _children[:] = [
            child
            for child in _children
            if child.process.poll() is None or (child.drawing and child.process.returncode and child.run.path.exists())
        ]
