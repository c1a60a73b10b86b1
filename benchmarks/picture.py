"""A run as one picture: the same prompts drawn with the same noise before and after, some of each group.

    python -m benchmarks.picture runs/ID --out assets/before-after.png

Reads a finished run's folder; the pictures are the run's own, pixel by pixel.
"""

import argparse
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from balign.runs.folder import Run

CELL, GAP, LABEL, ACROSS = 64, 4, 96, 12
INK, SOFT, PAPER = "#23201d", "#655e57", "#ffffff"
COLOURS = {"erased": "#b84a14", "kept": "#1f6f8c", "neighbours": "#5c6b2f"}


def rows(run: Run) -> list[tuple[str, str, list[Path]]]:
    """Group, side and files of every row: before above after."""
    report = run.report()
    if report is None:
        raise SystemExit(f"{run.path} has no report yet; `balign run {run.path}` finishes it.")
    return [
        (name, side, [run.path / getattr(image, side) for image in group.images[:ACROSS]])
        for name, _, group in report.named()
        if group.images
        for side in ("before", "after")
    ]


def picture(run: Run) -> Image.Image:
    """All rows under each other, each with its group and side beside it."""
    lines = rows(run)
    step = CELL + GAP
    groups = len(lines) // 2
    whole = Image.new("RGB", (LABEL + ACROSS * step, len(lines) * step + groups * GAP * 2), PAPER)
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(15)
    for k, (group, side, files) in enumerate(lines):
        top = k * step + (k // 2) * GAP * 2
        if side == "before":
            draw.text((4, top + 22), group, fill=COLOURS[group], font=font)
        draw.text((4, top + 40), side, fill=SOFT if side == "before" else INK, font=font)
        for column, file in enumerate(files):
            with Image.open(file) as image:
                whole.paste(image.resize((CELL, CELL)), (LABEL + column * step, top))
    return whole


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("folder", type=Path)
    options.add_argument("--out", type=Path, default=Path("assets/before-after.png"))
    chosen = options.parse_args()
    path = chosen.folder.absolute()
    picture(Run.open(path, path.parent)).save(chosen.out, optimize=True)


if __name__ == "__main__":
    main()
