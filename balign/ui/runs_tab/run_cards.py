"""The cards of the Runs tab: a picture, the title, the settings, the numbers and the files of each run."""

import time
from collections.abc import Sequence

from markupsafe import Markup

from balign.host import limits
from balign.host.listing import Entry
from balign.host.status import STATES
from balign.markup.render import render
from balign.method.objectives import METHODS, settle
from balign.ui.files import BUNDLE, WEIGHTS, keyed, url
from balign.ui.page import answering

NO_CONFIG = "The config of this run cannot be read; delete the run, or restore its config.json."


def run_list(shown: Sequence[Entry], total: int) -> Markup:
    """The list; without runs, what will be there. A run that cannot be shown says so in its own card."""
    cards = [(entry.run, entry.state, _name(entry), _safely(entry)) for entry in shown]
    return render("ui/runs_tab/run_list.html", cards=cards, total=total, public=limits.public())


def _safely(entry: Entry) -> Markup:
    card: Markup = answering(lambda: {"card": run_card(entry)}, f"Run {entry.run.id} cannot be shown", "card")()["card"]
    return card


def run_card(entry: Entry) -> Markup:
    """What is known of one run."""
    run, facts = entry.run, entry.facts
    erased = facts.report.groups.get("erased") if facts.report else None
    pair = erased.images[0] if erased and erased.images else None
    return render(
        "ui/runs_tab/run_card.html",
        run=run,
        title=entry.title,
        state=entry.state,
        state_title=STATES[entry.state],
        settings=_settings(entry),
        made=_made(entry),
        report=facts.report,
        unreadable=facts.unreadable if facts.config else NO_CONFIG,
        message=facts.last.message if facts.last and entry.state in ("failed", "stopped") else "",
        original=facts.original,
        before=url(run, pair.before) if pair else "",
        after=url(run, pair.after) if pair else "",
        files=_files(entry),
    )


def _made(entry: Entry) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.facts.made))


def _method(entry: Entry) -> str:
    return METHODS[entry.method].title if entry.method in METHODS else ""


def _name(entry: Entry) -> str:
    return f"{entry.title}, {_method(entry)}, {_made(entry)}"


def _settings(entry: Entry) -> str:
    config = entry.facts.config
    if config is None:
        return entry.run.id
    named = [f"erased {entry.erased}"] if entry.facts.label else []
    named += [f"kept {', '.join(config.keep)[:120]}"] if config.keep else []
    return " · ".join([*named, _method(entry), config.model, f"{settle(config).steps} steps", f"seed {config.seed}"])


def _files(entry: Entry) -> list[tuple[str, str, bool]]:
    """For each file on offer its address, its title, and whether it is saved rather than shown."""
    run = entry.run
    offers = [(BUNDLE, "Everything as zip")] if entry.facts.ready else []
    offers += [("report.html", "Report")] if entry.facts.report else []
    offers += [(WEIGHTS, "Weights")] if (run.path / WEIGHTS).is_file() else []
    return [(keyed(run, name), title, name == BUNDLE) for name, title in offers]
