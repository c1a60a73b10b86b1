"""Take a run's erased weights away: a whole folder, one checkpoint file, a LoRA, or the changed weights alone."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from balign.atomic import write
from balign.models import lora, weight_file
from balign.refusal import Refusal
from balign.runs.engine.job import load_model
from balign.runs.folder import Run
from balign.runs.outcome.model_card import card
from balign.runs.weights import ERASED

Form = Literal["pipeline", "checkpoint", "changed"]
Say = Callable[[str], None]
NAMES = {"pipeline": "pipeline", "checkpoint": "whole-model.safetensors", "changed": "changed-weights.safetensors"}
"""Where a form is written inside the run's folder, if nobody says where."""
FILES = (
    "'checkpoint', the whole model for A1111, Forge and ComfyUI, and 'changed', the changed weights alone, are files "
    "that end in .safetensors; 'pipeline' is a folder"
)
SUFFIX = ".safetensors"
MATRICES_ONLY = "A LoRA holds matrices alone: {count} biases and norms that were trained too, such as {one}, stay out."


def export(
    run: Run, out: Path | None = None, form: Form = "pipeline", strength: float = 1.0, say: Say = lambda _: None
) -> Path:
    """Write the erased model in this form; `strength` says how much of the change to apply. Returns where it is.

    What some program cannot open is told to `say` before it is written. Raises Refusal if `out` exists or its name is
    that of another form, or if the run has no erased weights.
    """
    if form not in get_args(Form):
        raise Refusal(f"form is {form!r}; accepted are {', '.join(get_args(Form))}.")
    out = out or run.path / NAMES[form]
    if (out.suffix == SUFFIX) != (form != "pipeline"):
        raise Refusal(
            f"{out.name!r} is no name for the form {form!r}: {FILES}; name the one that is meant, such as --form "
            "checkpoint."
        )
    _check_strength(strength)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Refusal(f"{out} exists and is not an empty folder; name a new one.")
    erased = erased_weights(run)
    model = load_model(run.config)
    weight_file.load_changed(erased, model.denoiser, strength=strength)
    if form == "pipeline":
        model.save(str(out))
        write(out / "README.md", card(run, strength, form))
    elif form == "checkpoint":
        file = model.single_file()
        if file.remark:
            say(file.remark)
        weight_file.save_changed(out, file.tensors, file.metadata | _about(run, strength))
    else:
        names, facts = weight_file.read_changed(erased)
        scaled = dict(model.denoiser.named_parameters())
        weight_file.save_changed(out, {name: scaled[name] for name in names}, facts | {"strength": f"{strength:g}"})
    return out


def export_lora(run: Run, out: Path, rank: int, strength: float = 1.0, say: Say = lambda _: None) -> float:
    """Write the change, this much of it, as a low-rank adapter; the share of its squared norm that the rank holds.

    What an adapter cannot hold is told to `say` before anything is written.
    """
    if rank < 1:
        raise Refusal(f"rank is {rank}; a whole number from 1 up is accepted.")
    _check_strength(strength)
    if out.suffix != SUFFIX:
        raise Refusal(f"{out.name!r} is no name for a LoRA, which is a file that ends in {SUFFIX}; name one.")
    if out.exists():
        raise Refusal(f"{out} exists; name a new file.")
    changed, _ = weight_file.read_changed(erased_weights(run))
    model = load_model(run.config)
    facts = model.lora_metadata()
    base = {name: weight.detach().cpu() for name, weight in model.denoiser.named_parameters() if name in changed}
    outside = [name for name in changed if not lora.holds(name, changed[name]) and not changed[name].equal(base[name])]
    if outside:
        say(MATRICES_ONLY.format(count=len(outside), one=outside[0]))
    partly = {name: base[name].lerp(weight, strength) for name, weight in changed.items()}
    tensors, share = lora.adapter(base, partly if strength != 1 else changed, rank)
    inside = next((int(tensor) for name, tensor in tensors.items() if name.endswith(".alpha")), rank)
    facts |= {"ss_network_dim": str(inside), "ss_network_alpha": str(inside), "share_of_change": f"{share:.4f}"}
    weight_file.save_changed(out, tensors, facts | _about(run, strength))
    return share


def erased_weights(run: Run) -> Path:
    """The file of the weights that the run changed. Raises Refusal if there is none yet."""
    path = run.path / ERASED
    if not path.is_file():
        raise Refusal(f"Run {run.id} has no erased weights yet; `balign run` with its folder makes them.")
    return path


def _check_strength(strength: float) -> None:
    if not math.isfinite(strength):
        raise Refusal(f"strength is {strength}; a number such as 0.5 is accepted.")


def _about(run: Run, strength: float) -> dict[str, str]:
    """What the metadata of a file for other programs says of where it comes from."""
    names = ", ".join(concept.name for concept in run.config.erase)
    about = {"base_model": run.config.model, "strength": f"{strength:g}", "modelspec.title": f"without {names}"}
    return about | {"modelspec.description": f"Changed by balign to forget {names}, run {run.id}."}
