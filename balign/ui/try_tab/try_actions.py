"""What the buttons of the Try tab do: start a process that draws with a finished run's weights, or ask it to stop."""

from collections.abc import Mapping
from typing import Any

from balign.host import attacking, disk, limits, processes, scheduler
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.tryout import store
from balign.runs.tryout.attack_store import AttackRequest
from balign.runs.tryout.exports import export_name
from balign.runs.tryout.store import STRENGTHS, PromptRequest
from balign.ui.files import WEIGHTS
from balign.ui.page import Answer, Caller, notice

NO_RUN = "Open a run that has finished, in the Runs tab or by its link; its weights can then be tried here."
NOT_READY = "This run has no erased weights and no report yet. When it has finished, its weights can be tried here."


def ready(caller: Caller) -> Run:
    """The run that is shown, if the caller may draw with it. Raises Refusal saying why there is nothing to try."""
    if caller.run is None:
        raise Refusal(NO_RUN)
    run = caller.own()
    if not store.ready(run):
        raise Refusal(NOT_READY)
    return run


def draw_prompt(caller: Caller, prompt: object, seed: object, images: object) -> Answer:
    """Draw a prompt with both models."""
    run = ready(caller)
    request = PromptRequest.parse(prompt=prompt, seed=seed, images=images)
    return _start(caller, run, "try", *(f"--{name}={value}" for name, value in request))


def draw_strengths(caller: Caller) -> Answer:
    """Draw a few test prompts at every strength."""
    return _start(caller, ready(caller), "strength")


def draw_probes(caller: Caller) -> Answer:
    """Ask both models for the erased concepts by other words."""
    return _start(caller, ready(caller), "probe")


def attack(caller: Caller, values: Mapping[str, Any]) -> Answer:
    """Try to bring back what was erased; the values are those of the section's fields, by their names."""
    run = ready(caller)
    tokens = values["tokens"]
    asked = {
        "attacks": values["attacks"] or (),
        "tokens": tuple(tokens.replace(",", " ").split()) if isinstance(tokens, str) else tokens,
        "steps": values["steps"],
        "pictures": values["pictures"],
        "control": values["control"] or None,
        "concept": values["concept"] or None,
    }
    attacking.begin(run, AttackRequest.parse(**asked), caller.visitor)
    return {"say": ""}


def export(caller: Caller, amount: object) -> Answer:
    """Write the model at this strength into the run's folder, as a diffusers folder.

    A public instance writes the changed weights alone, which the run's owner downloads.
    """
    run = ready(caller)
    accepted = {f"{strength:.2f}": strength for strength in STRENGTHS}
    if not isinstance(amount, str) or amount not in accepted:
        raise Refusal(f"The strength {str(amount)[:20]!r} is not one of {', '.join(accepted)}.")
    whole = not limits.public()
    name = export_name(accepted[amount], whole)
    if (run.path / name).exists():
        raise Refusal(f"This strength was exported before: {name} in the run's folder.")
    disk.check_growth(run, (run.path / WEIGHTS).stat().st_size)
    form = "pipeline" if whole else "changed"
    return _start(caller, run, "export", f"--out={run.path / name}", f"--form={form}", f"--strength={amount}")


def stop(caller: Caller) -> Answer:
    """Ask the drawing to stop at its next picture."""
    run = caller.owned
    if run is None or not processes.alive(run):
        return {"say": notice("Nothing is being drawn here.", "remark")}
    run.request_stop()
    return {"say": ""}


def _start(caller: Caller, run: Run, verb: str, *options: str) -> Answer:
    if not processes.alive(run):
        store.clear_progress(run)
    scheduler.draw(run, verb, *options, visitor=caller.visitor)
    return {"say": ""}
