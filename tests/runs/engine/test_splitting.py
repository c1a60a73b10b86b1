"""In which parts a batch is worked on, and where, by what is free on the very device; else one sentence first."""

from collections.abc import Callable

import pytest
import torch

from balign.refusal import Refusal
from balign.runs import resizing
from balign.runs.config import RunConfig
from balign.runs.engine import execute, splitting
from balign.runs.engine.job import device, precision
from balign.runs.folder import Run
from balign.telemetry import Phase, Step

Configure = Callable[..., RunConfig]
SMALL = {"batch_forget": 2, "batch_retain": 4, "steps": 2, "preview_every": 0}


def free(monkeypatch: pytest.MonkeyPatch, megabytes: float) -> None:
    monkeypatch.setattr(splitting, "_free", lambda model: megabytes * 1e6)


def test_the_split_is_chosen_said_and_recorded(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 1.0)
    run = Run.create(configure(**SMALL))
    events = list(execute.run(run))
    said = [event.message for event in events if isinstance(event, Phase) and "in parts of" in event.message]
    report = run.report()
    assert report is not None
    assert len(said) == 1
    assert 0 < report.settings["micro_batch"] < 4
    assert sum(isinstance(event, Step) for event in events) == 2


def test_what_cannot_fit_is_refused_before_anything_is_drawn(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, 0.0)
    run = Run.create(configure(**SMALL))
    last = list(execute.run(run))[-1]
    assert isinstance(last, Phase)
    assert last.name == "failed"
    assert "even in the smallest parts" in last.message
    assert "It should work with " in last.message
    assert not (run.path / "manifest.json").exists()


def test_batches_can_be_changed_where_a_run_resumes(configure: Configure) -> None:
    run = Run.create(configure(**SMALL | {"steps": 6, "checkpoint_every": 2}))
    for event in execute.run(run):
        if isinstance(event, Step) and event.step == 2:
            run.request_stop(now=True)
    run.clear_stop()
    changed = resizing.store(run, resizing.resized(run, {"micro_batch": 1, "batch_retain": "3"}))
    events = list(execute.run(changed))
    report = changed.report()
    assert report is not None
    assert (report.settings["micro_batch"], report.settings["batch_retain"], report.steps) == (1, 3, 6)
    assert events[-1].name == "done"  # type: ignore[union-attr]
    with pytest.raises(Refusal, match="is done, so its batches cannot be changed"):
        resizing.store(changed, resizing.resized(changed, {"micro_batch": 2}))
    with pytest.raises(Refusal, match="micro_batch is 0"):
        resizing.resized(changed, {"micro_batch": 0})


def test_a_device_that_is_not_there_is_refused(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert device(configure(device="auto")) == "cpu"
    for asked, said in (("cuda", "built without CUDA"), ("mps", "has no Metal")):
        with pytest.raises(Refusal, match=said):
            device(configure(device=asked))
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(Refusal, match="torch sees no graphics card"):
        device(configure(device="cuda:1"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(Refusal, match="torch sees 1 card, cuda:0 is the last accepted"):
        device(configure(device="cuda:1"))
    assert device(configure(device="cuda")) == device(configure(device="auto")) == "cuda:0"


def test_auto_draws_in_what_the_device_is_good_at(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configure(precision="auto")
    assert precision(config, "cpu") == precision(config, "mps") == "fp32"
    for capability, expected in (((9, 0), "bf16"), ((8, 0), "bf16"), ((7, 5), "fp16")):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, found=capability: found)
        assert precision(config, "cuda:0") == expected
    assert precision(configure(precision="bf16"), "cuda:0") == "bf16"
