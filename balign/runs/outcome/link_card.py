"""The picture of a link to a run: some of what was erased, before above and after below."""

import io

from PIL import Image, ImageFilter

from balign.runs.file_cache import until_changed
from balign.runs.folder import Run

WIDTH, HEIGHT = 1200, 630
"""Pixels, as previews of links expect them."""
COLUMNS, TILE, GAP = 4, 290, 8
PAPER = "#faf9f7"
VEIL = ImageFilter.GaussianBlur(24)
"""Before what may disturb: nobody asked for the picture of a link."""


@until_changed("report.json", most=32)
def link_card(run: Run) -> bytes:
    """The picture as png; plain paper where no pictures are left. Raises Refusal for a report that is unreadable."""
    card = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    report = run.report()
    pairs = report.groups["erased"].images[:COLUMNS] if report and "erased" in report.groups else ()
    left, top = (WIDTH - len(pairs) * (TILE + GAP) + GAP) // 2, (HEIGHT - 2 * TILE - GAP) // 2
    for k, pair in enumerate(pairs):
        for row, name in enumerate((pair.before, pair.after)):
            path = run.file(name)
            if path is not None:
                place = (left + k * (TILE + GAP), top + row * (TILE + GAP))
                with Image.open(path) as picture:
                    tile = picture.convert("RGB").resize((TILE, TILE), Image.Resampling.BICUBIC)
                    card.paste(tile.filter(VEIL) if report and report.sensitive else tile, place)
    buffer = io.BytesIO()
    card.save(buffer, "PNG")
    return buffer.getvalue()
