"""A whole run, and what is left of it when it is stopped, starved or spoiled on the way."""

import errno
import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from balign.data import latents
from balign.models.stable_diffusion import StableDiffusion
from balign.runs.engine import checkpoint, execute, images
from balign.runs.folder import Run
from balign.telemetry import Conflict, Phase, Preview, Report, Step

ORDER = ["load", "check", "data", "unlearn", "evaluate", "save", "done"]


def last(events):
    return events[-1]


def test_a_run_goes_through_its_phases_and_leaves_everything_behind(finished):
    run, events = finished
    assert list(dict.fromkeys(e.name for e in events if isinstance(e, Phase))) == ORDER
    assert [e.step for e in events if isinstance(e, Step)] == [1, 2, 3, 4, 5, 6]
    assert [e.step for e in events if isinstance(e, Preview)] == [0, 4]
    assert [e.step for e in events if isinstance(e, Conflict) and e.cosines] == [3, 6]
    assert run.telemetry()[0] == events
    assert run.last_phase().name == "done"
    assert not (run.path / "pid").exists()
    for name in ("manifest.json", "checkpoint.safetensors", "erased.safetensors", "report.html"):
        assert (run.path / name).is_file()
    assert not list(run.path.rglob("*.tmp"))
    previews = [e for e in events if isinstance(e, Preview)]
    assert all(
        (run.path / p.image).is_file() and set(p.alignment) == set(p.margin) == {"erased", "kept", "neighbours"}
        for p in previews
    )


def test_the_report_holds_what_was_promised(finished):
    run, events = finished
    values, report = json.loads((run.path / "report.json").read_bytes()), run.report()
    assert values == report.to_dict() == next(e for e in events if isinstance(e, Report)).summary
    assert {"model", "method", "seed", "steps", "seconds", "scorer", "groups", "ua", "ira", "cra"} <= values.keys()
    assert report.steps == 6
    assert report.seconds > 0
    assert report.memory_gb > 0
    counted = {"steps": 6, "forget_violations": 0, "retain_violations": 0}
    assert {name: values["ledger"][name] for name in counted} == counted
    steps = [record for record in run.telemetry()[0] if record.kind == "step"]
    assert values["ledger"]["measured"] == sum(step.measured_retain_change is not None for step in steps)
    files = []
    for group in report.groups.values():
        assert group.change.mean is not None
        for pair in group.images:
            assert (run.path / pair.before).is_file()
            assert (run.path / pair.after).is_file()
            files.append(pair.before)
    assert files == [f"images/before/{images.name(k)}" for k in range(len(files))]


def test_only_the_weights_that_train_are_saved_and_they_moved(finished):
    weights = load_file(finished.run.path / "erased.safetensors")
    assert weights
    assert all(".attn2." in name for name in weights)
    base = checkpoint.read(finished.run)
    assert base is not None
    assert base.step == 6


def test_a_finished_run_only_says_so_again(finished):
    before = (finished.run.path / "telemetry.jsonl").read_bytes()
    events = list(execute.run(Run.open(finished.run.path, finished.run.path.parent)))
    assert [type(e) for e in events] == [Report, Phase]
    assert events[-1].name == "done"
    assert (finished.run.path / "telemetry.jsonl").read_bytes() == before


def test_the_same_seed_gives_the_same_weights_and_another_does_not(finished, configure, tmp_path):
    same = Run.create(configure(preview_every=0, n_eval=1, checkpoint_every=5), tmp_path)
    assert last(list(execute.run(same))).name == "done"
    other = Run.create(configure(preview_every=0, n_eval=1, seed=1), tmp_path)
    assert last(list(execute.run(other))).name == "done"
    ours, theirs, strange = (load_file(r.path / "erased.safetensors") for r in (finished.run, same, other))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert not all(torch.equal(ours[name], strange[name]) for name in ours)


def test_a_closed_generator_leaves_a_run_that_goes_on(configure, tmp_path):
    run = Run.create(configure(preview_every=0, n_eval=1), tmp_path)
    events = execute.run(run)
    for event in events:
        if isinstance(event, Phase) and event.name == "data":
            events.close()
            break
    assert (run.running(), run.last_phase().name) == (False, "data")
    assert last(list(execute.run(run))).name == "done"


def test_two_processes_do_not_work_on_one_run(configure, tmp_path, claim):
    run = Run.create(configure(), tmp_path)
    claim(run)
    with pytest.raises(ValueError, match="already running"):
        next(iter(execute.run(run)))


# ----------------------------------------------------------------------------------------------------------------------
# Things that go wrong: one sentence each, nothing lost


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "nobody/nothing"}, "nobody/nothing"),
        ({"scorer": "ViT-X/none"}, "There is no scorer 'ViT-X/none'"),
        ({"keep": ["a cat on a mat"]}, "names 'cat', which is to be erased"),
    ],
)
def test_what_cannot_work_fails_with_one_sentence(changes, words, configure, tmp_path):
    run = Run.create(configure(**changes), tmp_path)
    event = last(list(execute.run(run)))
    assert event.name == "failed"
    assert words in event.message
    assert "\n" not in event.message
    assert "Traceback" not in (run.path / "telemetry.jsonl").read_text()
    assert "Traceback" in (run.path / "log.txt").read_text()
    assert run.last_phase().name == "failed"


def test_an_unreadable_weight_file_is_named(tiny_model, configure, tmp_path):
    import shutil

    broken = tmp_path / "broken"
    shutil.copytree(tiny_model(), broken)
    weights = next((broken / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:100])
    event = last(list(execute.run(Run.create(configure(model=str(broken)), tmp_path))))
    assert event.name == "failed"
    assert "The weights file unet/" in event.message
    assert "\n" not in event.message


def test_an_unreadable_checkpoint_is_named_and_kept(configure, tmp_path):
    run = Run.create(configure(), tmp_path)
    (run.path / "checkpoint.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{")
    event = last(list(execute.run(run)))
    assert event.name == "failed"
    assert "checkpoint.safetensors is unreadable" in event.message
    assert (run.path / "checkpoint.safetensors").exists()


def test_a_checkpoint_of_another_model_is_refused(finished, configure, tiny_model, tmp_path):
    run = Run.create(configure(model=tiny_model("v_prediction"), preview_every=0), tmp_path)
    (run.path / "checkpoint.safetensors").write_bytes((finished.run.path / "checkpoint.safetensors").read_bytes())
    event = last(list(execute.run(run)))
    assert event.name == "failed"
    assert "not those this run began with" in event.message


def test_a_truncated_record_is_no_obstacle(finished, configure, tmp_path):
    run = Run.create(configure(), tmp_path)
    for event in execute.run(run):
        if isinstance(event, Step) and event.step == 5:
            run.request_stop()
    log = run.path / "telemetry.jsonl"
    log.write_bytes(log.read_bytes()[:-150])
    assert last(list(execute.run(run))).name == "done"
    assert digest_of(run) == digest_of(finished.run)
    assert all(json.loads(line) for line in log.read_text().splitlines())


@pytest.mark.parametrize("phase", ["data", "unlearn", "evaluate"])
def test_a_full_disk_is_one_sentence_and_spoils_nothing(phase, finished, configure, tmp_path, monkeypatch):
    run = Run.create(configure(), tmp_path)
    full = False
    replace, fsync = os.replace, os.fsync

    def no_room(real):
        def call(*args, **more):
            if full:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*args, **more)

        return call

    monkeypatch.setattr(os, "replace", no_room(replace))
    monkeypatch.setattr(os, "fsync", no_room(fsync))
    for event in execute.run(run):
        full = full or (isinstance(event, Phase) and event.name == phase)
    assert event.name == "failed"
    assert "disk is full" in event.message
    full = False
    assert not list(run.path.rglob("*.tmp"))
    if phase == "unlearn":
        assert last(list(execute.run(run))).name == "done"
        assert digest_of(run) == digest_of(finished.run)


def digest_of(run: Run) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in load_file(run.path / "erased.safetensors").items()}


# ----------------------------------------------------------------------------------------------------------------------
# Afterwards


def test_a_run_is_scored_again_from_its_folder(finished, tmp_path):
    import shutil

    copy = tmp_path / finished.run.id
    shutil.copytree(finished.run.path, copy)
    shutil.rmtree(copy / "images")
    run = Run(copy)
    assert last(list(execute.evaluate(run))).name == "done"
    again, first = run.report(), finished.run.report()
    assert again.groups == first.groups
    assert again.steps == first.steps
    for side in ("before", "after"):
        shots = range(sum(group.n for group in first.groups.values()))
        ours, theirs = (images.load(path / "images" / side, shots) for path in (finished.run.path, copy))
        assert torch.equal(ours, theirs)


def test_a_run_without_weights_is_not_scored(configure, tmp_path):
    event = last(list(execute.evaluate(Run.create(configure(), tmp_path))))
    assert event.name == "failed"
    assert "no erased weights yet" in event.message


def test_a_disturbed_edit_path_is_noticed(configure, tmp_path, monkeypatch):
    draws = iter(range(1, 100))
    render = images.render

    def restless(*args):
        return render(*args) + next(draws)

    monkeypatch.setattr(images, "render", restless)
    event = last(list(execute.run(Run.create(configure(), tmp_path))))
    assert event.name == "failed"
    assert "Unchanged weights gave other images" in event.message


def test_the_folder_is_where_the_environment_says(configure, monkeypatch, tmp_path: Path):
    monkeypatch.setenv("BALIGN_RUNS", str(tmp_path / "here"))
    events = execute.run(configure(model="nobody/nothing"))
    assert last(list(events)).name == "failed"
    assert len(list((tmp_path / "here").iterdir())) == 1


def pictures_before(run: Run) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run.path / "images" / "before").iterdir()}


def test_the_base_is_drawn_once_for_all_runs(configure, tmp_path, monkeypatch):
    """Another method draws none of what is cached; what another machine's arithmetic gave is drawn anew."""
    first, second, third = (Run.create(configure(method=m, steps=1), tmp_path) for m in ("balign", "rgd", "esd"))
    assert last(list(execute.run(first))).name == "done"
    drawn, generate = [], StableDiffusion.generate

    def counted(self, prompts, *args, **options):
        drawn.append(len(prompts))
        return generate(self, prompts, *args, **options)

    monkeypatch.setattr(StableDiffusion, "generate", counted)
    assert last(list(execute.run(second))).name == "done"
    tests = len(pictures_before(first))
    assert sum(drawn) == min(8, tests) + tests  # the check, and after
    assert pictures_before(second) == pictures_before(first)
    batch_of = latents.batch_of
    monkeypatch.setattr(latents, "batch_of", lambda *args, **options: batch_of(*args, **options) + 1.0)
    assert last(list(execute.run(third))).name == "done"
    assert pictures_before(third) == pictures_before(first)
