"""report.html: one self-contained page of a finished run, without script or link, drawn from its folder."""

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup
from PIL import Image

from balign.markup import charts
from balign.markup.render import PACKAGE, render
from balign.measure import conflict_map, nudity, training_charts
from balign.measure.headline import headline
from balign.measure.report import VEILED
from balign.measure.tiles import tiles
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.outcome.marks import marked
from balign.runs.tryout import attack_store
from balign.telemetry import Conflict, Preview, Step

THUMBNAIL, FRAME, FRAMES = 256, 900, 6
"""Pixels of a test picture and of a preview strip, and how many of these there are."""
PAIRS_A_GROUP = 24
STYLES = (*sorted((PACKAGE / "markup").glob("*.css")), Path(__file__).with_name("report.css"))


def page(run: Run) -> Markup:
    """The whole page. Raises Refusal for a run without a readable report."""
    report = run.report()
    if report is None:
        raise Refusal(f"Run {run.id} has no report.json yet; `balign evaluate` with its folder makes one.")
    records = run.telemetry()[0]
    steps = [record for record in records if isinstance(record, Step)]
    previews = [record for record in records if isinstance(record, Preview)]
    conflicts = [record for record in records if isinstance(record, Conflict)]
    last, cells = max((step.step for step in steps), default=1), training_charts.cells(steps)
    return render(
        "runs/outcome/report.html",
        style=Markup("".join(path.read_text(encoding="utf-8") for path in STYLES)),
        erased=", ".join(concept.name for concept in run.config.erase),
        report=report,
        headline=headline(report, attack_store.attacked(run)),
        tiles=tiles(report),
        frames=_thinned(previews),
        groups=marked(run.config, report),
        charts=training_charts.charts(steps, previews, last),
        cells=cells,
        strip=charts.ledger(cells, last),
        summary=charts.ledger_words(cells),
        projected=sum(step.projected for step in steps),
        conflicts=conflict_map.heat_maps(conflicts) if conflicts else "",
        shown=PAIRS_A_GROUP,
        curves=nudity.curves(report.nudity) if report.nudity else [],
        threshold=nudity.PAPER,
        veiled=VEILED,
        picture=lambda name, width=THUMBNAIL: _embedded(run.file(name), width),
        wide=FRAME,
        config=run.config.to_json(),
        facts=json.dumps({name: value for name, value in report.to_dict().items() if name != "groups"}, indent=2),
    )


def _thinned(previews: Sequence[Preview]) -> list[Preview]:
    """A few of the previews, evenly, with the first and the last."""
    last = len(previews) - 1
    return [previews[k] for k in sorted({round(k * last / (FRAMES - 1)) for k in range(FRAMES)})] if previews else []


def _embedded(path: Path | None, width: int) -> str:
    """The picture as a data URI, no larger than so many pixels; empty if there is none."""
    if path is None:
        return ""
    buffer = io.BytesIO()
    try:
        with Image.open(path) as picture:
            picture.thumbnail((width, width))
            picture.convert("RGB").save(buffer, "PNG", optimize=True)
    except OSError:  # it is no picture
        return ""
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
