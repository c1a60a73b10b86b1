"""What came of a run: the verdict with its files, the pictures before and after, and the numbers."""

import shlex
from collections.abc import Iterator
from typing import NamedTuple

from markupsafe import Markup

from balign.host.limits import alone, public
from balign.host.status import RunView
from balign.markup.formats import size
from balign.markup.render import render
from balign.measure import nudity
from balign.measure.headline import headline
from balign.measure.report import VEILED
from balign.measure.tiles import tiles
from balign.runs.outcome.marks import marked
from balign.runs.tryout import attack_store, store
from balign.ui.files import BUNDLE, PICTURES_CSV, STEPS_CSV, WEIGHTS, keyed, url

SHOWN = 48
"""Pairs of a group on the page; the report holds all."""


class Offer(NamedTuple):
    """A file to download: its title, what opens it, a line of code for it, and whether it is the owner's alone."""

    title: str
    opens: str
    code: str = ""
    owned: bool = False


OFFERS = {
    "report.html": Offer("Report", "everything on one page, for any browser or to send around"),
    PICTURES_CSV: Offer("Pictures as csv", "the scores of every picture, for a spreadsheet"),
    STEPS_CSV: Offer("Steps as csv", "losses, cosine and ledger of every step, for a spreadsheet"),
    "report.json": Offer("Numbers", "all of them, for programs"),
    WEIGHTS: Offer("Changed weights", "safetensors, for diffusers or balign itself",
                   "pipe.unet.load_state_dict(load_file('erased-changed-weights.safetensors'), strict=False)", True),
    BUNDLE: Offer("Everything as zip", "pictures, weights, numbers and how to make them again", "", True),
}  # fmt: skip
MADE = (PICTURES_CSV, STEPS_CSV, BUNDLE)
"""Those that are made when they are asked for."""
COMMANDS = {
    "Whole pipeline": ("a diffusers folder", "python -m balign export {}"),
}
"""What the command line makes of the weights."""


class Download(NamedTuple):
    """A line of the menu; without an address it is a command to copy."""

    title: str
    opens: str
    code: str = ""
    address: str = ""
    size: str = ""
    save: bool = False


def verdict(view: RunView | None) -> Markup:
    """The outcome in sentences, and the files; empty while there is neither."""
    if view is None:
        return Markup()
    report = view.report
    return render(
        "ui/erase_tab/verdict.html",
        run=view.run,
        names=", ".join(concept.name for concept in view.run.config.erase),
        headline=headline(report, attack_store.attacked(view.run)) if report else None,
        unreadable=view.unreadable,
        warnings=report.warnings if report and not report.scorer else (),
        downloads=list(_downloads(view)) if report or not view.live else [],
        shared=", for whoever has it" if public() else " on this machine" if alone() else "",
    )


def outcome(view: RunView | None) -> Markup:
    """The pictures and the numbers, once there are any."""
    if view is None or view.report is None:
        return Markup()
    report = view.report
    return render(
        "ui/erase_tab/outcome.html",
        run=view.run,
        report=report,
        groups=marked(view.run.config, report),
        tiles=tiles(report),
        curves=nudity.curves(report.nudity) if report.nudity else [],
        threshold=nudity.PAPER,
        veiled=VEILED,
        shown=SHOWN,
        url=url,
    )


def _downloads(view: RunView) -> Iterator[Download]:
    run = view.run
    for name, (title, opens, code, owned) in OFFERS.items():
        file, made = run.file(name), name in MADE
        there = store.ready(run) if name == BUNDLE else view.report is not None if made else file
        if there and (view.own or not owned):
            weight = size(file.stat().st_size) if file else ""
            yield Download(title, opens, code, keyed(run, name), weight, made)
    if view.own and run.file(WEIGHTS) and not public():
        for title, (opens, command) in COMMANDS.items():
            yield Download(title, opens, command.format(shlex.quote(str(run.path))))
