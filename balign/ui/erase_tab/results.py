"""What came of a run: a headline, what may be said of each group, the numbers, and the pictures before and after."""

from markupsafe import Markup

from balign.host.status import RunView
from balign.markup.formats import percent
from balign.markup.render import render
from balign.measure import nudity
from balign.measure.headline import headline
from balign.measure.report import RATES, VEILED
from balign.runs.tryout import attack_store
from balign.ui.files import keyed, url

SHOWN = 48
"""Pairs of a group on the page; the report holds all."""
FILES = {"report.html": "Report", "report.json": "Numbers"}
OWNED = {"erased.safetensors": "Changed weights"}


def outcome(view: RunView | None) -> Markup:
    """The verdict, the pictures and the numbers, once there are any, and the files to download."""
    if view is None:
        return Markup()
    report = view.report
    files = FILES | (OWNED if view.own else {}) if report or not view.live else {}
    rates = [(value, *words) for name, words in RATES.items() if (value := getattr(report, name, None)) is not None]
    return render(
        "ui/erase_tab/outcome.html",
        run=view.run,
        headline=headline(report, attack_store.attacked(view.run)) if report else None,
        report=report,
        unreadable=view.unreadable,
        rates=[(percent(value), *words) for value, *words in rates],
        shown=SHOWN,
        curves=nudity.curves(report.nudity) if report and report.nudity else [],
        threshold=nudity.PAPER,
        veiled=VEILED,
        url=url,
        downloads=[(text, keyed(view.run, name)) for name, text in files.items() if view.run.file(name)],
    )
