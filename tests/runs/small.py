"""A whole run small enough for a test: a random pipeline, a random scorer, six steps. What it draws is noise."""

import hashlib
import os
import signal
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from balign.runs.config import RunConfig
from balign.runs.folder import Run
from balign.telemetry import Phase, Preview, Record, Step

SMALL: dict[str, Any] = {
    "erase": ["cat"],
    "steps": 6,
    "batch_forget": 2,
    "batch_retain": 2,
    "n_forget": 5,
    "n_retain": 6,
    "sampling_steps": 2,
    "n_eval": 3,
    "measure_every": 3,
    "preview_every": 4,
    "checkpoint_every": 2,
    "learning_rate": 1e-3,
    "device": "cpu",
}


def small_config(**changes: Any) -> RunConfig:
    return RunConfig.parse(SMALL | changes)


def belongs(event: Record, phase: str) -> bool:
    """Whether an event is one that this phase always tells, in a number that does not hang on the clock."""
    if phase == "unlearn":
        return isinstance(event, Step | Preview)
    return isinstance(event, Phase) and event.name == phase


def run_and_die(folder: str, phase: str, nth: int, cache: str, writing: str = "", times: int = 1) -> None:
    """Work on the run until the phase's nth event has come, or a file of that name is to be put in place, then kill -9.

    Started in a process of its own.
    """
    os.environ["BALIGN_CACHE"] = cache
    from balign.runs.engine import execute

    if writing:
        _die_at_replace(writing, times)
    path, seen = Path(folder), 0
    for event in execute.run(Run.open(path, path.parent)):
        seen += belongs(event, phase)
        if seen and seen == nth:
            os.kill(os.getpid(), signal.SIGKILL)


def _die_at_replace(writing: str, times: int) -> None:
    replace, seen = os.replace, 0

    def dying(source: Any, target: Any) -> None:
        nonlocal seen
        seen += fnmatch(str(target), writing)
        if seen == times:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(source, target)

    os.replace = dying  # type: ignore[assignment]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
