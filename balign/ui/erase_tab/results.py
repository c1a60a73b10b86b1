"""What came of a run: a headline, what may be said of each group, the numbers, and the pictures before and after."""

from markupsafe import Markup

from balign.host.status import RunView
from balign.markup.formats import percent
from balign.markup.render import render
from balign.measure.report import RATES, Group, RunReport
from balign.ui.files import keyed, url

SHOWN = 48
"""Pairs of a group on the page; the report holds all."""
DRAWN, GONE, WEAKER = 0.5, 0.05, 0.75
"""Shares of pictures recognised: before, to call the concept drawn at all; after, to call it gone; after to before."""
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
        headline=headline(report) if report else "",
        report=report,
        unreadable=view.unreadable,
        rates=[(percent(value), *words) for value, *words in rates],
        shown=SHOWN,
        url=url,
        downloads=[(text, keyed(view.run, name)) for name, text in files.items() if view.run.file(name)],
    )


def headline(report: RunReport) -> str:
    """What became of the erased concepts, to stand after their names."""
    group = report.groups.get("erased", Group(n=0))
    before, after = group.accuracy_before, group.accuracy_after
    when = f" after {report.taken}" if report.steps < report.planned else ""
    if before is None or after is None:
        return f"{when}: no pictures were scored"
    seen = f"recognised in {percent(before)} of its pictures before, {percent(after)} after"
    if before < DRAWN:
        return f"{when}: the base model hardly drew it, so little can be said; {seen}"
    if after <= GONE:
        return f" is gone{when}: {seen}"
    return f" is {'weaker' if after < WEAKER * before else 'still there'}{when}: {seen}"
