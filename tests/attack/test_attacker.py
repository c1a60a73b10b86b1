"""Every attack on a small run: written point by point, the same after a kill, and the run left as it was."""

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from balign import cli
from balign.attack import attack_curves, attacker, bench
from balign.data.attack_prompts import AttackPrompts
from balign.measure.evaluation import Shot
from balign.measure.recovery import ATTACKS
from balign.models.base import BaseModel
from balign.models.stable_diffusion import StableDiffusion
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.engine import images
from balign.runs.folder import Run
from balign.runs.tryout import attack_store, redraw, store
from balign.runs.tryout.attack_store import AttackPoint, AttackRequest, AttackResult
from tests.pipelines import tiny_pipeline
from tests.runs.conftest import Finished
from tests.runs.small import _die_at_replace

SMALL = {"pictures": 3, "steps": 5, "tokens": (1, 2)}


@pytest.fixture(scope="session")
def control(tiny_model_path: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The base model with another denoiser."""
    folder = tmp_path_factory.mktemp("control") / "never-knew"
    shutil.copytree(tiny_model_path, folder)
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    save_file({name: 0.9 * tensor for name, tensor in load_file(path).items()}, path)
    return str(folder)


@pytest.fixture(scope="session")
def attacked(finished: Finished, control: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, AttackResult]:
    """All attacks on a copy of the run, by nothing disturbed."""
    run = copied(finished.run, tmp_path_factory.mktemp("attacked"))
    return run, attacker.attack(run, AttackRequest(**SMALL, control=control))


@pytest.fixture
def run(finished: Finished, tmp_path: Path) -> Run:
    return copied(finished.run, tmp_path / "runs")


def copied(run: Run, root: Path) -> Run:
    """A copy of a finished run, with a change large enough to see, and its training images in the cache beside it."""
    shutil.copytree(run.path, root / run.id)
    path = root / run.id / "erased.safetensors"
    save_file({name: tensor + 0.1 for name, tensor in load_file(path).items()}, path)
    return Run(root / run.id)


def numbers(result: AttackResult) -> list[object]:
    """What a result says, without how long it took."""
    curves = [
        (curve.attack, curve.tokens, curve.subject, [p.model_dump(exclude={"seconds"}) for p in curve.points])
        for curve in result.curves
    ]
    return [*curves, result.moved]


def pictures(run: Run) -> dict[str, bytes]:
    return {path.relative_to(run.path).as_posix(): path.read_bytes() for path in run.path.glob("attacks/**/*.png")}


def point_by_name(result: AttackResult, subject: str) -> AttackPoint:
    (curve,) = (curve for curve in result.curves if (curve.attack, curve.subject) == ("name", subject))
    return curve.points[0]


def test_every_attack_is_made_on_the_erased_model_the_base_and_the_control(attacked: tuple[Run, AttackResult]) -> None:
    run, result = attacked
    for subject in ("erased", "base", "control"):
        made = {(c.attack, c.tokens): [p.budget for p in c.points] for c in result.curves if c.subject == subject}
        assert {attack for attack, _ in made} == set(ATTACKS)
        assert made["inversion", 1] == made["inversion", 2] == [1, 2, 5]
        assert made["relearn_kept", 0] == made["relearn_concept", 0] == [1, 2]
        assert made["rounding", 0] == [8, 4]
    assert attack_store.results(run) == [result]
    assert 0 < result.moved_share < 1
    files = pictures(run)
    for curve in result.curves:
        for point in curve.points:
            assert len(point.shown) == 3
            assert point.sheet in files
    assert not [*run.path.glob("attacks/**/state.safetensors"), *run.path.glob("**/*.tmp")]


def test_a_picture_asked_for_by_name_is_the_models_own(attacked: tuple[Run, AttackResult]) -> None:
    """And so every attack before it has left the model as it was."""
    run, result = attacked
    job = redraw.load(run)
    request = AttackRequest(**SMALL)
    desk = bench.open_bench(job, request.model_copy(update={"attacks": ()}), lambda: None, lambda *_: None)
    drawn = desk.draw(job.model, desk.prompts.testing("cat"))
    point = point_by_name(result, "base")
    with Image.open(run.path / point.sheet) as opened:
        assert torch.equal(torch.from_numpy(np.array(opened)), bench.sheet(drawn))
    erased = point_by_name(result, "erased")
    assert (run.path / erased.sheet).read_bytes() != (run.path / point.sheet).read_bytes()
    alone = images.render(job.model, [Shot("", text, {}, seed) for text, seed in _asked(desk)], job.sampling)
    assert torch.equal(alone, drawn)


def _asked(desk: bench.Bench) -> list[tuple[str, int]]:
    from balign.data.latents import image_seeds

    prompts = desk.prompts.testing("cat")
    return list(zip(prompts, image_seeds([""] * len(prompts), desk.seed), strict=True))


def test_asked_again_nothing_is_drawn_and_nothing_changes(
    attacked: tuple[Run, AttackResult], control: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, result = attacked
    before = pictures(run)

    def never(*given: object) -> None:
        raise AssertionError("a finished point was drawn again")

    monkeypatch.setattr(bench.Bench, "draw", never)
    again = attacker.attack(run, AttackRequest(**SMALL, control=control))
    assert numbers(again) == numbers(result)
    assert pictures(run) == before


FEW = SMALL | {"tokens": (2,), "attacks": ("rounding", "inversion", "relearn_kept")}


def attack_and_die(folder: str, cache: str, writing: str, times: int) -> None:
    os.environ["BALIGN_CACHE"] = cache
    _die_at_replace(writing, times)
    attacker.attack(Run(Path(folder)), AttackRequest(**FEW))


@pytest.mark.parametrize(
    ("writing", "times"),
    [("*/erased/inversion-2-5/state.safetensors", 2), ("*/base/relearn_kept-5/*.png", 2)],
)
def test_killed_it_goes_on_to_the_same_numbers_and_pictures(
    writing: str, times: int, run: Run, attacked: tuple[Run, AttackResult], tmp_path: Path
) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["balign.attack.attacker", "diffusers", "open_clip"])
    given = (str(run.path), str(tmp_path / "cache"), writing, times)
    process = context.Process(target=attack_and_die, args=given)
    process.start()
    process.join(600)
    assert process.exitcode == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns for path in run.path.glob("attacks/**/curve.json")}
    result, undisturbed = attacker.attack(run, AttackRequest(**FEW)), numbers(attacked[1])
    assert len(result.curves) == 2 * 4  # two models; the name and three attacks
    assert all(curve in undisturbed for curve in numbers(result))
    whole = pictures(attacked[0])
    assert all(content == whole[name] for name, content in pictures(run).items())
    untouched = [p for p, time in kept.items() if p.stat().st_mtime_ns == time]
    assert len(untouched) >= len(kept) - 1  # only the curve that was at work has grown


def test_stopped_it_keeps_what_is_finished(run: Run) -> None:
    def stop(*given: object) -> None:
        run.request_stop()

    request = AttackRequest(**SMALL, attacks=("rounding",))
    with pytest.raises(Refusal, match="what was finished is kept, and asked for again"):
        attacker.attack(run, request, stop)
    assert run.stop_requested() is None
    assert not run.running()
    assert len(list(run.path.glob("attacks/*/erased/name/curve.json"))) == 1
    assert attack_store.results(run) == []
    progress = store.progress(run)
    assert progress is not None
    assert "what was finished is kept" in progress.failed
    told: list[str] = []
    attacker.attack(run, request, lambda curve, point: told.append(f"{curve.subject} {curve.attack} {point.budget}"))
    assert told == ["erased rounding 8", "erased rounding 4", "base name 0", "base rounding 8", "base rounding 4"]


def test_other_weights_are_attacked_anew_and_the_base_is_not(run: Run) -> None:
    request = AttackRequest(**SMALL, attacks=("synonyms",))
    attacker.attack(run, request)
    path, told = run.path / "erased.safetensors", list[str]()
    save_file({name: tensor + 0.1 for name, tensor in load_file(path).items()}, path)
    attacker.attack(run, request, lambda curve, _: told.append(curve.subject))
    assert told == ["erased", "erased"]


def test_another_run_of_the_same_base_takes_its_curves_from_the_cache(run: Run, control: str, tmp_path: Path) -> None:
    request, told = AttackRequest(**FEW, control=control), list[str]()
    first = attacker.attack(run, request)
    other = copied(run, tmp_path / "others")
    shutil.rmtree(other.path / "attacks")
    config = other.path / "config.json"
    config.write_text(config.read_text().replace('"steps": ', '"steps": 1'))
    again = attacker.attack(other, request, lambda curve, _: told.append(curve.subject))
    assert set(told) == {"erased"}
    assert [c for c in again.curves if c.subject != "erased"] == [c for c in first.curves if c.subject != "erased"]
    before, after = pictures(run), pictures(other)
    assert before.keys() == after.keys()
    assert all(before[name] == after[name] for name in before if "/erased/" not in name)


def test_what_is_damaged_in_the_cache_is_made_again(run: Run, tmp_path: Path) -> None:
    request, told = AttackRequest(**SMALL, attacks=("rounding",)), list[str]()
    attacker.attack(run, request)
    for curve in (tmp_path / "cache" / "attacks").glob("*/curve.json"):
        curve.write_text("{")
    shutil.rmtree(run.path / "attacks")
    attacker.attack(run, request, lambda curve, _: told.append(curve.subject))
    assert told == ["erased"] * 3 + ["base"] * 3


def test_what_an_earlier_request_showed_is_not_hidden_by_a_smaller_one(run: Run) -> None:
    first = attacker.attack(run, AttackRequest(**SMALL, attacks=("rounding", "synonyms")))
    again = attacker.attack(run, AttackRequest(**SMALL, attacks=("synonyms",)))
    assert {(c.attack, c.subject) for c in again.curves} == {(c.attack, c.subject) for c in first.curves}
    assert again.verdict == first.verdict
    assert attack_store.results(run) == [again]


def test_points_are_seen_as_they_are_finished(run: Run) -> None:
    seen: list[int] = []

    def look(*given: object) -> None:
        (growing,) = attack_store.results(run, attack_store.GROWING)
        seen.append(sum(len(curve.points) for curve in growing.curves))
        assert growing.points == 6

    attacker.attack(run, AttackRequest(**SMALL, attacks=("rounding",)), look)
    assert seen == [1, 2, 3, 4, 5, 6]
    assert attack_store.results(run, attack_store.GROWING) == []
    assert "when asked by name" in (run.path / "report.html").read_text()


def test_a_second_judge_stands_beside_the_first(run: Run, tiny_scorer_path: str, tmp_path: Path) -> None:
    other = tmp_path / "second"
    shutil.copytree(tiny_scorer_path, other)
    result = attacker.attack(run, AttackRequest(**SMALL, attacks=("rounding",), judge=str(other)))
    for curve in result.curves:
        assert all(point.shown_second == point.shown for point in curve.points)  # it is the first one's twin
    assert result.judge == str(other)


def test_the_command_tells_every_point_and_prints_the_table(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--attacks", "rounding", "synonyms", "--pictures=2", "--seed=3"]
    assert cli.main(["attack", str(run.path), *flags]) == 0
    out = capsys.readouterr().out
    assert "Erased model, rounded weights, 8 bits: " in out
    assert "Base model, asked by name: " in out
    assert "The trained weights moved by" in out
    (result,) = attack_store.results(run)
    assert result.seed == 3
    assert result.verdict.split(" ")[0] in out
    assert f"Wrote {run.path / result.folder}" in out


def test_what_cannot_be_attacked_is_told_and_the_rest_is_done(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StableDiffusion, "word_vectors", BaseModel.word_vectors)
    monkeypatch.setattr(AttackPrompts, "unseen_synonyms", ())
    result = attacker.attack(run, AttackRequest(**SMALL, attacks=("synonyms", "rounding", "inversion")))
    assert {curve.attack for curve in result.curves} == {"name", "rounding"}
    assert result.skipped == (
        "No synonym of 'cat' was held out from the training.",
        "This model's conditions are not made of words, so no word can be learned by textual inversion.",
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"attacks": ("magic",)}, "There is no attack 'magic'; there are synonyms, rounding"),
        ({"pictures": 0}, "pictures is 0"),
        ({"steps": 1}, "steps is 1"),
        ({"tokens": (9,)}, "tokens.0 is 9"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(Refusal, match=words):
        AttackRequest.parse(**changes)


def test_refusals_come_before_anything_is_loaded(
    run: Run, configure: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*given: object) -> None:
        raise AssertionError("something was loaded")

    monkeypatch.setattr(redraw, "load_job", never)
    for request, words in (
        (AttackRequest(concept="dog"), "'dog' was not erased in this run; it erased cat."),
        (AttackRequest(control="no such folder"), "There is no model 'no such folder'"),
        (AttackRequest(attacks=()), "No attack was named"),
    ):
        with pytest.raises(Refusal, match=words):
            attacker.attack(run, request)
    with pytest.raises(Refusal, match="no erased weights or no report yet"):
        attacker.attack(Run.create(configure()), AttackRequest())
    assert not (run.path / "attacks").exists()


def test_a_control_that_cannot_be_compared_is_refused(run: Run, tiny_model_path: str, tmp_path: Path) -> None:
    other = tiny_pipeline(tmp_path / "other", seed=1)
    for folder, words in ((tiny_model_path, "is the run's own base"), (other, "reads other latents")):
        with pytest.raises(Refusal, match=words):
            attacker.attack(run, AttackRequest(**SMALL, control=folder))
    assert not (run.path / "attacks").exists()


def test_a_curve_of_budgets_is_ordered_and_without_doubles() -> None:
    assert attack_curves.budgets(250, attack_curves.INVERSION_PARTS) == [50, 100, 250]
    assert attack_curves.budgets(250, attack_curves.RELEARNING_PARTS) == [10, 25, 50, 100]
    assert attack_curves.budgets(5, attack_curves.RELEARNING_PARTS) == [1, 2]


def test_a_sheet_holds_every_picture_in_order() -> None:
    drawn = torch.arange(11)[:, None, None, None].expand(11, 2, 3, 3).to(torch.uint8)
    whole = bench.sheet(drawn)
    assert whole.shape == (4, 24, 3)
    assert whole[::2, ::3, 0].tolist() == [[*range(8)], [8, 9, 10, *[255] * 5]]
    assert bench.sheet(drawn[:2]).shape == (2, 6, 3)
