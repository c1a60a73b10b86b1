"""What stands and falls with a run's weights: where their checkpoint is, throwing them away, setting aside old results.

Reads and moves files, without torch, so that a server may.
"""

import json
import shutil
from pathlib import Path

from balign import telemetry
from balign.atomic import write
from balign.runs.file_cache import until_changed
from balign.runs.folder import Run

CHECKPOINT, ERASED = "checkpoint.safetensors", "erased.safetensors"
RESULTS = ("report.json", "report.html", "strength", "probes", "votes", "votes.csv", "exports")
"""What was measured of the weights or made with them, and says nothing of others. Own prompts say which they are of."""
MADE = (CHECKPOINT, ERASED, *RESULTS, "previews", "images/after", "tries", "earlier")
DISCARDED = "Discarded; the pictures to learn from are kept."
MOST_HEADER = 100_000_000
"""Bytes of a safetensors header at most."""


@until_changed(CHECKPOINT, most=512)
def checkpoint_step(run: Run) -> int:
    """The step that a training goes on from; 0 without a checkpoint, or one that cannot be read."""
    return saved_step(run.path / CHECKPOINT)


def saved_step(path: Path) -> int:
    """After which step these weights were saved, by the header of their file; 0 if it does not say."""
    try:
        with open(path, "rb") as file:
            header = json.loads(file.read(min(int.from_bytes(file.read(8), "little"), MOST_HEADER)))
        return int(header["__metadata__"]["step"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def discard(run: Run) -> None:
    """Throw away a run's weights, its checkpoint, and all that was made with them; the drawn data stays.

    Raises Refusal while a process works on the run.
    """
    with run.claim():
        for name in MADE:
            _remove(run.path / name)
        line = json.dumps(telemetry.Phase("stopped", 0, 1, 0.0, DISCARDED).to_dict())
        write(run.path / "telemetry.jsonl", line + "\n")


def set_aside(run: Run) -> None:
    """Move the results of the weights so far into `earlier`, before other weights take their place."""
    folder = run.path / "earlier" / f"step-{saved_step(run.path / ERASED):05d}"
    for path in (run.path / name for name in RESULTS):
        if path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            _remove(folder / path.name)
            path.rename(folder / path.name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
