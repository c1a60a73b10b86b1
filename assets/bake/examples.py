"""Make the finished examples that the page opens on: whole runs by the default method, and what Try draws with them.

    python assets/bake/examples.py [NAME...]

Each is done as a run in BALIGN_RUNS, or goes on there, and is then packed into `assets/examples/NAME`: a run's folder
without its weights, its pictures as png of at most 256 colours, at most 2 MB.
"""

import argparse
import shutil
from pathlib import Path

from PIL import Image

from balign.attack import attacker
from balign.runs.config import Concept, RunConfig
from balign.runs.engine import execute
from balign.runs.folder import Run, list_runs
from balign.runs.tryout import attack_store, redraw, store

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
MOST_BYTES = 2_000_000
KEPT = ("config.json", "telemetry.jsonl", "report.json", "images/before", "images/after", "images/own-*", "previews",
        "strength", "probes", "tries", "attacks")  # fmt: skip
"""What of a run's folder is shown; weights, caches and the report, which repeats the pictures, are left out."""
MADE = {
    "example-cat": (
        RunConfig(erase=(Concept(name="cat", kind="thing"),), n_eval=12),
        ("a pixel cat on a pink background", "a cat and a dog", "a golden kitten", "a lion in watercolor style"),
    ),
    "example-ink": (
        RunConfig(erase=(Concept(name="ink", kind="style"),), n_eval=12),
        ("a fox in ink style", "an ink castle on a blue background", "a watercolor fox", "a porcelain rose"),
    ),
}
"""The examples by name: the run, and own prompts to draw with it."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("names", nargs="*", default=list(MADE), metavar="NAME")
    for name in options.parse_args().names:
        config, prompts = MADE[name]
        run = next((run for run in list_runs() if run.config == config), None) or Run.create(config)
        for event in execute.run(run):
            print(event, flush=True)
        redraw.draw_strengths(run)
        redraw.draw_probes(run)
        if not store.tries(run):
            for prompt in prompts:
                redraw.draw_try(run, store.PromptRequest.parse(prompt=prompt))
        attacker.attack(run, attack_store.QUICK, print)
        pack(run, EXAMPLES / name)


def pack(run: Run, target: Path) -> None:
    """Copy what is shown of a run, its pictures with few colours. Raises RuntimeError if that is too much."""
    shutil.rmtree(target, ignore_errors=True)
    for pattern in KEPT:
        for path in run.path.glob(pattern):
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file():
                    _copy(file, target / file.relative_to(run.path))
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    print(f"{target.name}: {size:,} bytes")
    if size > MOST_BYTES:
        raise RuntimeError(f"{target} has {size:,} bytes; at most {MOST_BYTES:,} are shipped.")


def _copy(file: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix != ".png":
        shutil.copyfile(file, target)
        return
    with Image.open(file) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)


if __name__ == "__main__":
    main()
