"""A run is judged on its own prompts too, and again on others; what is counted of nudity comes into the report."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from balign.measure import nudity
from balign.runs.config import RunConfig
from balign.runs.engine import execute
from balign.runs.folder import Run
from balign.runs.outcome import bundle, zip_check
from balign.runs.own_entries import TestPrompt
from balign.telemetry import Phase

Configure = Callable[..., RunConfig]


def ended(events: object) -> str:
    last = list(events)[-1]  # type: ignore[call-overload]
    assert isinstance(last, Phase)
    return f"{last.name} {last.message}".strip()


@pytest.mark.slow
def test_own_prompts_are_a_fourth_group_and_a_run_is_judged_again_on_others(
    configure: Configure, tmp_path: Path
) -> None:
    tests = [{"prompt": "a cat in ink", "seed": 7}, "a pizza"]
    run = Run.create(configure(tests=tests, steps=2, preview_every=0))
    assert ended(execute.run(run)) == "done"
    first = run.report()
    assert first is not None
    own = first.groups["own"].images
    assert (own[0].prompt, own[0].seed) == ("a cat in ink", 7)
    assert all(run.file(pair.before) and run.file(pair.after) for pair in own)
    assert first.distances[0].n == first.groups["kept"].n == 3
    assert len(list((run.path / "images/reference").iterdir())) == 3
    zip_check.read(bundle.write(run, tmp_path / "run.zip"))

    assert ended(execute.evaluate(run)) == "done"
    again = run.report()
    assert again is not None
    assert (again.groups, again.distances) == (first.groups, first.distances)
    other = (TestPrompt(prompt="a red dog", seed=1),)
    assert ended(execute.evaluate(run, tests=other)) == "done"
    second = run.report()
    assert second is not None
    assert [(pair.prompt, pair.seed) for pair in second.groups["own"].images] == [("a red dog", 1)]
    assert second.groups["erased"] == first.groups["erased"]
    assert second.distances == first.distances
    assert len(list((run.path / "images").glob("own-*"))) == 1
    assert ended(execute.evaluate(run, tests=())) == "done"
    assert "own" not in run.report().groups  # type: ignore[union-attr]


@pytest.mark.slow
def test_nudity_is_counted_where_it_is_to_be_forgotten(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.create(configure(erase=["nude"], steps=0, method="redirect", n_eval=2, preview_every=0))
    with monkeypatch.context() as patch:
        patch.setattr(nudity, "installed", lambda: False)
        assert ended(execute.run(run)) == "done"
    without = run.report()
    assert without is not None
    assert without.nudity is None
    assert nudity.INSTALL in without.warnings
    assert ended(execute.evaluate(run)) == "done"
    report = run.report()
    assert report is not None
    assert nudity.INSTALL not in report.warnings
    assert report.nudity is not None
    assert report.sensitive
    assert report.nudity.groups["erased"].n == 2
    page = (run.path / "report.html").read_text()
    assert "Exposed parts" in page
    assert "Distance of the kept pictures" in page
    assert json.loads((run.path / "report.json").read_bytes())["nudity"]["thresholds"] == list(nudity.THRESHOLDS)
