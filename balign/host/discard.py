"""Throwing away the weights of a run that has stopped, and all that was made with them."""

import json

from balign import telemetry
from balign.atomic import write
from balign.runs.folder import Run
from balign.runs.weights import MADE, remove

DISCARDED = "Discarded; the pictures to learn from are kept."


def discard(run: Run) -> None:
    """Leave of a run its config, its names and the drawn data. Raises Refusal while a process works on it."""
    with run.claim():
        for name in MADE:
            remove(run.path / name)
        line = json.dumps(telemetry.Phase("stopped", 0, 1, 0.0, DISCARDED).to_dict())
        write(run.path / "telemetry.jsonl", line + "\n")
