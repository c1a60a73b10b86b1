"""Some more steps after a finished run are the run with all of them."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from balign.refusal import Refusal
from balign.runs.engine import checkpoint, execute, more_steps
from balign.runs.folder import Run


def test_it_ends_with_the_weights_and_scores_of_one_long_run(finished, configure, tmp_path):
    long = Run.create(configure(steps=9), tmp_path / "long")
    list(execute.run(long))
    root = tmp_path / "runs"
    short = Run.open(shutil.copytree(finished.run.path, root / finished.run.id), root)
    untouched = {file: file.read_bytes() for file in short.path.rglob("*") if file.is_file()}
    new = more_steps.begin(short, 3)
    assert new.config.steps == 9
    shutil.rmtree(short.path / "images")  # the new run stands alone
    events = list(execute.run(new))
    assert events[-1].name == "done"
    weights, whole = (load_file(run.path / "erased.safetensors") for run in (new, long))
    assert all(torch.equal(weights[name], whole[name]) for name in whole)
    reports = [run.report() for run in (new, long)]
    assert [report.steps for report in reports] == [9, 9]
    assert reports[0].groups == reports[1].groups
    assert reports[0].ledger == reports[1].ledger
    assert {file: file.read_bytes() for file in untouched if file.exists()} == {
        file: content for file, content in untouched.items() if file.exists()
    }
    assert short.report().steps == 6


@pytest.mark.parametrize(
    ("outcome", "steps", "name", "sentence"),
    [
        (None, 0, "done", "steps is 0"),
        (None, 5_000, "done", r"steps is 5006; at most 5,000 is accepted"),
        (["deadlock", 6, "At step 7 they point apart; it ended."], 3, "done", "would end the same: at step 7"),
        (None, 3, "unlearn", "is not finished"),
    ],
)
def test_what_cannot_go_on_is_refused(finished, tmp_path, outcome, steps, name, sentence):
    root = tmp_path / "runs"
    run = Run.open(shutil.copytree(finished.run.path, root / finished.run.id), root)
    saved = checkpoint.read(run)
    if outcome:
        from balign.models import weight_file

        facts = {"step": "6", "fingerprint": saved.fingerprint}
        weight_file.save_nested(run.path / checkpoint.NAME, saved.state | {"outcome": outcome}, facts)
    if name != "done":
        telemetry = run.path / "telemetry.jsonl"
        telemetry.write_text("".join(f"{line}\n" for line in telemetry.read_text().splitlines() if not is_end(line)))
    with pytest.raises(Refusal, match=sentence):
        more_steps.begin(run, steps)
    assert [path.name for path in root.iterdir()] == [run.id]


def is_end(line: str) -> bool:
    return json.loads(line).get("name") in ("done", "save")


def test_without_a_saved_training_it_is_refused(finished, tmp_path):
    root = tmp_path / "runs"
    run = Run.open(shutil.copytree(finished.run.path, root / finished.run.id), root)
    (run.path / checkpoint.NAME).unlink()
    with pytest.raises(Refusal, match="is gone"):
        more_steps.begin(run, 3)
