"""The checkpoint of a training: its weights, optimiser and step in one safetensors file, which is replaced whole.

A kill leaves either the old state or the new.
"""

from typing import Any, NamedTuple

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
    facts = {"step": str(learner.step), "fingerprint": fingerprint}
    weight_file.save_nested(run.path / NAME, learner.state(), facts)


def read(run: Run) -> Checkpoint | None:
    """The checkpoint in the folder, or None. Raises Refusal if it is unreadable."""
    path = run.path / NAME
    if not path.exists():
        return None
    try:
        state, facts = weight_file.read_nested(path)
        return Checkpoint(int(facts["step"]), facts["fingerprint"], state)
    except (KeyError, ValueError) as error:
        raise Refusal(
            f"The checkpoint {path} is unreadable; delete it to start the training again, or put back a good copy."
        ) from error
