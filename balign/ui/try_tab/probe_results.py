"""Which probes still show the erased concept, as html: a table by kind of probe, then every probe with its pictures.

It counts what the scorer said and claims nothing beyond. Every text is escaped.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from balign.data.probes import WAYS
from balign.runs.folder import Run
from balign.runs.tryout import store
from balign.ui.erase_tab import results
from balign.ui.files import keyed

EMPTY = (
    '<p class="soft nothing">A concept has more names than the one it was erased by. Press Draw the probes: both '
    "models are asked for it by synonyms, misspelt, paraphrased, in other languages and beside other things, and the "
    "scorer says which pictures still show it.</p>"
)
CAUTION = (
    "These are probes, not proof. A probe that shows nothing only says that these words, from this noise, did not "
    "bring the concept back; other words, an attack made for the purpose, or further training may."
)
Row = Mapping[str, Any]
STATES = {
    "still": "still shows it",
    "new": "shows it only now",
    "gone": "no longer shows it",
    "never": "never showed it",
    "unknown": "not judged",
}


def state(row: Row) -> str:
    """What became of the concept in a probe's picture: a key of STATES."""
    before, after = row.get("shows_before"), row.get("shows_after")
    if not isinstance(before, bool) or not isinstance(after, bool):
        return "unknown"
    return ("still" if after else "gone") if before else ("new" if after else "never")


def probes(run: Run) -> str:
    """What the probes showed; before they are drawn, what they are for."""
    found = store.probes(run)
    if not found:
        return EMPTY
    rows: list[Row] = list(found["probes"])
    left = int(found.get("left_out") or 0)
    more = f" {left:,} more were left out, to keep it short." if left else ""
    return (
        f'<section class="probing"><p>{escape(_sentence(rows))} <span class="soft">Judged by the scorer '
        f"<b>{escape(str(found.get('scorer')))}</b>, which picks the concept out of all words of its kind.{more}</span>"
        f'</p><p class="notice remark">{CAUTION}</p>{table(rows)}{_gallery(run, rows)}</section>'
    )


def _sentence(rows: Sequence[Row]) -> str:
    """The outcome, by what the base model showed: what it never drew cannot be called erased."""
    states = [state(row) for row in rows]
    still, shown = states.count("still"), states.count("still") + states.count("gone")
    if not shown:
        return "The base model showed the concept for none of the probes, so they say nothing of its erasure."
    only = states.count("new")
    more = f", and for {only} more that the base model did not" if only else ""
    return f"Of {shown} probes that the base model showed the concept for, the erased one still does for {still}{more}."


def table(rows: Sequence[Row]) -> str:
    """A row for each kind of probe; synonyms that training saw are told from those it did not."""
    groups: dict[str, list[Row]] = {}
    for way, title in WAYS.items():
        for row in (row for row in rows if row.get("way") == way):
            note = f", {'' if row.get('seen') else 'not '}said in training" if way == "synonym" else ""
            groups.setdefault(title + note, []).append(row)
    body = "".join(_row(title, own) for title, own in groups.items())
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Asked", "Probes", "Base shows it", "Erased shows it"))
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Probes by kind"><table><thead><tr>'
        f'{heads}<th scope="col">Still shown for</th></tr></thead><tbody>{body}</tbody></table></div>'
    )


def _row(title: str, rows: Sequence[Row]) -> str:
    still = ", ".join(_called(row) for row in rows if state(row) in ("still", "new"))
    before, after = (sum(row.get(f"shows_{side}") is True for row in rows) for side in ("before", "after"))
    return (
        f'<tr><th scope="row">{title}</th><td>{len(rows)}</td><td>{before}</td><td>{after}</td>'
        f'<td class="words">{still or results.NONE}</td></tr>'
    )


def _called(row: Row) -> str:
    note = str(row.get("note") or "")
    return escape(f"{row.get('said', '')}{f' ({note})' if note else ''}")


def _gallery(run: Run, rows: Sequence[Row]) -> str:
    """Every probe with its pictures, those that still show the concept first."""
    order = list(STATES)
    cards = "".join(
        f'<li class="{state(row)}"><p><b>{_called(row)}</b> <span class="chip">{STATES[state(row)]}</span></p>'
        f"{results.pair(run, 'probe', row, keyed)}</li>"
        for row in sorted(rows, key=lambda row: order.index(state(row)))
    )
    return (
        f'<h3>Every probe, before and after</h3><p class="soft">Under each picture its alignment with the concept\'s '
        f'own caption, not with the probe.</p><ul class="pairs">{cards}</ul>'
    )
