"""A finished run stays finished when judging it again fails, and the folder says why until it is judged."""

import shutil
from pathlib import Path

from balign.host import status
from balign.runs.engine import execute
from balign.runs.folder import Run
from balign.runs.judged_again import UNJUDGED
from balign.runs.own_entries import TestPrompt
from tests.runs.conftest import Finished


def test_a_scorer_that_is_away_leaves_the_report_and_says_why(finished: Finished, tmp_path: Path) -> None:
    run = Run(shutil.copytree(finished.run.path, tmp_path / "runs" / finished.run.id))
    before = (run.path / "report.json").read_bytes()
    last = list(execute.evaluate(run, "ViT-B-32/laion2b_s34b_b79k"))[-1]
    assert "ViT-B-32/laion2b_s34b_b79k" in (run.path / UNJUDGED).read_text()
    assert (last.name, status.state(run)) == ("failed", "done")
    assert (run.path / "report.json").read_bytes() == before
    list(execute.evaluate(run, None, [TestPrompt(prompt="a cat", seed=7)]))
    assert not (run.path / UNJUDGED).exists()
    report = run.report()
    assert report is not None
    assert [pair.seed for pair in report.groups["own"].images] == [7]
    assert status.state(run) == "done"


def test_one_that_was_stopped_says_so(finished: Finished, tmp_path: Path) -> None:
    run = Run(shutil.copytree(finished.run.path, tmp_path / "runs" / finished.run.id))
    run.request_stop()
    list(execute.evaluate(run))
    assert "the report stays as it was" in (run.path / UNJUDGED).read_text()
    assert (run.stop_requested(), status.state(run)) == (None, "done")
