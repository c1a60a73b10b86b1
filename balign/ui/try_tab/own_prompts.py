"""Your own prompts, drawn before and after erasing."""

from contextlib import suppress
from functools import partial

from markupsafe import Markup

from balign.host.status import readable_report
from balign.markup.render import render
from balign.models import prompt_length
from balign.models.catalogue import find
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.outcome.marks import veiled
from balign.runs.tryout import store
from balign.ui.files import keyed

SHOWN = 8
"""Prompts on the page; the folder keeps more."""


def own_prompts(run: Run) -> Markup:
    """The newest prompts with their pictures and scores; without any, what to do."""
    report, _ = readable_report(run)
    values = {
        "prompts": store.tries(run, SHOWN),
        "steps": report.steps if report else 0,
        "unread": partial(_unread, run),
    }
    return render("ui/try_tab/own_prompts.html", **values, veiled=veiled(run), address=partial(keyed, run))


def _unread(run: Run, prompt: str) -> list[str]:
    """What the run's model does not read of a prompt; nothing is said where that model is gone."""
    with suppress(Refusal):
        return prompt_length.warnings(find(run.config.model), [prompt])
    return []
