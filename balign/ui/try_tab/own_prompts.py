"""Your own prompts, drawn before and after erasing."""

from contextlib import suppress
from functools import partial

from markupsafe import Markup

from balign.data.unknown_words import unknown
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
MENTIONED = 3
"""Unknown words that are named."""


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
    """What the run's model does not know or read of a prompt; nothing is said where that model is gone."""
    with suppress(Refusal):
        entry = find(run.config.model)
        said = prompt_length.warnings(entry, [prompt])
        if words := unknown(prompt, entry.lexicon):
            never = f"The model never learnt {' and '.join(repr(word) for word in words[:MENTIONED])}"
            said.insert(
                0, f"{never}{' and more' * (len(words) > MENTIONED)}; do not read much into what it draws there."
            )
        return said
    return []


def ideas(run: Run) -> Markup:
    """Prompts to begin with, a press each: of what was erased, of what was kept, of something close."""
    report, _ = readable_report(run)
    groups = report.groups.values() if report else ()
    names = [concept.name for concept in run.config.erase][:1]
    return render(
        "ui/try_tab/ideas.html", ideas=[*names, *(group.images[0].prompt for group in groups if group.images)]
    )
