"""report.html: one self-contained page of a finished run, without script or link, drawn from its folder."""

import base64
import io
import json
from pathlib import Path

from markupsafe import Markup
from PIL import Image

from balign.markup import charts, formats
from balign.markup.render import PACKAGE, render
from balign.measure import nudity, training_charts
from balign.measure.headline import headline
from balign.measure.report import RATES, VEILED, RunReport
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.tryout import attack_store
from balign.telemetry import Preview, Step

THUMBNAIL = 256
PAIRS_A_GROUP = 24
STYLES = (PACKAGE / "markup" / "shared.css", Path(__file__).with_name("report.css"))


def page(run: Run) -> Markup:
    """The whole page. Raises Refusal for a run without a readable report."""
    report = run.report()
    if report is None:
        raise Refusal(f"Run {run.id} has no report.json yet; `balign evaluate` with its folder makes one.")
    records = run.telemetry()[0]
    steps = [record for record in records if isinstance(record, Step)]
    previews = [record for record in records if isinstance(record, Preview)]
    last, cells = max((step.step for step in steps), default=1), training_charts.cells(steps)
    return render(
        "runs/outcome/report.html",
        style=Markup("".join(path.read_text(encoding="utf-8") for path in STYLES)),
        erased=", ".join(concept.name for concept in run.config.erase),
        report=report,
        headline=headline(report, attack_store.attacked(run)),
        figures=_figures(report),
        charts=training_charts.charts(steps, previews, last),
        cells=cells,
        strip=charts.ledger(cells, last),
        summary=charts.ledger_words(cells),
        projected=sum(step.projected for step in steps),
        shown=PAIRS_A_GROUP,
        curves=nudity.curves(report.nudity) if report.nudity else [],
        threshold=nudity.PAPER,
        veiled=VEILED,
        picture=lambda name: _embedded(run.file(name)),
        config=run.config.to_json(),
        facts=json.dumps({name: value for name, value in report.to_dict().items() if name != "groups"}, indent=2),
    )


def _figures(report: RunReport) -> list[tuple[str, str, str]]:
    """The published accuracies, and how many steps raised a loss: value, what it counts, its term."""
    rows = []
    for name, (title, term) in RATES.items():
        low, high = report.intervals.get(name) or (None, None)
        interval = "" if low is None else f"; 95 % interval {formats.percent(low)} to {formats.percent(high)}"
        rows.append((formats.percent(getattr(report, name)), f"{title} ({name.upper()})", term + interval))
    predicted = "to first order, for the batch of each step"
    rows.append((report.ledger.predicted_words, "Steps predicted to raise a loss", predicted))
    if report.ledger.measured:
        measured = "on the same pictures, noise and timesteps, before and after the step"
        rows.append((report.ledger.measured_words, "Steps measured to raise a loss", measured))
    return rows


def _embedded(path: Path | None) -> str:
    """The picture as a data URI, no larger than a thumbnail; empty if there is none."""
    if path is None:
        return ""
    buffer = io.BytesIO()
    try:
        with Image.open(path) as picture:
            picture.thumbnail((THUMBNAIL, THUMBNAIL))
            picture.convert("RGB").save(buffer, "PNG", optimize=True)
    except OSError:  # it is no picture
        return ""
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
