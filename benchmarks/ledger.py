"""The ledger as a picture: by how much each step raises or lowers both losses to first order, for several methods.

    python -m benchmarks.ledger runs/benchmark/FOLDER runs/benchmark/OTHER --out assets/ledger.png

Reads finished run folders and draws, for each, g.dtheta of the forget and of the retain loss at every step; above zero
the step was predicted to raise that loss. Prints how many steps did, and how often a loss rose where it was measured.
"""

import argparse
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from balign.measure.ledger import ledger, raises
from balign.method.objectives import DEFAULT_METHOD, METHODS
from balign.runs.folder import Run
from balign.telemetry import Step

WIDTH, HEIGHT, MARGIN = 860, 150, 14
INK, SOFT, PAPER = "#23201d", "#655e57", "#ffffff"
SIDES = (("forget", "#b84a14"), ("retain", "#1f6f8c"))


def bars(draw: ImageDraw.ImageDraw, steps: list[Step], side: str, colour: str, top: int) -> None:
    """One bar for each step: down lowers the loss, up (red) raises it. Heights are relative to the run's largest."""
    values = [getattr(step, f"{side}_change") or 0.0 for step in steps]
    losses = [getattr(step, f"{side}_loss") for step in steps]
    largest = max(map(abs, values), default=0.0) or 1.0
    middle, half = top + 34, 26
    width = (WIDTH - 2 * MARGIN - 90) / max(len(steps), 1)
    draw.line([(MARGIN + 90, middle), (WIDTH - MARGIN, middle)], fill="#cfc9c2")
    draw.text((MARGIN, middle - 7), side, fill=colour, font=ImageFont.load_default(13))
    for k, (value, loss) in enumerate(zip(values, losses, strict=True)):
        x = MARGIN + 90 + k * width
        end = middle - half * value / largest
        fill = "#d0021b" if raises(value, loss) else colour
        draw.rectangle([x, min(middle, end), x + max(width - 1, 0.6), max(middle, end)], fill=fill)


def measured(steps: list[Step], side: str) -> str:
    """How often one loss rose where it was measured again on the same batch, and its mean change there."""
    changes = [change for step in steps if (change := getattr(step, f"measured_{side}_change")) is not None]
    if not changes:
        return f"{side} loss not measured"
    mean = sum(changes) / len(changes)
    rose = sum(change > 0 for change in changes)
    return f"{side} loss rose at {rose} of {len(changes)} measured steps; its mean change there is {mean:+.2g}"


def panel(run: Run) -> tuple[Image.Image, str]:
    """The picture of one run, and its counts in words."""
    steps = [record for record in run.telemetry()[0] if isinstance(record, Step)]
    counts = ledger(steps)
    method = run.config.method or DEFAULT_METHOD
    words = (
        f"{METHODS[method].title}: of {counts.steps} steps, {counts.forget_violations} raise the forget loss and "
        f"{counts.retain_violations} the retain loss, to first order on their own batch"
    )
    image = Image.new("RGB", (WIDTH, HEIGHT + 12), PAPER)
    draw = ImageDraw.Draw(image)
    draw.text((MARGIN, 6), words, fill=INK, font=ImageFont.load_default(13))
    for (side, colour), top in zip(SIDES, (24, 90), strict=True):
        bars(draw, steps, side, colour, top)
    return image, "; ".join([words, *(measured(steps, side) for side, _ in SIDES)])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("folders", nargs="+", type=Path)
    options.add_argument("--out", type=Path, default=Path("assets/ledger.png"))
    chosen = options.parse_args()
    panels = [panel(Run.open(folder.absolute(), folder.absolute().parent)) for folder in chosen.folders]
    whole = Image.new("RGB", (WIDTH, sum(image.height for image, _ in panels)), PAPER)
    top = 0
    for image, words in panels:
        whole.paste(image, (0, top))
        top += image.height
        print(words)
    whole.save(chosen.out, optimize=True)


if __name__ == "__main__":
    main()
