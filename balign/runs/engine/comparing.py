"""How far a comparison of a run's weights is, in a note in its folder: one that was ended goes on where it was."""

import json
from dataclasses import dataclass, field
from typing import Any

from balign.atomic import write
from balign.runs import weights
from balign.runs.engine.job import Job


@dataclass
class Comparing:
    """The comparison of a job's present weights."""

    job: Job
    since: int = field(init=False)
    """So many test images were drawn with these weights before."""

    def __post_init__(self) -> None:
        self._note = self.job.run.path / weights.COMPARING
        try:
            noted = json.loads(self._note.read_text(encoding="utf-8"))
            self.since = int(noted["done"]) if noted == self._values(noted["done"]) else 0
        except (OSError, ValueError, KeyError, TypeError):
            self.since = 0

    def drawn(self, done: int) -> None:
        """Note that so many are drawn."""
        write(self._note, json.dumps(self._values(done)))

    def end(self) -> None:
        self._note.unlink(missing_ok=True)

    def _values(self, done: int) -> dict[str, Any]:
        """With what the images were drawn, as json gives it back."""
        step = weights.saved_step(self.job.run.path / weights.ERASED)
        how = {"model": self.job.model.fingerprint, "how": list(self.job.sampling), "own": self.job.own_folder}
        return {"done": done, "step": step} | how
