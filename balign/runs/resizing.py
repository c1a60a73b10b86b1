"""Other batches, or other parts of them, for a run that is to be resumed; all else of a run stays as it began."""

from collections.abc import Mapping
from typing import Any

from balign.atomic import write
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.folder import Run

SIZES = ("batch_forget", "batch_retain", "micro_batch", "gradient_checkpointing")
"""What may be changed."""


def resized(run: Run, sizes: Mapping[str, Any]) -> RunConfig:
    """The run's config with these of SIZES in it. Raises Refusal for one that is not accepted."""
    return RunConfig.parse(run.config.model_dump() | {name: sizes[name] for name in SIZES if name in sizes})


def store(run: Run, config: RunConfig) -> Run:
    """Give the run this config, if it is another, and return it. Raises Refusal while it runs, or when it is done."""
    if config == run.config:
        return run
    last = run.last_phase()
    if last is not None and last.name == "done":
        raise Refusal(f"Run {run.id} is done, so its batches cannot be changed; start a new run.")
    with run.claim():
        write(run.path / "config.json", config.to_json())
    return Run(run.path)
