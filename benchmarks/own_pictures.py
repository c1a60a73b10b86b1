"""The same pictures of a concept, drawn by the model itself or given as a zip: whether the outcome is the same.

    python -m benchmarks.own_pictures                            # cat, the default method, three seeds

For each seed the base model draws the forget set as a run would; its pictures go into a zip with their prompts as
captions, and a second run learns from the zip. They differ in what the decoder and the encoder lose, and in nothing
else. Printed for each group: the change of alignment of both, and the paired difference with its interval.
"""

import argparse
import io
import tempfile
import zipfile
from pathlib import Path

from PIL import Image

from balign.data import latents
from balign.models.catalogue import find
from balign.runs.config import RunConfig
from balign.runs.engine import execute
from balign.runs.engine.job import load_model
from balign.runs.folder import Run, list_runs
from balign.runs.outcome.comparison import compare
from balign.runs.picture_lists import own_pictures_of
from balign.runs.prompt_lists import prompt_sets, resolve
from balign.terminal import Terminal, comparison
from benchmarks.erase import finished


def zipped(config: RunConfig, path: Path) -> Path:
    """The forget set that the run of this config would draw, as a zip with captions."""
    model, entry, sets = load_model(config), find(config.model), prompt_sets(config, resolve(config))
    drawn = latents.make(model, sets, seed=config.seed, steps=entry.steps, guidance=entry.guidance)
    with zipfile.ZipFile(path, "w") as archive:
        for k, (prompt, image) in enumerate(zip(sets.forget, model.decode(drawn.forget), strict=True)):
            content = io.BytesIO()
            Image.fromarray(image.numpy()).save(content, "PNG")
            archive.writestr(f"{k:04d}.png", content.getvalue())
            archive.writestr(f"{k:04d}.txt", prompt)
    return path


def given(config: RunConfig, out: Path) -> Run:
    """The run that learns from the zip."""
    with tempfile.TemporaryDirectory() as folder:
        own, pictures, remarks = own_pictures_of(config, zipped(config, Path(folder) / "own.zip"), None)
    for remark in remarks:
        print(remark)
    run = next((run for run in list_runs(out) if run.config == own), None) or Run.create(own, out, pictures)
    for _ in execute.run(run):
        pass
    return run


def main() -> None:
    """Do the runs that are missing, and print how each pair compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--concept", default="cat")
    parser.add_argument("--method")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--n-eval", type=int, default=48)
    parser.add_argument("--out", type=Path, default=Path("runs/own-pictures"))
    options = parser.parse_args()
    for seed in options.seeds:
        asked = {"erase": [options.concept], "method": options.method, "seed": seed, "n_eval": options.n_eval}
        config = RunConfig.parse(asked)
        finished(config, options.out)
        drawn = next(run for run in list_runs(options.out) if run.config == config)
        Terminal().print(comparison(compare([drawn, given(config, options.out)])))


if __name__ == "__main__":
    main()
