"""Attacks on what was erased: which to make, their curves beside the base and a control, and the pictures."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import gradio as gr
from markupsafe import Markup

from balign.host import limits
from balign.markup.charts import Series, lines
from balign.markup.formats import percents
from balign.markup.render import macro, render
from balign.measure.recovery import ATTACKS, SUBJECTS
from balign.models.catalogue import CATALOGUE
from balign.runs.folder import Run
from balign.runs.outcome.marks import veiled
from balign.runs.tryout import attack_store
from balign.runs.tryout.attack_store import CHOICES, GROWING, QUICK, AttackResult, AttackRow
from balign.ui.files import keyed
from balign.ui.page import plain

SHOWN = 3
"""Attacks on the page; the folder keeps all."""
LEAD = (
    "What a name no longer draws may still be in the weights. These attacks look for it, in the erased model, in the "
    "base, which shows whether an attack works at all, and in a control that never knew it, which shows what an attack "
    "makes of nothing. The choice below is a first look of about three minutes with the bundled model."
)
ROLES = {"erased": "erased", "base": "base", "control": "control"}
"""The colour class of each model's line."""
TERM = "pictures that the scorer takes for the concept, in percent, with the 95 % Wilson interval"


def build(parts: dict[str, Any]) -> set[str]:
    """The section; the names of its fields."""
    plain(macro("heading", "Try to bring it back", LEAD), "try-attacks")
    fields: dict[str, Any] = {}
    titles = [(ATTACKS[name].title, name) for name in CHOICES]
    with gr.Column(elem_classes="tryout") as parts["choosing"]:
        _choice(parts, fields, titles)
    parts["attacked"] = plain("", "attacked")
    parts |= fields
    return set(fields)


def _choice(parts: dict[str, Any], fields: dict[str, Any], titles: list[tuple[str, str]]) -> None:
    """Which attacks to make, with what budget, and the button that begins them."""
    fields["attacks"] = gr.CheckboxGroup(titles, value=list(QUICK.attacks), label="Attacks", elem_id="attack-which")
    with gr.Row(elem_classes="finder"):
        tokens = " ".join(map(str, QUICK.tokens))
        fields["concept"] = gr.Dropdown([], label="Concept", visible=False, allow_custom_value=True, min_width=130)
        fields["tokens"] = gr.Textbox(tokens, label="Learned tokens", scale=1, min_width=130, elem_id="attack-tokens")
        fields["steps"] = gr.Textbox(
            str(QUICK.steps), label="Steps to learn them", scale=1, min_width=130, elem_id="attack-steps"
        )
        fields["pictures"] = gr.Textbox(
            str(QUICK.pictures), label="Pictures at a point", scale=1, min_width=130, elem_id="attack-pictures"
        )
        fields["control"] = gr.Dropdown(
            [("none", ""), *((entry.name, entry.id) for entry in CATALOGUE)],
            value="",
            label="Control" if limits.public() else "Control, one listed or a folder",
            allow_custom_value=True,
            scale=2,
            min_width=180,
            elem_id="attack-control",
        )
        parts["attack"] = gr.Button("Attack", variant="primary", scale=0, min_width=90, elem_id="try-attack")


def shown(run: Run | None, working: bool) -> dict[str, Any]:
    """The parts that follow the run's folder."""
    erased = [concept.name for concept in run.config.erase] if run else []
    return {
        "attack": gr.update(interactive=not working),
        "concept": gr.update(choices=erased, value=erased[0] if erased else None, visible=len(erased) > 1),
        "attacked": attack_results(run) if run else "",
    }


def attack_results(run: Run) -> Markup:
    """What the newest attacks brought back, those that are not finished first; before any, what they are for."""
    results = [*attack_store.results(run, GROWING), *attack_store.results(run)][:SHOWN]
    views = [(result, _done(result), _whose(result), [*map(_view, result.rows())]) for result in results]
    order = {subject: place for place, subject in enumerate(SUBJECTS)}
    values = {
        "veiled": veiled(run),
        "subjects": SUBJECTS,
        "roles": ROLES,
        "order": order,
        "term": TERM,
        "percents": _percents,
    }
    return render("ui/try_tab/attack_panel.html", views=views, address=partial(keyed, run), **values)


def _percents(interval: tuple[float, float]) -> str:
    return percents(*interval)


def _done(result: AttackResult) -> int:
    """How many of the points that were asked for are there; 0 if they all are."""
    done = sum(len(curve.points) for curve in result.curves)
    return done if done < result.points else 0


def _whose(result: AttackResult) -> list[str]:
    """The models that were attacked so far."""
    return [subject for subject in SUBJECTS if any(curve.subject == subject for curve in result.curves)]


def _view(row: AttackRow) -> tuple[AttackRow, Markup, Sequence[Any]]:
    """An attack, its chart if it has more than one budget, and for each budget the points of all models."""
    points = list(zip(row.budgets, row.points(list(SUBJECTS)), strict=True))
    return row, (chart(row) if len(row.budgets) > 1 else Markup()), points


def chart(row: AttackRow) -> Markup:
    """What each model draws at each budget, in percent of the pictures."""
    series = []
    for curve in row.curves:
        points = sorted(curve.points, key=lambda point: point.budget)
        shares = [(float(point.budget), 100 * point.share.rate) for point in points]
        ends = [(100 * low, 100 * high) for low, high in (point.share.interval for point in points)]
        series.append(Series(SUBJECTS[curve.subject], ROLES[curve.subject], shares, TERM, intervals=ends))
    return lines(f"{row.title}, in percent", series, max(row.budgets), limits=(0, 100), form=".0f", unit=row.about.unit)
