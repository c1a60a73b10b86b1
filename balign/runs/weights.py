"""Which files stand and fall with a run's weights, after which step they were saved, and setting their results aside.

Reads and moves files, without torch, so that a server may.
"""

import json
import shutil
from pathlib import Path

from balign.plain_file import plain, raise_shortage
from balign.runs.folder import Run

CHECKPOINT, ERASED = "checkpoint.safetensors", "erased.safetensors"
RESULTS = ("report.json", "report.html", "strength", "probes", "votes", "votes.csv", "exports", "attacks")
"""What was measured of the weights or made with them, and says nothing of others. Own prompts say which they are of."""
COMPARING = "comparing.json"
"""How far a comparison of the weights is."""
MADE = (CHECKPOINT, ERASED, COMPARING, *RESULTS, "previews", "drawn", "images/after", "tries", "earlier")
MOST_HEADER = 100_000_000
"""Bytes of a safetensors header at most."""


def saved_step(path: Path) -> int:
    """After which step these weights were saved, by the header of their file; 0 if it does not say.

    Raises OSError if the system cannot tell at this moment.
    """
    try:
        with open(path, "rb", opener=plain) as file:
            header = json.loads(file.read(min(int.from_bytes(file.read(8), "little"), MOST_HEADER)))
        return int(header["__metadata__"]["step"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise_shortage(error)
        return 0


def set_aside(run: Run) -> None:
    """Move the results of the weights so far into `earlier`, before other weights take their place."""
    folder = run.path / "earlier" / f"step-{saved_step(run.path / ERASED):05d}"
    for path in (run.path / name for name in RESULTS):
        if path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            remove(folder / path.name)
            path.rename(folder / path.name)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
