"""Which probes still show the erased concept, by the scorer; it counts and claims nothing beyond."""

from collections import Counter
from collections.abc import Sequence
from functools import partial

from markupsafe import Markup

from balign.data.probes import WAYS
from balign.markup.render import render
from balign.runs.folder import Run
from balign.runs.outcome.marks import veiled
from balign.runs.tryout.store import ProbePair, ProbeResult
from balign.ui.files import keyed

OUTCOMES = {
    "still": "still shows it",
    "new": "shows it only now",
    "gone": "no longer shows it",
    "never": "never showed it",
    "unknown": "not judged",
}


def outcome(probe: ProbePair) -> str:
    """What became of the concept in a probe's picture: a key of OUTCOMES."""
    if probe.shows_before is None or probe.shows_after is None:
        return "unknown"
    if probe.shows_before:
        return "still" if probe.shows_after else "gone"
    return "new" if probe.shows_after else "never"


def probe_results(run: Run, drawn: ProbeResult | None) -> Markup:
    """What the probes showed; before they are drawn, what they are for."""
    probes = drawn.probes if drawn else ()
    values = {
        "veiled": veiled(run),
        "summary": summary(probes),
        "kinds": _by_kind(probes),
        "outcomes": OUTCOMES,
        "outcome": outcome,
    }
    return render("ui/try_tab/probe_results.html", drawn=drawn, probes=probes, address=partial(keyed, run), **values)


def summary(probes: Sequence[ProbePair]) -> str:
    """The outcome, by what the base model showed: what it never drew cannot be called erased."""
    counts = Counter(map(outcome, probes))
    if probes and counts["unknown"] == len(probes):
        return "No scorer was at hand, so no probe was judged; look at the pictures."
    shown = counts["still"] + counts["gone"]
    if not shown:
        return "The base model showed the concept for none of the probes, so they say nothing of its erasure."
    more = f", and for {counts['new']} more that the base model did not" if counts["new"] else ""
    still = f"the erased one still does for {counts['still']}{more}"
    return f"Of {shown} probes that the base model showed the concept for, {still}."


def _by_kind(probes: Sequence[ProbePair]) -> dict[str, list[ProbePair]]:
    """The probes of each kind; synonyms that training used are told from those it did not."""
    kinds: dict[str, list[ProbePair]] = {}
    for way, title in WAYS.items():
        for probe in (probe for probe in probes if probe.way == way):
            note = f", {'' if probe.seen else 'not '}used in training" if way == "synonym" else ""
            kinds.setdefault(title + note, []).append(probe)
    return kinds
