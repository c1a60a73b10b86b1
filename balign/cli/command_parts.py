"""What several commands of the command line share."""

import os
from pathlib import Path
from typing import Annotated

import tyro

from balign.plain_file import expanded
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.terminal import Terminal, gentle_interrupt, show

Folder = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="the run's folder")]
Folders = Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER...", help_behavior_hint="")]
STOPPED = 130
"""The exit code of what was stopped with Ctrl-C."""


def wrote(path: Path) -> int:
    """Say what was written; the exit code."""
    Terminal().sentence(f"Wrote {path}")
    return 0


def opened_run(folder: Path) -> Run:
    """The run in this folder, which may be a link to it. Raises Refusal if there is none."""
    path = expanded(folder).absolute()
    path = path.resolve() if path.is_symlink() else path
    return Run.open(path, path.parent)


def follow(opened: Run) -> int:
    """Do the run and show how it goes; the exit code. Raises Refusal under a launcher of several processes."""
    if (processes := os.environ.get("WORLD_SIZE", "1")) not in ("", "0", "1"):
        raise Refusal(f"WORLD_SIZE is {processes}; a run is done by one process, so start it without a launcher.")
    from balign.runs.engine import execute
    from balign.runs.estimate import forecast
    from balign.runs.prompt_lists import model_remarks

    if opened.last_phase() is None:
        expected = forecast.summary(opened.config)  # empty for a config that cannot run: the run itself will say why
        for text in [expected, *model_remarks(opened.config)] if expected else ():
            Terminal().sentence(text)
    with gentle_interrupt(opened):
        return show(opened, execute.run(opened))
