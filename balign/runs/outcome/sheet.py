"""A few pictures of a run as one, before or after: what was erased in the first row, what was kept in the second."""

import io
from typing import Literal

from PIL import Image

from balign.runs.file_cache import until_changed
from balign.runs.folder import Run

COLUMNS, CELL, GAP = 4, 96, 4
"""Pictures in a row, and pixels."""
ROWS = ("erased", "kept")
Side = Literal["before", "after"]


def sheet(run: Run, side: Side) -> bytes:
    """The sheet as webp. Raises Refusal for a report that is unreadable."""
    return _sheets(run)[side]


@until_changed("report.json", most=8)
def _sheets(run: Run) -> dict[Side, bytes]:
    return {"before": _drawn(run, "before"), "after": _drawn(run, "after")}


def _drawn(run: Run, side: Side) -> bytes:
    step = CELL + GAP
    whole = Image.new("RGBA", (COLUMNS * step - GAP, len(ROWS) * step - GAP))
    report = run.report()
    for row, name in enumerate(ROWS):
        pairs = report.groups[name].images[:COLUMNS] if report and name in report.groups else ()
        for column, pair in enumerate(pairs):
            path = run.file(getattr(pair, side))
            if path is not None:
                with Image.open(path) as picture:
                    cell = picture.convert("RGB").resize((CELL, CELL), Image.Resampling.BICUBIC)
                whole.paste(cell, (column * step, row * step))
    buffer = io.BytesIO()
    whole.save(buffer, "WEBP", quality=60, method=6)
    return buffer.getvalue()
