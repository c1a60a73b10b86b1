"""Your own prompts, drawn before and after erasing."""

from functools import partial

from markupsafe import Markup

from balign.host.status import readable_report
from balign.markup.render import render
from balign.runs.folder import Run
from balign.runs.tryout import store
from balign.ui.files import keyed

SHOWN = 8
"""Prompts on the page; the folder keeps more."""


def own_prompts(run: Run) -> Markup:
    """The newest prompts with their pictures and scores; without any, what to do."""
    report, _ = readable_report(run)
    values = {"prompts": store.tries(run, SHOWN), "steps": report.steps if report else 0}
    return render("ui/try_tab/own_prompts.html", **values, address=partial(keyed, run))
