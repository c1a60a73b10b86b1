"""Compare methods: selected runs on one plot and in one table, and a run's config run again with other methods."""

import base64
from collections.abc import Iterator, Sequence

from markupsafe import Markup

from balign.host import listing, scheduler
from balign.host.status import LIVE, STATES, look
from balign.host.visitors import NOBODY, Visitor
from balign.markup.charts import Place, Series, lines, scatter
from balign.markup.render import render
from balign.measure.intervals import FEW, Change
from balign.measure.report import GROUPS, TESTED
from balign.method.method_row import PARTS
from balign.method.objectives import METHODS, settle
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.file_cache import until_changed
from balign.runs.folder import Run
from balign.runs.outcome import comparison_table
from balign.runs.outcome.comparison import ComparedRun, compare, differing, sentence
from balign.runs.outcome.matrix import matrix
from balign.ui import form
from balign.ui.files import url

TERM = "mean change of alignment from before to after, with its 95 % interval"
AXES = (("erased", "erased, further left forgets more", TERM), ("kept", "kept, higher keeps more", TERM))
CURVES = {"erased": "What is erased, step by step", "kept": "What is kept, step by step"}
SHOWN = 4
"""Pictures of each group side by side."""
PREVIEWS = "mean alignment of the preview pictures with their own prompts"


def _steps(steps: int, method: str) -> int | None:
    """As many steps as the run has, for a method that takes any; None is the method's own number."""
    return steps if steps and method in METHODS and METHODS[method].steps else None


def run_methods(run: Run, methods: Sequence[str], visitor: Visitor = NOBODY) -> list[Run]:
    """Queue the run's config once for each other method, with its own steps. Raises Refusal without another method."""
    settings = settle(run.config)
    others = [name for name in dict.fromkeys(methods) if name != settings.method]
    if not others:
        raise Refusal(f"No method but the run's own, {settings.method}, was selected; select at least one other.")
    same = run.config.model_dump() | dict.fromkeys(PARTS)
    configs = [RunConfig.parse(same | {"method": name, "steps": _steps(settings.steps, name)}) for name in others]
    for config in configs:
        form.advice(config)
    return scheduler.begin_all(configs, visitor, run.pictures())


def live(runs: Sequence[Run]) -> bool:
    """Whether more is to come for one of the runs."""
    return any(listing.entry(run).state in LIVE for run in runs)


def panel(runs: Sequence[Run]) -> Markup:
    """In what the runs differ, the plot, the curves and the table; with fewer than two, how to get there."""
    rows = _rows(tuple(runs)) if len(runs) > 1 else []
    states = [listing.entry(row.run).state for row in rows]
    titles = [_title(row) for row in rows]
    return render(
        "ui/runs_tab/comparison.html",
        titles=titles,
        numbers=[str(k) for k, _ in enumerate(rows, 1)],
        differing=differing(runs) if rows else {},
        seeds=comparison_table.by_seed(rows),
        columns=[*comparison_table.COLUMNS],
        plus_minus=comparison_table.plus_minus,
        csv=_data("text/csv", comparison_table.as_csv(rows)),
        latex=_data("application/x-tex", comparison_table.as_latex(rows)),
        pictures=list(_pictures(rows)),
        judged=any(row.against for row in rows),
        rows=[(row, state, STATES[state]) for row, state in zip(rows, states, strict=True)],
        summary=sentence(runs) if rows else "",
        plot=plot(rows),
        curves=_curves(rows),
        groups={name: GROUPS[name] for name in TESTED},
        matrix=_matrix(tuple(runs)) if rows else Markup(),
        sensitive=any(row.report is not None and row.report.sensitive for row in rows),
        term=f"{TERM}; below it the difference to run 1 on the same pictures",
        difference=difference,
        few=FEW,
    )


def _title(row: ComparedRun) -> str:
    """What tells a run apart: its name or what it erased, its method and its seed."""
    method = METHODS[row.method].title if row.method in METHODS else row.method
    return f"{row.name} \N{MIDDLE DOT} {method} \N{MIDDLE DOT} seed {row.run.config.seed}"


def _data(kind: str, text: str) -> str:
    """A small file in a link."""
    return f"data:{kind};base64,{base64.b64encode(text.encode()).decode()}"


def _pictures(rows: Sequence[ComparedRun]) -> Iterator[tuple[str, str, list[str]]]:
    """A few test pictures that all finished runs drew: group, prompt, and the addresses before and after each."""
    done = [row for row in rows if row.report is not None]
    for name in GROUPS if len(done) == len(rows) > 1 else ():
        drawn = [
            {(image.prompt, image.seed): image for image in row.report.groups[name].images}
            for row in done
            if row.report is not None and name in row.report.groups
        ]
        same = [key for key in drawn[0] if all(key in each for each in drawn)] if len(drawn) == len(done) else []
        for key in same[:SHOWN]:
            after = [url(row.run, each[key].after) for row, each in zip(done, drawn, strict=True)]
            yield name, key[0], [url(done[0].run, drawn[0][key].before), *after]


@until_changed("report.json", "label", most=32)
def _rows(runs: tuple[Run, ...]) -> list[ComparedRun]:
    """The rows, kept because the intervals take a while."""
    return compare(runs)


@until_changed("report.json", "label", most=32)
def _matrix(runs: tuple[Run, ...]) -> Markup:
    """What each run did to each concept; empty where the runs have no matrix, since their table says why."""
    try:
        rows = matrix(runs)
    except Refusal:
        return Markup()
    shown = len(rows) > 1 and any(cell.images for row in rows for cell in row.cells)
    return render("ui/runs_tab/matrix.html", rows=rows, few=FEW, url=url) if shown else Markup()


def plot(rows: Sequence[ComparedRun]) -> Markup:
    """Erased against kept: each run a numbered point with its intervals."""
    changes = [row.report.groups if row.report else {} for row in rows]
    places = [
        Place(
            str(k),
            _ends(groups["erased"].change),
            _ends(groups["kept"].change),
            Markup(' title="{}"').format(_title(rows[k - 1])),
        )
        for k, groups in enumerate(changes, 1)
        if all(name in groups and groups[name].change.mean is not None for name in ("erased", "kept"))
    ]
    return scatter("Erased against kept", AXES, places, zero=True)


def _ends(change: Change) -> tuple[float, float, float]:
    """Low, mean and high; the mean three times where there is no interval."""
    mean = change.mean or 0.0
    return (mean, mean, mean) if change.low is None or change.high is None else (change.low, mean, change.high)


def _curves(rows: Sequence[ComparedRun]) -> Markup:
    """How the preview pictures of each run came to match their prompts less, and those to keep did not."""
    views = [look(row.run) for row in rows]
    end = max((view.last_step for view in views), default=1)
    charts = []
    for group, title in CURVES.items():
        series = []
        for k, (row, view) in enumerate(zip(rows, views, strict=True), 1):
            points = [(shot.step, shot.alignment[group]) for shot in view.previews if group in shot.alignment]
            series.append(Series(f"{k} {row.name}, {row.method}", f"{group} dash{k}", points, PREVIEWS))
        charts.append(lines(title, series, end, waiting="Waiting for the first preview"))
    return Markup().join(charts)


def difference(change: Change, group: str) -> str:
    """What a difference to the first run allows to say. Erased pictures should match less, all others no less."""
    if change.too_few or change.low is None or change.high is None:
        return "too few to say"
    if change.low <= 0 <= change.high:
        return "no clear difference"
    return "better" if (change.high < 0 if group == "erased" else change.low > 0) else "worse"
