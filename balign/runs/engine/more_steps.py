"""Give a finished run some more steps: a new run that goes on where the training of the first ended.

It is what one run with all the steps would have been, bit for bit: the same data, the same optimiser, and the same
base to keep to and to compare with. The first run stays as it is, and may be deleted. Files are copied and edited
without torch, so that a server may do it.
"""

import json
import shutil
from typing import Any, NamedTuple

from balign.atomic import write
from balign.models import tensor_file
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.engine.recorder import Recorder
from balign.runs.folder import Run
from balign.runs.weights import CHECKPOINT

TAKEN = ("manifest.json", "previews", "images/before")
"""What the new run would only make again."""


class SavedTraining(NamedTuple):
    """The file of a training's state, and what it says beside the tensors."""

    header: tensor_file.Header
    step: int
    state: dict[str, Any]
    settings: dict[str, Any]
    outcome: tuple[str, int, str] | None
    """How it ended, with the step and a sentence."""


def planned(run: Run, steps: int) -> RunConfig:
    """The config of the new run, whose training has this many steps left.

    Raises Refusal if this one is not finished, has no steps or no saved training, or ended of itself.
    """
    return _planned(run, steps)[0]


def begin(run: Run, steps: int) -> Run:
    """The new run beside this one, ready to be started. Raises what `planned` raises, or OSError and leaves nothing."""
    config, saved = _planned(run, steps)
    new = Run.create(config, run.path.parent, run.pictures())
    try:
        _fill(new, run, saved, config)
    except OSError:
        new.delete()
        raise
    new.rename(f"{steps:,} more steps after run {run.id.rpartition('-')[0][:15]}")
    return new


def _planned(run: Run, steps: int) -> tuple[RunConfig, SavedTraining]:
    if steps < 1:
        raise Refusal(f"steps is {steps}; a whole number from 1 up is accepted.")
    last = run.last_phase()
    if last is None or last.name != "done":
        raise Refusal(f"Run {run.id} is not finished; `balign run` with its folder goes on with it.")
    if run.file(CHECKPOINT) is None:
        raise Refusal(f"The saved training of run {run.id} is gone, so no step can be added; start a new run instead.")
    saved = _saved(run)
    if not saved.step:
        raise Refusal(f"Run {run.id} edited the weights without a step, so there is no training to go on with.")
    reason, _, ended = saved.outcome or ("finished", saved.step, "")
    if reason != "finished":
        raise Refusal(f"More steps would end the same: {ended[0].lower()}{ended[1:]}")
    return RunConfig.parse(json.loads(run.config.to_json()) | {"steps": saved.step + steps}), saved


def _saved(run: Run) -> SavedTraining:
    """The saved training; its state is as `weight_file.save_nested` writes it. Raises Refusal if it is unreadable."""
    try:
        header = tensor_file.read(run.path / CHECKPOINT)
        state = dict(json.loads(header.metadata["state"])["pairs"])
        settings = dict(state["settings"]["pairs"])
        return SavedTraining(header, int(header.metadata["step"]), state, settings, state["outcome"])
    except (KeyError, ValueError, TypeError) as error:  # a Refusal is a ValueError
        raise Refusal(f"The saved training of run {run.id} is unreadable; start a new run instead.") from error


def _fill(new: Run, run: Run, saved: SavedTraining, config: RunConfig) -> None:
    """Put into the new run's folder what the first has of the same, and its training with the new number of steps."""
    for name in TAKEN:
        source = run.path / name
        if source.is_dir():
            shutil.copytree(source, new.path / name)
        elif source.is_file():
            write(new.path / name, source.read_bytes())
    write(new.path / "telemetry.jsonl", (run.path / "telemetry.jsonl").read_bytes())
    Recorder(new).rewind(saved.step)
    settings = saved.settings | {"steps": config.steps}
    state = saved.state | {"settings": {"pairs": list(settings.items())}, "outcome": None}
    told = saved.header.metadata | {"state": json.dumps({"pairs": list(state.items())})}
    tensor_file.copy(saved.header, new.path / CHECKPOINT, told)
