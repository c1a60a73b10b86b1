"""A checkpoint in one file is erased from, from end to end, with no hub."""

from pathlib import Path

from balign.models.stable_diffusion import StableDiffusion
from balign.runs.config import RunConfig
from balign.runs.engine import execute, exporting
from balign.runs.prompt_lists import model_remarks
from balign.telemetry import Phase, Step
from tests.checkpoints import converted, small_pipeline, write
from tests.runs.small import SMALL


def test_a_checkpoint_is_erased_from_at_the_size_asked_for(tmp_path: Path, tiny_scorer_path: str) -> None:
    original = converted(small_pipeline("sd1", each=2), "sd1")  # as diffusers' own script writes it
    file = write(tmp_path / "mine-lcm.safetensors", original, modelspec__resolution="64x64")
    few = {"steps": 2, "n_forget": 2, "n_retain": 2, "n_eval": 1, "measure_every": 0, "preview_every": 0}
    config = RunConfig.parse(
        SMALL | few | {"model": str(file), "scorer": tiny_scorer_path, "size": 32, "guidance": 7.5}
    )
    assert [text.split(":")[0] for text in model_remarks(config)] == [
        "This model was distilled to few steps",
        "Drawn is at 32 px; the model was trained at 64 x 64 and draws worse at other sizes.",
    ]
    events = list(execute.run(config))
    assert next(event for event in events[::-1] if isinstance(event, Phase)).name == "done"
    assert sum(isinstance(event, Step) for event in events) == 2
    run = execute.Run.open(next(Path(tmp_path / "runs").iterdir()), tmp_path / "runs")
    report = run.report()
    assert report is not None
    assert report.settings["size"] == "32 x 32"
    assert set(model_remarks(config)) <= set(report.warnings)
    out = exporting.export(run, tmp_path / "erased")
    assert StableDiffusion.load(out).size == (64, 64)
