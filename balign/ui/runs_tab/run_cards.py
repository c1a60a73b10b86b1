"""The cards of the Runs tab as html: a picture, a name, the settings, the numbers, the files. Every text is escaped.

What is known of a run is `history`'s business.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import Any

from balign.host import limits
from balign.host.listing import Entry
from balign.host.status import STATES
from balign.method.objectives import METHODS, settle
from balign.ui.erase_tab import results
from balign.ui.files import BUNDLE, keyed, url


def cards(shown: Sequence[Entry], total: int) -> str:
    """The list as html; without runs, what will stand there."""
    if not total:
        own = "; runs started with <code>python -m balign erase</code> in this folder appear here too"
        return (
            '<p class="soft nothing">No runs yet. Press Erase in the first tab to make one'
            f"{'' if limits.public() else own}.</p>"
        )
    if not shown:
        return f'<p class="soft nothing">None of the {total:,} runs matches; take a word out of the search.</p>'
    items = "".join(_safely(entry) for entry in shown)
    return f'<h2 class="unseen">Runs</h2><ol class="shelf" aria-label="Runs">{items}</ol>'


def _safely(entry: Entry) -> str:
    """The card; without the numbers of a report that was tampered with, which hides no other run."""
    try:
        return _card(entry)
    except (TypeError, AttributeError, ValueError, KeyError):
        return _card(replace(entry, facts=replace(entry.facts, report=None)))


def _card(entry: Entry) -> str:
    run, title = entry.run, escape(entry.title)
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.facts.made))
    named = f"{title}, {escape(_method(entry))}, {when}"
    return (
        f'<li class="card {entry.state}"><label class="tick"><input type="checkbox" class="choose" value="{run.id}" '
        f'aria-label="Choose {named}"></label>{_picture(entry)}<div class="what">'
        f'<h3><a href="?run={run.id}">{title}</a> <span class="chip {entry.state}">{STATES[entry.state]}</span></h3>'
        f'<p class="soft">{escape(_settings(entry))} · <time>{when}</time></p>{_numbers(entry)}{_reproduced(entry)}'
        f"{_links(entry)}</div></li>"
    )


def _report(entry: Entry) -> dict[str, Any]:
    return entry.facts.report.to_dict() if entry.facts.report else {}


def _method(entry: Entry) -> str:
    row = METHODS.get(entry.method)
    return row.title if row else ""


def _settings(entry: Entry) -> str:
    config = entry.facts.config
    if config is None:
        return entry.run.id
    words = [f"erased {entry.erased}"] if entry.facts.label else []
    words += [f"kept {', '.join(config.keep)[:120]}"] if config.keep else []
    return " · ".join([*words, _method(entry), config.model, f"{settle(config).steps} steps", f"seed {config.seed}"])


def _picture(entry: Entry) -> str:
    """The first erased picture before and after, or nothing yet."""
    images = (_report(entry).get("groups", {}).get("erased") or {}).get("images") or [{}]
    sides = [url(entry.run, str(images[0].get(side, ""))) for side in ("before", "after")]
    if not all(sides):
        return '<span class="two none" aria-hidden="true"></span>'
    drawn = "".join(f'<img src="{escape(side)}" alt="" loading="lazy">' for side in sides)
    return f'<a class="two" href="?run={entry.run.id}" tabindex="-1" aria-hidden="true">{drawn}</a>'


def _numbers(entry: Entry) -> str:
    report, last = _report(entry), entry.facts.last
    if not report:
        words = last.message if last and entry.state in ("failed", "stopped") else ""
        return f"<p>{escape(words)}</p>" if words else ""
    parts = [f'<span class="key erased" title="UA">{results.percent(report.get("ua"))} no longer recognised</span>']
    for name in ("kept", "neighbours"):
        change = (report["groups"].get(name) or {}).get("alignment_change") or {}
        if change:
            term = "mean change of alignment"
            parts.append(
                f'<span class="key {name}" title="{term}">{results.GROUPS[name][0]} '
                f"{results.signed(change.get('mean'))}</span>"
            )
    return f'<p class="numbers">{"".join(parts)}</p>'


def _reproduced(entry: Entry) -> str:
    if not entry.facts.original:
        return ""
    told = _report(entry).get("reproduces")
    if not isinstance(told, dict):
        return f'<p class="soft">Reproduces {escape(entry.facts.original)}; not finished yet.</p>'
    kind = "held" if told.get("equal") is True else "broken"
    return f'<p class="reproduced"><span class="key {kind}">{escape(str(told.get("words")))}</span></p>'


def _links(entry: Entry) -> str:
    run = entry.run
    offers = [(BUNDLE, "Everything as zip")] if entry.facts.ready else []
    offers += [("report.html", "Report")] if entry.facts.report else []
    offers += [("erased.safetensors", "Weights")] if os.path.isfile(run.path / "erased.safetensors") else []
    target = 'target="_blank" rel="noopener"'
    links = "".join(
        f'<a href="{keyed(run, name)}" {"download" if name == BUNDLE else target}>{text}</a>' for name, text in offers
    )
    named = escape(entry.title)
    return f'<div class="downloads" role="group" aria-label="Files of {named}">{links}</div>' if links else ""
