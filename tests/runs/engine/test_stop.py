"""A stop keeps what there is and compares it; resuming goes on to the weights of a run that nothing disturbed."""

import json
import shutil

import pytest
from safetensors.torch import load_file

from balign.host.discard import discard
from balign.measure.pace import Pace
from balign.runs import weights
from balign.runs.engine import execute
from balign.runs.folder import Run
from balign.telemetry import Conflict, Phase, Preview, Report, Step


def work(run: Run, *stops):
    """Go on with the run, with a stop at each of these events: a step, or the nth record of a phase. All its events."""
    events, asked = [], list(stops)
    for event in execute.run(run):
        events.append(event)
        if asked and asked[0](events):
            asked.pop(0)
            run.request_stop()
    assert not asked
    assert run.stop_requested() is None
    assert not run.running()
    return events


def at_step(number):
    return lambda events: isinstance(events[-1], Step) and events[-1].step == number


def in_phase(name, nth=1):
    return lambda events: isinstance(events[-1], Phase) and events[-1].name == name and sum(named(events, name)) == nth


def named(events, name):
    return [isinstance(e, Phase) and e.name == name for e in events]


def digest_of(run: Run) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in load_file(run.path / "erased.safetensors").items()}


def same_as_undisturbed(run: Run, finished) -> None:
    assert run.last_phase().name == "done"
    assert digest_of(run) == digest_of(finished.run)
    assert run.report().groups == finished.run.report().groups
    assert run.report().warnings == finished.run.report().warnings
    assert run.report().steps == 6
    for kind in (Step, Preview, Conflict):
        told, expected = (
            [r for r in source if isinstance(r, kind)] for source in (run.telemetry()[0], finished.events)
        )
        assert [r.step for r in told] == [r.step for r in expected]
    assert sum(isinstance(record, Report) for record in run.telemetry()[0]) == 1


@pytest.mark.parametrize("phase", ["load", "check", "data", "evaluate"])
def test_outside_the_training_a_stop_is_obeyed_within_a_batch(phase, finished, configure, tmp_path):
    run = Run.create(configure(), tmp_path)
    events = work(run, in_phase(phase))
    assert len(events) - named(events, phase).index(True) <= 4
    assert (events[-1].name, run.last_phase().name) == ("stopped", "stopped")
    assert not (run.path / "report.json").exists()
    assert (run.path / "erased.safetensors").exists() == (phase == "evaluate")
    work(run)
    same_as_undisturbed(run, finished)


def test_a_stop_in_the_training_compares_what_there_is(finished, configure, tmp_path):
    run = Run.create(configure(), tmp_path)
    events = work(run, at_step(3))
    assert events[-1].name == "stopped"
    assert "Stopped after step 3 of 6 and compared" in events[-1].message
    report = run.report()
    assert (report.steps, report.planned, report.taken) == (3, 6, "3 of 6 steps")
    assert [text for text in report.warnings if "after step 3 of 6" in text]
    assert report.groups["kept"].n == finished.run.report().groups["kept"].n
    assert "3 of 6 steps" in (run.path / "report.html").read_text()
    assert (
        weights.saved_step(run.path / "checkpoint.safetensors")
        == weights.saved_step(run.path / "erased.safetensors")
        == 3
    )
    drawn = [path.read_bytes() for path in sorted((run.path / "images" / "after").iterdir())]

    events = work(run)
    assert [e.step for e in events if isinstance(e, Step)] == [4, 5, 6]
    same_as_undisturbed(run, finished)
    assert json.loads((run.path / "earlier" / "step-00003" / "report.json").read_text())["steps"] == 3
    assert drawn != [path.read_bytes() for path in sorted((run.path / "images" / "after").iterdir())]


def test_a_stop_is_seen_while_it_compares_and_a_second_ends_that(finished, configure, tmp_path):
    run, flags = Run.create(configure(), tmp_path), set()

    def comparing(events):
        flags.add(run.stop_requested()) if any(named(events, "evaluate")) else None
        return in_phase("evaluate", 2)(events)

    events = work(run, at_step(2), comparing)
    assert flags == {"comparing"}
    assert "Stopped after step 2 of 6, before it was compared" in events[-1].message
    assert not (run.path / "report.json").exists()
    assert weights.saved_step(run.path / "checkpoint.safetensors") == 2
    assert (run.path / "erased.safetensors").exists()
    work(run)
    same_as_undisturbed(run, finished)


def test_stop_now_compares_nothing(configure, tmp_path):
    run = Run.create(configure(), tmp_path)
    for event in execute.run(run):
        if isinstance(event, Step) and event.step == 3:
            run.request_stop(now=True)
    assert "Stopped after step 3 of 6, without a comparison" in event.message
    assert weights.saved_step(run.path / "checkpoint.safetensors") == 3
    assert run.report() is None


def test_what_has_weights_without_a_comparison_is_compared_and_still_goes_on(finished, configure, tmp_path):
    run = Run.create(configure(), tmp_path)
    work(run, at_step(3), in_phase("evaluate"))
    *_, end = execute.evaluate(run)
    assert end.name == "stopped"
    assert run.report().taken == "3 of 6 steps"
    assert sum("after step 3 of 6" in text for text in run.report().warnings) == 1
    *_, end = execute.evaluate(run)
    assert sum("after step 3 of 6" in text for text in run.report().warnings) == 1
    work(run)
    same_as_undisturbed(run, finished)


def test_stopped_again_and_again_it_comes_to_the_same_weights(finished, configure, tmp_path):
    run = Run.create(configure(), tmp_path)
    fractions = [0.0]
    sessions = [[in_phase("data")], [at_step(1)], [at_step(2), in_phase("evaluate")], [at_step(5)], [in_phase("check")]]
    for stops in (*sessions, [in_phase("evaluate")], []):
        work(run, *stops)
        fractions.append(Pace.of(run.telemetry()[0]).fraction)
    same_as_undisturbed(run, finished)
    assert fractions == sorted(fractions)
    assert 0 < fractions[1] < fractions[2] < 1


def test_a_stop_at_the_last_step_is_a_run_that_is_done(finished, configure, tmp_path):
    run = Run.create(configure(), tmp_path)
    work(run, at_step(6))
    same_as_undisturbed(run, finished)


def test_results_of_other_weights_are_set_aside_and_none_is_lost(configure, tmp_path):
    run = Run.create(configure(preview_every=0), tmp_path)
    work(run, at_step(3))
    for name in ("strength", "probes", "votes", "exports/strength-0.50", "tries/a"):
        (run.path / name).mkdir(parents=True)
        (run.path / name / "of-step-3").touch()
    work(run, in_phase("evaluate"))
    for name in ("strength", "probes", "votes", "exports", "report.json", "report.html"):
        assert not (run.path / name).exists()
        assert (run.path / "earlier" / "step-00003" / name).exists()
    assert (run.path / "tries" / "a" / "of-step-3").exists()
    work(run)
    assert run.last_phase().name == "done"


def test_discard_leaves_a_run_that_starts_again(finished, configure, tmp_path):
    run = Run.create(configure(), tmp_path)
    work(run, at_step(3))
    discard(run)
    assert sorted(path.name for path in run.path.iterdir()) == [
        ".lock", "config.json", "images", "manifest.json", "telemetry.jsonl"
    ]  # fmt: skip
    assert {path.name for path in (run.path / "images").iterdir()} == {"before", "reference"}
    (end,) = run.telemetry()[0]
    assert (end.name, Pace.of([end]).fraction) == ("stopped", 0.0)
    work(run)
    same_as_undisturbed(run, finished)


def test_a_run_killed_while_it_compared_what_there_was_goes_on(finished, configure, tmp_path):
    run = Run.create(configure(), tmp_path)
    shutil.copytree(finished.run.path / "images" / "before", run.path / "images" / "before")
    run.begin_last_comparison()
    work(run)
    same_as_undisturbed(run, finished)


def test_a_report_says_how_many_steps_were_planned_only_where_it_must(finished):
    report = finished.run.report()
    assert (report.planned, report.taken) == (6, "6 steps")
    old = report.model_copy(update={"settings": {}})
    assert (old.planned, old.taken) == (6, "6 steps")


def test_a_comparison_that_was_ended_goes_on_where_it_was(configure, finished) -> None:
    run = Run.create(configure())
    work(run, in_phase("evaluate", 2))
    folder = run.path / "images" / "after"
    drawn = {file: file.stat().st_mtime_ns for file in sorted(folder.glob("*.png"))}
    assert 0 < len(drawn) < len(list((run.path / "images" / "before").glob("*.png")))
    assert run.report() is None
    work(run)
    assert {file: file.stat().st_mtime_ns for file in drawn} == drawn
    assert not (run.path / weights.COMPARING).exists()
    same_as_undisturbed(run, finished)


def test_images_of_other_weights_are_drawn_again(configure, finished) -> None:
    run = Run.create(configure())
    work(run, in_phase("evaluate", 2))
    note = run.path / weights.COMPARING
    note.write_text(json.dumps(json.loads(note.read_text()) | {"step": 3}))
    drawn = {file: file.stat().st_mtime_ns for file in sorted((run.path / "images" / "after").glob("*.png"))}
    work(run)
    assert all(file.stat().st_mtime_ns > moment for file, moment in drawn.items())
    same_as_undisturbed(run, finished)
