"""Commands that write what others take: pipelines, checkpoints, LoRAs, bundles, repositories of the hub."""

import sys
from contextlib import AbstractContextManager, nullcontext
from getpass import getpass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from balign.cli.command_parts import Folder, opened_run, wrote
from balign.plain_file import expanded
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.tryout.exports import FOLDER
from balign.terminal import Terminal


def export(
    folder: Folder,
    /,
    out: Path | None = None,
    form: Literal["pipeline", "checkpoint", "changed"] | None = None,
    strength: float = 1.0,
    lora: int | None = None,
) -> int:
    """Write the erased model as a diffusers folder, as one checkpoint file, or the change alone, also as a LoRA.

    Args:
        out: where to write; left out, a name inside the run's folder.
        form: pipeline, a whole diffusers folder (default); checkpoint, the whole model in one .safetensors for A1111,
            Forge and ComfyUI; changed, the changed weights alone in one .safetensors.
        strength: how much of the erasure to apply: 0 none, 1 all.
        lora: write a LoRA of this rank instead, for diffusers, A1111, Forge or ComfyUI; what the rank cannot hold is
            lost.
    """
    from balign.runs.engine import exporting

    opened, say = opened_run(folder), Terminal().sentence
    if lora is not None and form is not None:
        raise Refusal(f"form is {form!r} and --lora is given; a LoRA is a form of its own, so give one of the two.")
    target = expanded(out) if out else None
    with _shown(opened, "export", target is not None and target.parent == opened.path / FOLDER):
        if lora is None:
            return wrote(exporting.export(opened, target, form or "pipeline", strength, say))
        target = target or opened.path / "lora.safetensors"
        share = exporting.export_lora(opened, target, lora, strength, say)
        say(f"Rank {lora} holds {100 * share:.1f} % of the change; the rest is not in the file.")
        return wrote(target)


def push(
    folder: Folder,
    name: Annotated[str, tyro.conf.Positional],
    /,
    what: Literal["pipeline", "checkpoint", "lora", "report"] = "pipeline",
    strength: float = 1.0,
    rank: int = 8,
    private: bool = False,
    token_stdin: bool = False,
) -> int:
    """Put the erased model on the Hugging Face hub with its card, or the report as a page (a static Space).

    The token is that of HF_TOKEN or `hf auth login`, or is asked for or read as told; balign stores it nowhere.

    Args:
        name: the repository, owner/name; it is made if there is none.
        what: pipeline, the whole diffusers folder; checkpoint, one file for A1111, Forge and ComfyUI; lora; report.
        strength: how much of the erasure to apply: 0 none, 1 all.
        rank: of the LoRA.
        private: whether a repository that is made is private.
        token_stdin: read the token, and no other, from a line of standard input, as the studio gives it.
    """
    from balign.models import upload
    from balign.runs.engine import push as pushing
    from balign.runs.tryout.exports import note_push

    opened, terminal = opened_run(folder), Terminal()
    if token_stdin:
        token = sys.stdin.readline()
    else:
        token = upload.token() or (getpass("Token of the hub, with write access: ") if sys.stdin.isatty() else "")
    if not token.strip():
        raise Refusal("No token of the hub was found; set HF_TOKEN, or log in with `hf auth login`.")
    with _shown(opened, "push", token_stdin):
        page = pushing.push(
            opened, name, what, token.strip(), strength=strength, rank=rank, private=private, say=terminal.sentence
        )
        note_push(opened, what, page)
    terminal.sentence(f"Pushed to {page}")
    return 0


def bundle(folder: Folder, /, out: Path | None = None) -> int:
    """Write a run as one zip: config, seeds, versions, prompts, metrics, pictures, weights, and their sha256.

    Args:
        out: where to write; left out, a zip named after the run, here.
    """
    from balign.runs.outcome import bundle as bundling

    opened = opened_run(folder)
    return wrote(bundling.write(opened, expanded(out or f"balign-{opened.id}.zip")))


def _shown(opened: Run, verb: str, asked: bool) -> AbstractContextManager[object]:
    """Within it the page shows that this is done, and why it failed; for what it asked for."""
    if not asked:
        return nullcontext()
    from balign.runs.tryout import redraw

    return redraw.drawing(opened, verb)
