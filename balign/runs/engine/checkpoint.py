"""A training's state on disk: the weights that moved, the optimiser, the step. One safetensors file, replaced whole.

A kill leaves either the old state or the new, never half of one. What the state means is the training's business: here
it is nested dictionaries and lists of tensors and plain values, and comes back the same.
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


class Saved(NamedTuple):
    """A state read from a folder."""

    step: int
    fingerprint: str
    state: dict[str, Any]

    def restore(self, learner: Unlearner, fingerprint: str) -> None:
        """Put the training back to where it was; refused if the model is not the one it began with."""
        if fingerprint != self.fingerprint:
            raise Refusal(
                "The model's files are not those this run began with, so it cannot go on; put them back, or begin anew."
            )
        learner.load_state(self.state)


def save(run: Run, learner: Unlearner, fingerprint: str) -> None:
    """Replace the state on disk by the present one."""
    tensors: dict[str, Tensor] = {}
    plain = _plain(learner.state(), "state", tensors)
    facts = {"step": str(learner.step), "fingerprint": fingerprint, "state": json.dumps(plain)}
    weight_file.save_changed(run.path / NAME, tensors, facts)


def read(run: Run) -> Saved | None:
    """The state in the folder, if there is one."""
    path = run.path / NAME
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata() or {}
            state = _restored(json.loads(facts["state"]), file)
            return Saved(int(facts["step"]), facts["fingerprint"], state)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise Refusal(
            f"The checkpoint {path} is unreadable; delete it to begin this run anew, or put back a good copy."
        ) from error


def _plain(value: Any, place: str, tensors: dict[str, Tensor]) -> Any:
    """The value as json, with its tensors put aside under their places."""
    if isinstance(value, Tensor):
        tensors[place] = value.detach().cpu().contiguous().clone()
        return {"tensor": place}
    if isinstance(value, dict):
        return {"pairs": [[key, _plain(item, f"{place}.{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{place}.{k}", tensors) for k, item in enumerate(value)]
    return value


def _restored(value: Any, file: Any) -> Any:
    if isinstance(value, dict):
        if "tensor" in value:
            return file.get_tensor(value["tensor"])
        return {key: _restored(item, file) for key, item in value["pairs"]}
    return [_restored(item, file) for item in value] if isinstance(value, list) else value
