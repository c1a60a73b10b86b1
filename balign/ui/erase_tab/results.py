"""What came of a run: a sentence, a table, and the pictures before and after, as html. Every text is escaped.

It shows what report.json says and computes no score itself.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from balign.runs.folder import Run
from balign.ui.files import url

GROUPS = {
    "erased": ("Erased", "what was to be forgotten"),
    "kept": ("Kept", "what was to stay"),
    "neighbours": ("Neighbours", "close to what was erased, but on no list"),
}
SHOWN = 48
"""Pairs of a group on the page; the report holds all."""
FEW = 8
"""With fewer pictures than this nothing is said about a change."""
DRAWN, GONE, WEAKER = 0.5, 0.05, 0.75
HARMLESS = 0.02
NONE, MINUS = "\u2013", "\u2212"


def verdict(run: Run, report: Mapping[str, Any]) -> str:
    """The outcome in a headline and a sentence a reader can quote."""
    names = ", ".join(concept.name for concept in run.config.erase)
    groups = report.get("groups") or {}
    head = _erased_words(names, groups.get("erased") or {})
    rest = [_kept_words(name, groups[name]) for name in ("kept", "neighbours") if groups.get(name)]
    scorer = escape(str(report.get("scorer") or "unknown"))
    return (
        f'<section class="verdict"><h2>{head}</h2>{"".join(f"<p>{text}</p>" for text in rest)}'
        f'<p class="soft">Judged by the scorer <b>{scorer}</b> on pictures drawn from the same words and the same '
        f"starting noise. In each pair the left one is from before, the right one from after, with its alignment below."
        f"</p>{_figures(report)}</section>"
    )


def _erased_words(names: str, group: Mapping[str, Any]) -> str:
    before, after = number(group.get("accuracy_before")), number(group.get("accuracy_after"))
    name = f'<span class="erased">{escape(names)}</span>'
    if before is None or after is None:
        return f"{name}: no pictures were scored"
    seen = f"recognised in {percent(before)} of its pictures before, {percent(after)} after"
    if before < DRAWN:
        return f"{name}: the base model hardly drew it, so little can be said; {seen}"
    if after <= GONE:
        return f"{name} is gone: {seen}"
    return f"{name} is {'weaker' if after < WEAKER * before else 'still there'}: {seen}"


def _kept_words(name: str, group: Mapping[str, Any]) -> str:
    title = f'<b class="{name}">{GROUPS[name][0]}</b>'
    before, after = number(group.get("accuracy_before")), number(group.get("accuracy_after"))
    seen = (
        "" if before is None or after is None else f" Recognised in {percent(before)} before, {percent(after)} after."
    )
    return f"{title}: {judge(group)}.{seen}"


def judge(group: Mapping[str, Any]) -> str:
    """What the interval of the alignment change allows to say, and no more."""
    change = group.get("alignment_change") or {}
    low, high = number(change.get("low")), number(change.get("high"))
    if low is None or high is None or (number(group.get("n")) or 0) < FEW:
        return "too few pictures to say"
    if low > 0:
        return f"closer to their words than before, by {low:.3f} or more at 95\u00a0%"
    if low >= -HARMLESS:
        return f"no loss of alignment larger than {max(-low, 0.0005):.3f} at 95\u00a0%"
    if high < 0:
        return f"lost between {-high:.3f} and {-low:.3f} of alignment at 95\u00a0%"
    return f"not clear: a loss of up to {-low:.3f} cannot be ruled out at 95\u00a0%"


def _figures(report: Mapping[str, Any]) -> str:
    """The published accuracies, each with its name one hover away."""
    rows = (
        ("ua", "Erased pictures no longer recognised", "UA, unlearning accuracy"),
        ("ira", "Kept, same kind, still recognised", "IRA, in-domain retain accuracy"),
        ("cra", "Kept, other kinds, still recognised", "CRA, cross-domain retain accuracy"),
    )
    cells = "".join(
        f'<div title="{term}"><dd>{percent(value)}</dd><dt>{text}</dt></div>'
        for key, text, term in rows
        if (value := number(report.get(key))) is not None
    )
    return f'<dl class="figures">{cells}</dl>' if cells else ""


def table(report: Mapping[str, Any]) -> str:
    """Every group's numbers."""
    groups = report.get("groups") or {}
    rows = "".join(_row(name, groups[name]) for name in GROUPS if groups.get(name))
    heads = (
        '<th scope="col">Group</th><th scope="col">Pictures</th>'
        '<th scope="col" title="Zero-shot accuracy of the scorer">Recognised</th>'
        '<th scope="col" title="Mean cosine of a picture with its own prompt, 0 to 1">Alignment</th>'
        '<th scope="col" title="Mean paired difference, with an interval by bootstrap clustered over prompts">'
        'Change, 95 % interval</th><th scope="col" title="Sign-flip test">p</th><th scope="col">In words</th>'
    )
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Numbers of each group"><table><thead><tr>{heads}'
        f"</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(name: str, group: Mapping[str, Any]) -> str:
    change = group.get("alignment_change") or {}
    low, high = signed(change.get("low")), signed(change.get("high"))
    cells = (
        escape(str(group.get("n", NONE))),
        f"{percent(group.get('accuracy_before'))} → {percent(group.get('accuracy_after'))}",
        f"{decimal(group.get('alignment_before'))} → {decimal(group.get('alignment_after'))}",
        f"{signed(change.get('mean'))} <span class=soft>[{low}, {high}]</span>",
        p_value(change.get("p")),
    )
    title, note = GROUPS[name]
    words = judge(group)
    words = words if name != "erased" else {"too few pictures to say": words}.get(words, "")
    return (
        f'<tr><th scope="row"><span class="key {name}" title="{note}">{title}</span></th>'
        + "".join(f"<td>{cell}</td>" for cell in cells)
        + f'<td class="words">{words or NONE}</td></tr>'
    )


def gallery(run: Run, report: Mapping[str, Any]) -> str:
    """The pairs of every group; each is a button that opens the comparison."""
    groups = report.get("groups") or {}
    return "".join(_group(run, name, groups[name]) for name in GROUPS if groups.get(name))


def _group(run: Run, name: str, group: Mapping[str, Any]) -> str:
    images: Sequence[Mapping[str, Any]] = group.get("images") or []
    pairs = "".join(pair(run, name, image) for image in images[:SHOWN])
    more = f'<p class="soft">{SHOWN} of {len(images):,} pairs; the report has more.</p>' if len(images) > SHOWN else ""
    title, note = GROUPS[name]
    return (
        f'<section class="group {name}"><h3><span class="key {name}">{title}</span> '
        f'<span class="soft">{note}</span></h3><div class="pairs">{pairs}</div>{more}</section>'
    )


def pair(run: Run, name: str, image: Mapping[str, Any], address: Callable[[Run, str], str] = url) -> str:
    """Two pictures of one prompt as a button that opens the comparison; `address` says where a picture is found."""
    before, after = (address(run, str(image.get(side, ""))) for side in ("before", "after"))
    was, now = decimal(image.get("alignment_before")), decimal(image.get("alignment_after"))
    prompt, seed = escape(str(image.get("prompt", "")), quote=True), escape(str(image.get("seed", NONE)))
    return (
        f'<button type="button" class="pair" data-group="{name}" data-prompt="{prompt}" data-seed="{seed}" '
        f'data-was="{was}" data-now="{now}" aria-label="Compare before and after: {prompt}">'
        f'<span class="two"><img src="{escape(before)}" alt="" loading="lazy">'
        f'<img src="{escape(after)}" alt="" loading="lazy"></span>'
        f'<span class="scores"><span>{was}</span><span>{now}</span></span><span class="prompt">{prompt}</span></button>'
    )


def number(value: Any) -> float | None:
    """The value if it is a finite number."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None


def percent(value: Any) -> str:
    known = number(value)
    return NONE if known is None else f"{100 * known:.0f}\u00a0%"


def decimal(value: Any) -> str:
    known = number(value)
    return NONE if known is None else f"{known:.3f}".replace("-", MINUS)


def signed(value: Any) -> str:
    known = number(value)
    return NONE if known is None else f"{known:+.3f}".replace("-", MINUS)


def p_value(value: Any) -> str:
    known = number(value)
    return NONE if known is None else "< 0.001" if known < 0.001 else f"{known:.3f}"
