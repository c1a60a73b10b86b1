"""A run and a zip made at eeb0edf, before the package was laid out anew: both are still everything they were."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from balign.host import listing, status
from balign.runs.engine import execute, exporting
from balign.runs.folder import Run
from balign.runs.outcome import bundle, report_page, reproduce, zip_check
from balign.telemetry import Phase

OLD = Path(__file__).with_name("at_eeb0edf")
NUMBERS = ("scorer", "groups", "ua", "ira", "cra", "intervals", "ledger", "steps", "settings")


@pytest.fixture
def old(tmp_path: Path) -> Run:
    """A copy of the run in the root where runs are looked for."""
    folder = tmp_path / "runs" / "20261128-110905-Q9WM0NoRtnMTXLd4JZgcbQ"
    shutil.copytree(OLD / "run", folder)
    return Run.open(folder.name)


PAIR = (
    *("prompt", "seed", "labels", "before", "after", "alignment_before", "alignment_after"),
    *("recognised_before", "recognised_after"),
)


def numbers(report: dict[str, object]) -> dict[str, object]:
    """The numbers of a report, without the sentences about them."""
    values = json.loads(json.dumps({name: report[name] for name in NUMBERS}))
    for group in values["groups"].values():
        group.pop("verdict")
        group["images"] = [{name: image[name] for name in PAIR} for image in group["images"]]
        for name in ("in_prompt_before", "in_prompt_after"):  # measured since
            assert group.pop(name, None) is None
    return values


def end(events: object) -> Phase:
    *_, last = events  # type: ignore[misc]
    assert isinstance(last, Phase)
    return last


def test_it_opens(old: Run) -> None:
    written = json.loads((old.path / "report.json").read_bytes())
    report = old.report()
    assert report is not None
    now = numbers(report.to_dict())
    now["ledger"] = {name: now["ledger"][name] for name in written["ledger"]}  # what was measured is counted since
    assert now == numbers(written)
    assert {group.verdict for group in report.groups.values()} == {"too few prompts to say (2, of at least 8)"}
    view = status.look(old)
    assert (view.state, len(view.steps), [preview.step for preview in view.previews]) == ("done", 4, [0, 2, 4])
    assert [entry.title for entry in listing.entries()] == ["cat"]
    assert "Erased: cat" in report_page.page(old)


def test_it_exports(old: Run, tmp_path: Path) -> None:
    exporting.export(old, tmp_path / "whole")
    assert (tmp_path / "whole" / "model_index.json").is_file()
    same = load_file(exporting.export(old, tmp_path / "same.safetensors", "changed"))
    weights = load_file(old.path / "erased.safetensors")
    assert same.keys() == weights.keys()
    assert all(torch.equal(same[name], weights[name]) for name in weights)
    assert 0 < exporting.export_lora(old, tmp_path / "lora.safetensors", 4) <= 1


def test_it_is_bundled_and_a_zip_of_then_is_read(old: Run, tmp_path: Path) -> None:
    now, then = (zip_check.read(path) for path in (bundle.write(old, tmp_path / "now.zip"), OLD / "run.zip"))
    assert now == then


@pytest.mark.slow
def test_it_is_evaluated_to_the_same_numbers(old: Run) -> None:
    before = json.loads((old.path / "report.json").read_bytes())
    assert end(execute.evaluate(old)).name == "done"
    after = json.loads((old.path / "report.json").read_bytes())
    for group, was in before["groups"].items():
        for image, old_image in zip(after["groups"][group]["images"], was["images"], strict=True):
            assert image["prompt"] == old_image["prompt"]
            assert image["alignment_after"] == pytest.approx(old_image["alignment_after"], abs=1e-3)


@pytest.mark.slow
def test_an_unreadable_report_is_replaced_by_evaluating(old: Run) -> None:
    (old.path / "report.json").write_text("[" * 1_000)
    assert status.look(old).unreadable
    assert end(execute.evaluate(old)).name == "done"
    assert old.report() is not None


@pytest.mark.slow
def test_the_zip_is_reproduced() -> None:
    """On the processor that made it bit for bit; another one may round otherwise, and then the report says so."""
    run = reproduce.begin(zip_check.read(OLD / "run.zip"))
    assert end(execute.run(run)).name == "done"
    report = run.report()
    assert report is not None
    assert report.reproduces is not None
    weights, was = load_file(run.path / "erased.safetensors"), load_file(OLD / "run" / "erased.safetensors")
    assert report.reproduces.equal == all(torch.equal(weights[name], was[name]) for name in was)
    assert all(torch.allclose(weights[name], was[name], atol=1e-3) for name in was)
