"""One self-contained html page from a run's folder: numbers, curves, grids, settings. No script, no link, no torch.

It shows what report.json, telemetry.jsonl and config.json say and computes no score itself. Every text is escaped:
prompts come from strangers.
"""

import base64
import io
import json
import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from balign import telemetry
from balign.atomic import write
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.outcome.curves import Series, chart, strip

THUMBNAIL = 256
PAIRS_A_GROUP = 24
TITLES = {"erased": "Erased", "kept": "Kept", "neighbours": "Neighbours nobody listed"}
NONE = "\N{EN DASH}"
"""What stands where there is no number."""
ROUNDING = 1e-7
"""A first-order change of a loss up to this share of the loss is rounding, not a broken promise."""


def violated(change: float | None, loss: float | None) -> bool:
    """Whether a step's first-order change raises a loss by more than rounding."""
    return change is not None and change > ROUNDING * max(abs(loss or 0.0), 1e-6)


def ledger(steps: Sequence[telemetry.Step]) -> dict[str, int]:
    """How many steps there were and how many of them broke each promise."""
    return {
        "steps": len(steps),
        "forget_violations": sum(violated(s.forget_change, s.forget_loss) for s in steps),
        "retain_violations": sum(violated(s.retain_change, s.retain_loss) for s in steps),
    }


def write_page(run: Run) -> Path:
    """Write report.html into the folder and return its path."""
    path = run.path / "report.html"
    write(path, page(run))
    return path


def page(run: Run) -> str:
    """The whole page as text."""
    report = run.report()
    if report is None:
        raise Refusal(f"Run {run.id} has no report.json yet; run `balign evaluate {run.path}` to make one.")
    events = run.telemetry()[0]
    erased = ", ".join(concept.name for concept in run.config.erase)
    groups = report.get("groups", {})
    body = [
        f"<h1>Erased: {escape(erased)}</h1>",
        f'<p class="soft">{escape(_facts(report))}</p>',
        _figures(report),
        _warnings(report.get("warnings", [])),
        "<h2>Scores</h2>",
        _table(groups),
        f'<p class="soft">Alignment is the cosine of an image with its own prompt, 0 to 1, by the scorer '
        f"{escape(str(report.get('scorer')))}. Intervals are 95 %, by bootstrap over prompts; p by sign flips.</p>",
        "<h2>Training</h2>",
        _charts(events),
        *(_pairs(run.path, name, group) for name, group in groups.items()),
        "<h2>Settings</h2>",
        f"<pre>{escape(run.config.to_json())}</pre>",
        f"<pre>{escape(json.dumps({k: v for k, v in report.items() if k != 'groups'}, indent=2))}</pre>",
    ]
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    content = "".join(body)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>balign: erased {escape(erased)}</title><style>{style}</style></head>"
        f"<body><main>{content}</main></body></html>"
    )


def _facts(report: dict[str, Any]) -> str:
    seconds = report.get("seconds") or 0
    took = f"{seconds / 60:.1f} min" if seconds >= 120 else f"{seconds:.0f} s"
    model, method, steps, seed = (report.get(name) for name in ("model", "method", "steps", "seed"))
    return f"{model} · {method} · {steps} steps · seed {seed} · {took}"


def _figures(report: dict[str, Any]) -> str:
    books = report.get("ledger", {})
    broken = f"{books.get('forget_violations', NONE)} / {books.get('retain_violations', NONE)}"
    rows = (
        ("UA: erased images no longer recognised", _percent(report.get("ua"))),
        ("IRA: kept, same kind", _percent(report.get("ira"))),
        ("CRA: kept, other kinds", _percent(report.get("cra"))),
        ("Steps that raised the forget / retain loss", broken),
    )
    return (
        '<div class="figures">'
        + "".join(f"<div><b>{v}</b><span class=soft>{k}</span></div>" for k, v in rows)
        + "</div>"
    )


def _warnings(warnings: Sequence[str]) -> str:
    if not warnings:
        return ""
    return '<ul class="warnings">' + "".join(f"<li>{escape(str(w))}</li>" for w in warnings) + "</ul>"


def _table(groups: dict[str, Any]) -> str:
    heads = ("Group", "Images", "Accuracy before", "after", "Alignment before", "after", "Change", "95 % interval", "p")
    rows = ""
    for name, group in groups.items():
        change = group.get("alignment_change") or {}
        cells = (
            escape(TITLES.get(name, name)),
            escape(str(group.get("n", NONE))),
            _percent(group.get("accuracy_before")),
            _percent(group.get("accuracy_after")),
            _number(group.get("alignment_before")),
            _number(group.get("alignment_after")),
            _number(change.get("mean"), sign=True),
            f"{_number(change.get('low'), sign=True)} to {_number(change.get('high'), sign=True)}",
            _number(change.get("p")),
        )
        rows += f'<tr><th scope="row">{cells[0]}</th>' + "".join(f"<td>{cell}</td>" for cell in cells[1:]) + "</tr>"
    head = "".join(f'<th scope="col">{h}</th>' for h in heads)
    region = '<div class="scroll" tabindex="0" role="region" aria-label="Scores of each group">'
    return f"{region}<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"


def _charts(events: Sequence[telemetry.Record]) -> str:
    steps = [e for e in events if isinstance(e, telemetry.Step)]
    previews = [e for e in events if isinstance(e, telemetry.Preview)]
    at, seen = [s.step for s in steps], [p.step for p in previews]
    drawn = (
        chart(
            "Losses on each step's batch",
            [
                Series("forget", "forget", at, [s.forget_loss for s in steps]),
                Series("retain", "retain", at, [s.retain_loss for s in steps]),
            ],
        ),
        chart("Cosine of the two gradients", [Series("cosine", "third", at, [s.cosine for s in steps])], -1, 1),
        chart(
            "Alignment in the previews",
            [
                Series(name, colour, seen, [p.alignment.get(name) for p in previews])
                for name, colour in (("erased", "forget"), ("kept", "retain"), ("neighbours", "third"))
            ],
        ),
        strip(
            "What each step promised, to first order, for its own batch",
            at,
            [_mark(s) for s in steps],
            (("good", "raises neither loss"), ("half", "raises the retain loss"), ("bad", "raises the forget loss")),
        ),
    )
    return f'<div class="charts">{"".join(drawn)}</div>' if steps else '<p class="soft">No steps were recorded.</p>'


def _mark(step: telemetry.Step) -> str:
    if violated(step.forget_change, step.forget_loss):
        return "bad"
    return "half" if violated(step.retain_change, step.retain_loss) else "good"


def _pairs(folder: Path, name: str, group: dict[str, Any]) -> str:
    images = group.get("images") or []
    figures = ""
    for image in images[:PAIRS_A_GROUP]:
        sides = "".join(
            f"<span>{_embedded(folder, image.get(side))}{side} {_number(image.get(f'alignment_{side}'))}</span>"
            for side in ("before", "after")
        )
        caption = f"{escape(str(image.get('prompt')))} · seed {escape(str(image.get('seed')))}"
        figures += f'<figure class="pair"><div>{sides}</div><figcaption>{caption}</figcaption></figure>'
    shown = f' <span class="soft">{min(len(images), PAIRS_A_GROUP)} of {len(images)} pairs</span>' if images else ""
    return f'<h2>{escape(TITLES.get(name, name))}{shown}</h2><div class="pairs">{figures}</div>'


def _embedded(folder: Path, name: str | None) -> str:
    """The picture as a data URI, no larger than a thumbnail; nothing outside the folder is read."""
    path = (folder / str(name)).resolve()
    if not name or not path.is_relative_to(folder.resolve()) or not path.is_file():
        return '<span class="soft">no image</span>'
    buffer = io.BytesIO()
    with Image.open(path) as picture:
        picture.thumbnail((THUMBNAIL, THUMBNAIL))
        picture.convert("RGB").save(buffer, "PNG", optimize=True)
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'


def _number(value: Any, sign: bool = False) -> str:
    if not isinstance(value, int | float) or not math.isfinite(value):
        return NONE
    return f"{value:+.3f}" if sign else f"{value:.3f}"


def _percent(value: Any) -> str:
    return f"{100 * value:.0f} %" if isinstance(value, int | float) and math.isfinite(value) else NONE
