"""What a visitor sees before the first run: a finished example to play with, and how to go on."""

from markupsafe import Markup

from balign.host import status
from balign.markup.render import render
from balign.measure.headline import headline
from balign.runs.folder import Run, example_runs
from balign.runs.tryout import attack_store


def welcome() -> Markup:
    """The first example, with a wipe from before to after; ways to it, and to the others."""
    shown = [(run, _names(run)) for run in example_runs()]
    report = status.readable_report(shown[0][0])[0] if shown else None
    return render(
        "ui/erase_tab/welcome.html",
        run=shown[0][0] if report else None,
        names=shown[0][1] if report else "",
        headline=headline(report, attack_store.attacked(shown[0][0])) if report else None,
        others=shown[1:],
    )


def _names(run: Run) -> str:
    return ", ".join(concept.name for concept in run.config.erase)
