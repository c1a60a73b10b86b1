"""How far a run is or what came of it, in a few words: the browser's title, a hidden tab's look, a link's preview."""

from balign.host.status import STATES, RunView
from balign.markup.formats import ordinal, percent
from balign.measure.headline import headline
from balign.runs.tryout import attack_store

SIGNS = {"failed": "\N{BALLOT X}", "stopped": "\N{BLACK SQUARE}"}


def names(view: RunView) -> str:
    """What the run erases."""
    return ", ".join(concept.name for concept in view.run.config.erase)


def title(view: RunView) -> str:
    """The title of a page that shows the run."""
    if view.state == "queued":
        return f"{ordinal(view.place)} in the queue \N{MIDDLE DOT} {names(view)} \N{MIDDLE DOT} balign"
    if view.live:
        return f"{percent(view.fraction)} \N{MIDDLE DOT} {names(view)} \N{MIDDLE DOT} balign"
    if view.report is not None:
        said = headline(view.report)
        sign = "\N{CHECK MARK}" if said.gone else "\N{BLACK DIAMOND}"
        return f"{sign} {names(view)}: {said.words} \N{MIDDLE DOT} balign"
    return f"{SIGNS.get(view.state, '')} {names(view)}: {STATES[view.state].lower()} \N{MIDDLE DOT} balign".strip()


def words(view: RunView) -> str:
    """What came of the run in sentences, or what it does."""
    if view.report is None:
        return f"Making a model forget {names(view)}, and watching that it keeps the rest."
    return headline(view.report, attack_store.attacked(view.run)).whole(names(view))
