"""A whole run small enough for a test: a random pipeline, a random scorer, six steps. What it draws is noise."""

import hashlib
import os
import signal
from pathlib import Path
from typing import Any

from balign.run.config import RunConfig
from balign.run.folder import Run

SMALL: dict[str, Any] = {
    "erase": ["cat"],
    "steps": 6,
    "batch_forget": 2,
    "batch_retain": 2,
    "n_forget": 5,
    "n_retain": 6,
    "sampling_steps": 2,
    "n_eval": 3,
    "measure_every": 2,
    "preview_every": 3,
    "checkpoint_every": 2,
    "learning_rate": 1e-3,
    "device": "cpu",
}


def small_config(**changes: Any) -> RunConfig:
    return RunConfig.parse(SMALL | changes)


def run_and_die(folder: str, events: int, cache: str, replaced: int = 0) -> None:
    """Work on the run until that many events have come, or that many files were to be replaced, then kill -9 oneself.

    Started in a process of its own.
    """
    os.environ["BALIGN_CACHE"] = cache
    from balign.run import execute

    if replaced:
        _die_at_replace(replaced)
    path = Path(folder)
    for count, _ in enumerate(execute.run(Run.open(path, path.parent)), 1):
        if count == events:
            os.kill(os.getpid(), signal.SIGKILL)


def _die_at_replace(count: int) -> None:
    replace, seen = os.replace, 0

    def dying(*args: Any, **more: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == count:
            os.kill(os.getpid(), signal.SIGKILL)
        replace(*args, **more)

    os.replace = dying  # type: ignore[assignment]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
