"""What is drawn with a finished run's weights: the base and the erased model exactly, and the run left as it was."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from balign import cli
from balign.data.probes import WAYS
from balign.measure.evaluation import Shot
from balign.models.weight_file import read_changed
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.engine import images
from balign.runs.folder import Run
from balign.runs.tryout import redraw, store
from balign.runs.tryout.store import STRENGTHS, DrawingFailed, PromptRequest
from tests.conftest import Claim
from tests.runs.conftest import Finished


@pytest.fixture
def run(finished: Finished, tmp_path: Path) -> Run:
    """A finished run of its own for each test, with a change large enough to see."""
    path = tmp_path / "runs" / finished.run.id
    shutil.copytree(finished.run.path, path)
    return Run(path)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def picture(path: Path) -> torch.Tensor:
    with Image.open(path) as opened:
        return torch.from_numpy(np.array(opened))


def exaggerate(run: Run) -> None:
    """Make the change so large that no picture stays as it was."""
    weights = load_file(run.path / "erased.safetensors")
    save_file({name: tensor + 0.5 for name, tensor in weights.items()}, run.path / "erased.safetensors")


def test_the_same_seed_gives_the_same_image_whatever_the_count(run: Run) -> None:
    exaggerate(run)
    before = files(run.path)
    one, three = (redraw.draw_try(run, PromptRequest(prompt="a cat", seed=7, images=count)) for count in (1, 3))
    shifted = redraw.draw_try(run, PromptRequest(prompt="a cat", seed=8, images=1))
    for side in redraw.SIDES:
        assert (one / f"{side}-0.png").read_bytes() == (three / f"{side}-0.png").read_bytes()
        assert (shifted / f"{side}-0.png").read_bytes() == (three / f"{side}-1.png").read_bytes()
    assert len({(three / f"{side}-{k}.png").read_bytes() for side in redraw.SIDES for k in range(3)}) == 6
    assert {name: content for name, content in files(run.path).items() if not name.startswith("tries/")} == before
    newest = store.tries(run)[0]
    assert (newest.prompt, newest.seed) in {("a cat", 7), ("a cat", 8)}
    assert {(pair.before, pair.after) for drawn in store.tries(run) for pair in drawn.images} >= {
        (f"tries/{three.name}/before-2.png", f"tries/{three.name}/after-2.png")
    }


def test_a_score_is_the_cosine_of_the_picture_with_its_prompt(run: Run) -> None:
    target = redraw.draw_try(run, PromptRequest(prompt="a cat", seed=1, images=2))
    scorer = redraw.load(run).scorer
    assert scorer.name == run.report().scorer  # type: ignore[union-attr]
    for k, row in enumerate(json.loads((target / "try.json").read_text())["images"]):
        for side in redraw.SIDES:
            again = scorer.alignment(picture(target / f"{side}-{k}.png")[None], ["a cat"]).item()
            assert row[f"alignment_{side}"] == pytest.approx(again, abs=1e-5)


def test_strength_0_is_the_base_and_1_the_erased_model_bit_for_bit(run: Run) -> None:
    target = redraw.draw_strengths(run)
    result = store.strength(run)
    assert result is not None
    job = redraw.load(run)
    places = images.previewed(job.shots, ("erased", "kept"))
    assert [frame.strength for frame in result.frames] == list(STRENGTHS)
    assert [shown.prompt for shown in result.prompts] == [job.shots[k].prompt for k in places]
    for side, amount in (("before", 0.0), ("after", 1.0)):
        frame = STRENGTHS.index(amount)
        for k, place in enumerate(places):
            drawn = picture(target / f"{frame}-{k}.png")
            assert torch.equal(drawn, picture(run.path / "images" / side / images.name(place)))
    assert {shown.group for shown in result.prompts} == {"erased", "kept"}


def test_an_export_holds_that_much_of_the_change(run: Run) -> None:
    from diffusers import UNet2DConditionModel

    out = run.path / store.export_name(0.25)
    assert cli.main(["export", str(run.path), f"--out={out}", "--strength=0.25"]) == 0
    assert store.exports(run) == ["exports/strength-0.25"]
    written = UNet2DConditionModel.from_pretrained(out / "unet").state_dict()
    base = redraw.load(run).model.denoiser.state_dict()
    for name, tensor in load_file(run.path / "erased.safetensors").items():
        assert torch.equal(written[name], torch.lerp(base[name], tensor, 0.25))
    assert not torch.equal(written[name], base[name])
    alone = run.path / store.export_name(0.25, whole=False)
    assert cli.main(["export", str(run.path), f"--out={alone}", "--strength=0.25"]) == 0
    assert store.exports(run, whole=False) == ["exports/strength-0.25.safetensors"]
    changed, facts = read_changed(alone)
    assert changed.keys() == load_file(run.path / "erased.safetensors").keys()
    assert all(torch.equal(tensor, written[name]) for name, tensor in changed.items())
    assert (facts["format"], facts["strength"]) == ("balign", "0.25")
    assert cli.main(["export", str(run.path), f"--out={alone}"]) == 2


def test_strengths_differ_when_the_change_does(run: Run) -> None:
    exaggerate(run)
    target = redraw.draw_strengths(run)
    assert len({(target / f"{frame}-0.png").read_bytes() for frame in range(len(STRENGTHS))}) == len(STRENGTHS)


def test_probes_are_drawn_with_both_models_and_judged(run: Run) -> None:
    exaggerate(run)
    assert cli.main(["probe", str(run.path)]) == 0
    result = store.probes(run)
    assert result is not None
    rows = result.probes
    assert {row.way for row in rows} == set(WAYS)
    assert {row.said: row.seen for row in rows if row.way == "synonym"} == {"kitty": False, "kitten": True}
    for row in rows:
        assert (run.path / row.before).read_bytes() != (run.path / row.after).read_bytes()
        assert {type(row.shows_before), type(row.shows_after)} == {bool}
    job = redraw.load(run)
    first = [Shot("probe", row.prompt, {}, row.seed) for row in rows[: images.BATCH]]
    drawn = images.render(job.model, first, job.sampling)
    for k, picture_of in enumerate(drawn):
        assert torch.equal(picture_of, picture(run.path / rows[k].before))


def test_a_disturbed_strength_0_is_noticed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    turns, render = iter(range(100)), images.render
    monkeypatch.setattr(images, "render", lambda *given: render(*given) + next(turns))
    with pytest.raises(DrawingFailed, match="Strength 0 gave other images than the base model"):
        redraw.draw_strengths(run)
    assert not (run.path / "strength").exists()
    progress = store.progress(run)
    assert progress is not None
    assert "Strength 0 gave other images" in progress.failed
    assert "Traceback" in (run.path / "log.txt").read_text()
    assert not list(run.path.rglob("*.tmp"))


def test_a_stop_ends_it_and_leaves_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    render = images.render

    def asked_meanwhile(*given):  # type: ignore[no-untyped-def]
        run.request_stop(keep=False)
        return render(*given)

    monkeypatch.setattr(images, "render", asked_meanwhile)
    with pytest.raises(Refusal, match="Stopped before the end; nothing was written"):
        redraw.draw_try(run, PromptRequest(prompt="a cat", images=2))
    assert run.stop_requested() is None
    assert not run.running()
    assert store.tries(run) == []
    assert run.last_phase().name == "done"


def test_a_run_at_work_and_one_without_weights_are_refused(
    run: Run, configure: Callable[..., RunConfig], claim: Claim
) -> None:
    leave = claim(run)
    with pytest.raises(Refusal, match="already running"):
        redraw.draw_try(run, PromptRequest(prompt="a cat"))
    assert run.running()
    leave()
    with pytest.raises(Refusal, match="no erased weights or no report yet"):
        redraw.draw_try(Run.create(configure()), PromptRequest(prompt="a cat"))


def test_the_command_draws_what_it_was_told(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["try", str(run.path), "--prompt=--help", "--seed=3", "--images=1"]) == 0
    (drawn,) = store.tries(run)
    assert (drawn.prompt, drawn.seed, len(drawn.images)) == ("--help", 3, 1)
    assert cli.main(["try", str(run.path), "--prompt", "x" * 10_000]) == 2
    told = capsys.readouterr()
    assert f"Wrote {run.path}" in told.out
    assert told.err == "A prompt of 10,000 characters was given; at most 300 are accepted.\n"
