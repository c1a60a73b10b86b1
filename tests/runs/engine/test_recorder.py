"""The record is taken back to a checkpoint without telling anything twice, and work in a thread can be followed."""

import threading

import pytest

from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.engine.recorder import Recorder, Stopped, sentence
from balign.runs.folder import Run
from balign.telemetry import Conflict, Phase, Preview, Report, Step


@pytest.fixture
def recorder(tmp_path):
    return Recorder(Run.create(RunConfig.parse({"erase": ["cat"]}), tmp_path))


def step(number):
    return Step(number, 0.3, 0.2, 1.0, 1.0, -0.5, True, 0.9, 0.0, 0.0, None, None, 0.1)


def told(recorder):
    return [getattr(r, "step", None) or r.name for r in recorder.run.telemetry()[0] if not isinstance(r, Preview)]


@pytest.mark.parametrize(
    ("back_to", "left"),
    [
        (-1, ["load", "unlearn", "unlearn", "evaluate"]),
        (2, ["load", "unlearn", 1, 2, "unlearn", "evaluate"]),
        (3, ["load", "unlearn", 1, 2, "unlearn", 3, "evaluate"]),
        (9, ["load", "unlearn", 1, 2, "unlearn", 3, "evaluate"]),
    ],
)
def test_rewinding_keeps_what_the_checkpoint_knows(recorder, back_to, left):
    for event in (
        Phase("load", 1, 1, 0.1), Phase("unlearn", 0, 3, 0.0), Preview(0, "a.png"), step(1), step(2),
        Preview(2, "b.png"), Phase("unlearn", 2, 3, 0.1), step(3), Phase("evaluate", 0, 3, 0.1),
        Report({}), Phase("failed", 0, 1, 0.1),
    ):  # fmt: skip
        recorder.record(event)
    with recorder.path.open("a") as file:
        file.write('{"kind": "st')
    recorder.rewind(back_to)
    assert told(recorder) == left
    assert recorder.path.read_bytes().endswith(b"\n")


@pytest.mark.parametrize(("back_to", "left"), [(-1, []), (1, [1, 1]), (2, [1, 1, 2, 2])])
def test_what_a_step_told_beside_itself_goes_and_stays_with_it(recorder, back_to, left):
    for number in (1, 2):
        recorder.record(step(number))
        recorder.record(Conflict(number, {"a": -0.5}))
    recorder.rewind(back_to)
    assert told(recorder) == left


def test_rewinding_keeps_everything_before_the_training(recorder):
    recorder.record(Phase("load", 1, 1, 0.1))
    recorder.record(Phase("failed", 0, 1, 0.1))
    recorder.rewind(-1)
    assert told(recorder) == ["load"]


def test_followed_work_reports_while_it_goes_and_returns(recorder):
    gate = threading.Event()

    def work(progress):
        progress(1, 2)
        assert gate.wait(10)
        progress(2, 2)
        return "made"

    events = recorder.follow("data", work)
    assert next(events).done == 1  # before the work is over
    gate.set()
    assert next(events).done == 2
    with pytest.raises(StopIteration) as end:
        next(events)
    assert end.value.value == "made"


def test_followed_work_ends_when_nobody_listens(recorder):
    ended = threading.Event()

    def work(progress):
        try:
            while True:
                progress(0, 1)
        finally:
            ended.set()

    events = recorder.follow("data", work)
    next(events)
    events.close()
    assert ended.wait(10)


def test_followed_work_obeys_the_stop_flag(recorder):
    recorder.run.begin_last_comparison()
    list(recorder.follow("data", lambda progress: progress(0, 1)))
    recorder.run.request_stop()
    with pytest.raises(Stopped, match="resuming goes on from here"):
        list(recorder.follow("data", lambda progress: progress(0, 1)))


def test_errors_become_sentences():
    assert "disk is full" in sentence(OSError(28, "No space left on device"))
    assert "disk is full" in sentence(RuntimeError("I/O error: No space left on device (os error 28)"))
    assert "memory is full" in sentence(RuntimeError("CUDA out of memory. Tried to allocate"))
    assert sentence(Refusal("steps is 0;\n 1 is accepted.")) == "steps is 0; 1 is accepted."
    for bug in (KeyError("x"), ValueError("zip() argument 2 is longer")):
        assert sentence(bug).startswith(f"Something unexpected happened ({type(bug).__name__}: ")
