"""Give a finished run some more steps: a new run that goes on where the training of the first ended.

It is what one run with all the steps would have been, bit for bit: the same data, the same optimiser, and the same
base to keep to and to compare with. The first run stays as it is, and may be deleted.
"""

import json
import shutil

from balign.atomic import write
from balign.models import weight_file
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.engine import checkpoint
from balign.runs.engine.recorder import Recorder
from balign.runs.folder import Run

TAKEN = ("manifest.json", "previews", "images/before")
"""What the new run would only make again."""


def begin(run: Run, steps: int) -> Run:
    """A new run beside this one, ready to be started, whose training has this many steps left.

    Raises Refusal if this one is not finished, has no steps or no saved training, or ended of itself.
    """
    if steps < 1:
        raise Refusal(f"steps is {steps}; a whole number from 1 up is accepted.")
    last = run.last_phase()
    if last is None or last.name != "done":
        raise Refusal(f"Run {run.id} is not finished; `balign run` with its folder goes on with it.")
    saved = checkpoint.read(run)
    if saved is None:
        raise Refusal(f"The saved training of run {run.id} is gone, so no step can be added; start a new run instead.")
    if not saved.step:
        raise Refusal(f"Run {run.id} edited the weights without a step, so there is no training to go on with.")
    reason, _, ended = saved.state["outcome"] or ("finished", saved.step, "")
    if reason != "finished":
        raise Refusal(f"More steps would end the same: {ended[0].lower()}{ended[1:]}")
    total = saved.step + steps
    config = RunConfig.parse(json.loads(run.config.to_json()) | {"steps": total})
    new = Run.create(config, run.path.parent)
    new.rename(f"{steps:,} more steps after run {run.id.rpartition('-')[0][:15]}")
    for name in TAKEN:
        source = run.path / name
        if source.is_dir():
            shutil.copytree(source, new.path / name)
        elif source.is_file():
            write(new.path / name, source.read_bytes())
    write(new.path / "telemetry.jsonl", (run.path / "telemetry.jsonl").read_bytes())
    Recorder(new).rewind(saved.step)
    state = saved.state | {"settings": saved.state["settings"] | {"steps": total}, "outcome": None}
    facts = {"step": str(saved.step), "fingerprint": saved.fingerprint}
    weight_file.save_nested(new.path / checkpoint.NAME, state, facts)
    return new
