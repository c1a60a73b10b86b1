"""The cards of the Runs tab: a picture, the title, the settings, the numbers and the files of each run."""

import functools
import time
from collections.abc import Sequence

from markupsafe import Markup

from balign.data import cache_contents
from balign.host import limits
from balign.host.listing import ListedRun
from balign.host.status import LIVE, STATES, look
from balign.markup.render import render
from balign.method.objectives import METHODS, settle
from balign.runs.folder import example_runs, runs_root
from balign.runs.run_folders import linked
from balign.ui.files import BUNDLE, WEIGHTS, keyed, url
from balign.ui.page import Answer, answering

LASTING = 300.0
"""Seconds for which what the caches hold is believed."""
NO_CONFIG = "The config of this run cannot be read; delete the run, or restore its config.json."


def run_list(shown: Sequence[ListedRun], total: int) -> Markup:
    """The list; without runs, what will be there. A run that cannot be shown says so in its own card."""
    cards = []
    for entry in shown:
        method = METHODS[entry.method].title if entry.method in METHODS else ""
        made = "" if entry.run.example else time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.made))
        card = answering(run_card, f"Run {entry.run.id} cannot be shown", "card")(entry, method, made)["card"]
        cards.append((entry, f"{entry.title}, {method}, {made or 'example'}", card))
    own = any(not entry.run.example for entry in shown) or total > len(example_runs())
    values = {"cards": cards, "total": total, "own": own, "public": limits.public(), "remarks": remarks()}
    return render("ui/runs_tab/run_list.html", **values)


def remarks() -> list[str]:
    """What the host is told above the list: runs that are links, what the caches hold. Visitors are told nothing."""
    if limits.public():
        return []
    links, told = linked(runs_root()), []
    if links:
        names = ", ".join(links[:3]) + (f" and {len(links) - 3} more" if len(links) > 3 else "")
        told.append(f"Not listed, since they are symbolic links: {names}. Set BALIGN_RUNS to where the folders are.")
    return [*told, *filter(None, [_caches(int(time.monotonic() // LASTING))])]


@functools.lru_cache(maxsize=1)
def _caches(moment: int) -> str:
    """What the caches hold, looked at again only after a while."""
    sizes = {kind: sum(entry.size for entry in entries) for kind, entries in cache_contents.by_kind().items()}
    held = ", ".join(f"{cache_contents.size_of(size)} of {cache_contents.KINDS[kind]}" for kind, size in sizes.items())
    return f"The caches hold {held}; `python -m balign cache` lists and clears them." if held else ""


def run_card(entry: ListedRun, method: str, made: str) -> Answer:
    """What is known of one run."""
    run, erased = entry.run, entry.report.groups.get("erased") if entry.report else None
    pair = erased.images[0] if erased and erased.images else None
    offers = {
        BUNDLE: "Everything as zip" if entry.ready else "",
        "report.html": "Report" if entry.report and run.file("report.html") else "",
        WEIGHTS: "Weights" if run.file(WEIGHTS) else "",
    }
    view = look(run) if entry.state in LIVE else None
    card = render(
        "ui/runs_tab/run_card.html",
        view=view,
        entry=entry,
        run=run,
        method=method,
        made=made,
        title="Example" if run.example else STATES[entry.state],
        steps=settle(entry.config).steps if entry.config else 0,
        unreadable=entry.unreadable if entry.config else NO_CONFIG,
        pictures=[url(run, picture) for picture in (pair.before, pair.after)] if pair else [],
        files=[(keyed(run, name), text, name == BUNDLE) for name, text in offers.items() if text],
    )
    return {"card": card}
