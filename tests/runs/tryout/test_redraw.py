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
from balign.runs.tryout.exports import export_name, exported
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

    out = run.path / export_name(0.25)
    assert cli.main(["export", str(run.path), f"--out={out}", "--strength=0.25"]) == 0
    assert exported(run) == ["exports/strength-0.25"]
    written = UNet2DConditionModel.from_pretrained(out / "unet").state_dict()
    base = redraw.load(run).model.denoiser.state_dict()
    for name, tensor in load_file(run.path / "erased.safetensors").items():
        assert torch.equal(written[name], torch.lerp(base[name], tensor, 0.25))
    assert not torch.equal(written[name], base[name])
    alone = run.path / export_name(0.25, whole=False)
    assert cli.main(["export", str(run.path), f"--out={alone}", "--form=changed", "--strength=0.25"]) == 0
    assert exported(run, whole=False) == ["exports/strength-0.25.safetensors"]
    changed, facts = read_changed(alone)
    assert changed.keys() == load_file(run.path / "erased.safetensors").keys()
    assert all(torch.equal(tensor, written[name]) for name, tensor in changed.items())
    assert (facts["format"], facts["strength"]) == ("balign", "0.25")
    assert cli.main(["export", str(run.path), f"--out={alone}", "--form=changed"]) == 2


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
    assert store.strength(run) is None
    progress = store.progress(run)
    assert progress is not None
    assert "Strength 0 gave other images" in progress.failed
    assert "Traceback" in (run.path / "log.txt").read_text()
    assert not list(run.path.rglob("*.tmp"))


def stopping(run: Run, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Ask for a stop while the drawing draws its batch of this number."""
    render, turns = images.render, iter(range(1, 1000))

    def asked_meanwhile(*given):  # type: ignore[no-untyped-def]
        if next(turns) == after:
            run.request_stop()
        return render(*given)

    monkeypatch.setattr(images, "render", asked_meanwhile)


def test_a_stop_keeps_whole_pairs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    exaggerate(run)
    whole = redraw.draw_try(run, PromptRequest(prompt="a cat", images=3))
    stopping(run, monkeypatch, 3)  # before the second picture's other side
    with pytest.raises(Refusal, match="every picture that was drawn with both models is kept"):
        redraw.draw_try(run, PromptRequest(prompt="a cat", images=3))
    (drawn,) = [drawn for drawn in store.tries(run) if len(drawn.images) == 1]
    assert drawn.asked == 3
    assert drawn.steps == 6
    for side in redraw.SIDES:
        kept = run.path / getattr(drawn.images[0], side)
        assert kept.read_bytes() == (whole / f"{side}-0.png").read_bytes()
    assert run.stop_requested() is None
    assert not run.running()
    assert run.last_phase().name == "done"


def test_a_stop_before_the_first_pair_leaves_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stopping(run, monkeypatch, 1)
    with pytest.raises(Refusal, match="Stopped"):
        redraw.draw_try(run, PromptRequest(prompt="a cat", images=2))
    assert store.tries(run) == []


@pytest.mark.parametrize(("verb", "at"), [("strength", 3), ("probe", 3)])
def test_a_drawing_that_was_stopped_goes_on_with_the_rest(
    verb: str, at: int, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exaggerate(run)
    other = Run(tmp_path / "other" / run.id)
    shutil.copytree(run.path, other.path)
    draw = redraw.draw_strengths if verb == "strength" else redraw.draw_probes
    read = store.strength if verb == "strength" else store.probes
    draw(other)
    with monkeypatch.context() as patch:
        stopping(run, patch, at)
        with pytest.raises(Refusal, match="Stopped"):
            draw(run)
    part = read(run)
    assert part is not None
    assert part.partial
    assert 0 < len(part.drawn) < part.total
    first = files(run.path / verb if verb == "strength" else run.path / "probes")
    draw(run)
    whole, expected = read(run), read(other)
    assert whole is not None
    assert not whole.partial
    assert whole.drawn[: len(part.drawn)] == part.drawn
    assert whole == expected
    folder = "strength" if verb == "strength" else "probes"
    pictures = {name: content for name, content in files(other.path / folder).items() if name.endswith(".png")}
    assert {name: content for name, content in files(run.path / folder).items() if name.endswith(".png")} == pictures
    assert all(pictures[name] == content for name, content in first.items() if name.endswith(".png"))


def test_what_was_drawn_stays_when_the_process_is_killed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    render, turns = images.render, iter(range(1, 1000))

    def dies(*given):  # type: ignore[no-untyped-def]
        if next(turns) == 4:
            raise KeyboardInterrupt  # as little is tidied up as after a kill
        return render(*given)

    with monkeypatch.context() as patch:
        patch.setattr(images, "render", dies)
        with pytest.raises(KeyboardInterrupt):
            redraw.draw_probes(run)
    part = store.probes(run)
    assert part is not None
    assert part.partial
    redraw.draw_probes(run)
    whole = store.probes(run)
    assert whole is not None
    assert (whole.partial, len(whole.probes)) == (False, whole.total)


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
    assert told.err == "A prompt of 10,000 characters was given; at most 2,000 are accepted.\n"
