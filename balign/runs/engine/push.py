"""Put a finished run on the Hugging Face hub: the erased model, its LoRA or its one-file checkpoint, or its report.

A model comes with the model card and its scores; the report becomes the page of a static Space.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Literal, get_args

from balign.atomic import write
from balign.models import upload
from balign.refusal import Refusal
from balign.runs.engine import exporting
from balign.runs.folder import Run
from balign.runs.outcome.model_card import card

What = Literal["pipeline", "checkpoint", "lora", "report"]


def push(
    run: Run,
    name: str,
    what: What,
    token: str,
    *,
    strength: float = 1.0,
    rank: int = 8,
    private: bool = False,
    say: exporting.Say = lambda _: None,
) -> str:
    """Write what is asked for beside the run's files, send it to the repository owner/name, and return its page.

    What was written is removed again. Raises what `upload.send` and the exports raise.
    """
    if what not in get_args(What):
        raise Refusal(f"what is {what!r}; accepted are {', '.join(get_args(What))}.")
    upload.accepted_name(name)
    if what == "report" and not run.file("report.html"):
        raise Refusal(f"Run {run.id} has no report yet; `balign run` with its folder makes it.")
    with tempfile.TemporaryDirectory(dir=run.path) as temporary:
        folder = Path(temporary) / "whole"
        _write(run, folder, what, strength, rank, say)
        kind: Literal["model", "space"] = "space" if what == "report" else "model"
        message = f"The {what} of a run of balign"
        return upload.send(folder, name, kind, token, private=private, message=message)


def _write(run: Run, folder: Path, what: What, strength: float, rank: int, say: exporting.Say) -> None:
    """What is sent, as a folder."""
    if what == "pipeline":
        exporting.export(run, folder, "pipeline", strength)
        return
    folder.mkdir()
    if what == "report":
        shutil.copyfile(run.path / "report.html", folder / "index.html")
        write(folder / "README.md", _space_card(run))
        return
    if what == "lora":
        exporting.export_lora(run, folder / "lora.safetensors", rank, strength, say)
    else:
        exporting.export(run, folder / exporting.NAMES["checkpoint"], "checkpoint", strength, say)
    write(folder / "README.md", card(run, strength, what))


def _space_card(run: Run) -> str:
    """What tells the hub that the folder is a page."""
    from huggingface_hub import SpaceCardData

    names = ", ".join(concept.name for concept in run.config.erase)
    facts = SpaceCardData(title=f"Without {names}", sdk="static", pinned=False, tags=["machine-unlearning", "balign"])
    return f"---\n{facts.to_yaml()}\n---\n\nThe report of a run of balign, {run.id}.\n"
