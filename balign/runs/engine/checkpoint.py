"""The checkpoint of a training: its weights, optimiser and step in one safetensors file, which is replaced whole.

A kill leaves either the old state or the new. Any nested dictionaries and lists of tensors and json values are kept.
"""

import json
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from torch import Tensor

from balign.method.training import Unlearner
from balign.models import weight_file
from balign.refusal import Refusal
from balign.runs.folder import Run

NAME = "checkpoint.safetensors"


class Checkpoint(NamedTuple):
    """A training state read from a folder."""

    step: int
    fingerprint: str
    state: dict[str, Any]

    def restore(self, learner: Unlearner, fingerprint: str) -> None:
        """Put the training back to where it was. Raises Refusal if the model is not the one it began with."""
        if fingerprint != self.fingerprint:
            raise Refusal(
                "The model's files are not those this run began with, so it cannot continue; put them back, or start "
                "a new run."
            )
        learner.load_state(self.state)


def save(run: Run, learner: Unlearner, fingerprint: str) -> None:
    """Replace the checkpoint on disk by the present state."""
    tensors: dict[str, Tensor] = {}
    values = _without_tensors(learner.state(), "state", tensors)
    facts = {"step": str(learner.step), "fingerprint": fingerprint, "state": json.dumps(values)}
    weight_file.save_changed(run.path / NAME, tensors, facts)


def read(run: Run) -> Checkpoint | None:
    """The checkpoint in the folder, or None. Raises Refusal if it is unreadable."""
    path = run.path / NAME
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata() or {}
            state = _with_tensors(json.loads(facts["state"]), file)
            return Checkpoint(int(facts["step"]), facts["fingerprint"], state)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise Refusal(
            f"The checkpoint {path} is unreadable; delete it to start the training again, or put back a good copy."
        ) from error


def _without_tensors(value: Any, place: str, tensors: dict[str, Tensor]) -> Any:
    """The value as json; its tensors are put into `tensors` under their places."""
    if isinstance(value, Tensor):
        tensors[place] = value.detach().cpu().contiguous().clone()
        return {"tensor": place}
    if isinstance(value, dict):
        return {"pairs": [[key, _without_tensors(item, f"{place}.{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_without_tensors(item, f"{place}.{k}", tensors) for k, item in enumerate(value)]
    return value


def _with_tensors(value: Any, file: Any) -> Any:
    if isinstance(value, dict):
        if "tensor" in value:
            return file.get_tensor(value["tensor"])
        return {key: _with_tensors(item, file) for key, item in value["pairs"]}
    return [_with_tensors(item, file) for item in value] if isinstance(value, list) else value
