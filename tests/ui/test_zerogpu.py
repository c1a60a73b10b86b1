"""ZeroGPU: a run is done in chunks, each in a forked worker, and a second click goes on from the folder."""

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import gradio as gr
import pytest

from balign import cli, telemetry
from balign.host import borrowing, processes, scheduler, status, visitors, waitlist
from balign.host.visitors import Visitor
from balign.runs.config import RunConfig
from balign.runs.engine import execute
from balign.runs.folder import Run
from balign.runs.outcome import zip_check
from balign.ui import studio, zerogpu
from balign.ui.api.attack_endpoint import attack
from balign.ui.erase_tab import erase_handlers
from balign.ui.page import Caller, answering
from tests.ui import lent

ANN, BOB = Visitor("a" * 43), Visitor("b" * 43)
CONFIG = RunConfig.parse({"erase": ["cat"]})
STEPS = 6
LENDER = ("You have exceeded your GPU quota (60s requested)", "No GPU was available after 60s")
log: list[str] = []
"""What the faked run appends to, in whichever process it runs."""


def steps_so_far(run: Run) -> int:
    return sum(isinstance(record, telemetry.Step) for record in run.telemetry()[0])


def faked(run: Run) -> Iterator[telemetry.Record]:
    """Six steps that each take a file's worth of work, told and stopped as the real run is."""
    path = run.path / "telemetry.jsonl"
    with run.claim():
        for k in range(steps_so_far(run), STEPS):
            if run.stop_requested():
                run.clear_stop()
                event: telemetry.Record = telemetry.Phase("stopped", 0, 1, 0.0, "Stopped; it goes on from here.")
                telemetry.append(path, event)
                yield event
                return
            log.append(f"step {k}")
            (run.path / f"by-{os.getpid()}").touch()
            event = telemetry.Step(k, 1.0, 1.0, 1.0, 1.0, 0.0, False, 1.0, 0.0, 0.0, None, None, 1.0)
            telemetry.append(path, event)
            yield event
        telemetry.append(path, telemetry.Phase("done", 1, 1, 0.0))
        yield telemetry.Phase("done", 1, 1, 0.0)


@pytest.fixture(autouse=True)
def _zero(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Space on ZeroGPU with a run that needs no model."""
    monkeypatch.setitem(sys.modules, "spaces", lent)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setenv("BALIGN_PUBLIC", "1")
    monkeypatch.setattr(execute, "run", faked)
    monkeypatch.setattr(processes, "start", lambda *given: pytest.fail("a process has no device here"))
    lent.seen.update(durations=[], pids=[])
    zerogpu.borrowed.cache_clear()
    log.clear()
    yield
    zerogpu.borrowed.cache_clear()


def test_the_page_asks_for_the_device_as_it_is_built() -> None:
    """Such a Space does not start without a function that does."""
    studio.build()
    assert zerogpu.borrowed.cache_info().currsize == 1


def click(run: Run, visitor: Visitor = ANN) -> list[str]:
    """The messages on the page while it iterates a chunk."""
    drive = answering(zerogpu.drive, "The run could not go on with the device", "notice")
    return [answer["notice"] for answer in drive(Caller(visitor, run)) if answer]


def test_a_run_waits_for_its_visitors_device_and_is_done_within_the_call() -> None:
    run = scheduler.begin(CONFIG, ANN)
    scheduler.dispatch()
    assert status.look(run).state == "queued"
    assert click(run) == []
    assert status.look(run).state == "done"
    assert steps_so_far(run) == STEPS
    assert lent.seen["durations"] == [zerogpu.CHUNK]
    assert click(run) == []  # there is nothing to go on with
    assert len(lent.seen["pids"]) == 1


def test_what_the_worker_changes_in_memory_is_not_seen_here() -> None:
    run = scheduler.begin(CONFIG, ANN)
    click(run)
    (pid,) = lent.seen["pids"]
    assert (log, pid == os.getpid()) == ([], False)
    assert [path.name for path in run.path.glob("by-*")] == [f"by-{pid}"]
    assert not run.running()


def test_a_chunk_stops_in_time_and_a_second_click_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zerogpu, "MARGIN", zerogpu.CHUNK)  # the time is up after the first event
    run = scheduler.begin(CONFIG, ANN)
    for done in range(1, STEPS):
        assert [zerogpu.PAUSED in words for words in click(run)] == [True]
        assert (steps_so_far(run), status.look(run).state) == (done, "stopped")
        assert erase_handlers.resume(Caller(ANN, run))["notice"] == ""
        assert status.look(run).state == "queued"
    assert click(run) == []
    assert (steps_so_far(run), status.look(run).state, run.stop_requested()) == (STEPS, "done", None)
    assert len(set(lent.seen["pids"])) == STEPS


def test_a_visitor_who_leaves_ends_the_worker_and_the_run_can_go_on() -> None:
    run = scheduler.begin(CONFIG, ANN)
    driven = zerogpu.drive(Caller(ANN, run))
    next(driven)
    driven.close()
    assert not run.running()
    assert waitlist.queue() == []
    assert erase_handlers.resume(Caller(ANN, run))["notice"] == ""
    click(run)
    assert (steps_so_far(run), status.look(run).state) == (STEPS, "done")


def test_another_visitor_lends_no_device() -> None:
    run = scheduler.begin(CONFIG, ANN)
    assert click(run, BOB) == []
    assert (lent.seen["pids"], waitlist.queue()) == ([], [run])


def test_a_device_that_is_not_lent_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    run = scheduler.begin(CONFIG, ANN)
    monkeypatch.setattr(lent, "QUOTA", 30)
    (words,) = click(run)
    assert "does not allow a minute at once" in words
    assert waitlist.queue() == []
    assert status.look(run).state == "new"


def test_a_worker_that_is_killed_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(run: Run) -> Iterator[telemetry.Record]:
        for event in faked(run):
            yield event
            os.kill(os.getpid(), 9)

    monkeypatch.setattr(execute, "run", killed)
    run = scheduler.begin(CONFIG, ANN)
    assert "The device was taken back" in click(run)[-1]
    assert (steps_so_far(run), run.running()) == (1, False)


def test_what_the_lender_says_is_understood() -> None:
    quota, busy = (zerogpu.explain(RuntimeError(text)) or "" for text in LENDER)
    assert "used up for now" in quota
    assert "busy for too long" in busy
    assert zerogpu.explain(KeyError("x")) is None


def test_a_bug_in_the_worker_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(run: Run) -> Iterator[telemetry.Record]:
        yield from zip([1], [], strict=True)

    monkeypatch.setattr(execute, "run", broken)
    (message,) = click(scheduler.begin(CONFIG, ANN))
    assert 'class="notice failed"' in message
    assert "The run could not go on with the device." in message
    assert waitlist.queue() == []


def fake_command(arguments: list[str]) -> int:
    """A drawing of six pictures, told and stopped as real ones are."""
    run = Run.open(arguments[1], Path(arguments[1]).parent)
    with run.claim(drawing=True):
        (run.path / "asked").write_text(" ".join([arguments[0], *arguments[2:]]))
        done = len(list(run.path.glob("picture-*")))
        while done < STEPS:
            done += 1
            (run.path / f"picture-{done}").touch()
            time.sleep(0.05)
            if run.stop_requested():
                break
        run.clear_stop()
    return 0 if done == STEPS else 2


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Run:
    """A finished run of Ann's whose drawings need no model."""
    monkeypatch.setattr(cli, "main", fake_command)
    monkeypatch.setattr(zerogpu, "LOOK", 0.01)
    run = scheduler.begin(CONFIG, ANN)
    click(run)
    for name in ("erased.safetensors", "report.json"):
        (run.path / name).write_text("{}")
    return run


def press(run: Run, visitor: Visitor = ANN) -> list[str]:
    """The messages in the Try tab while it iterates a chunk."""
    answers = answering(zerogpu.draw, "The drawing could not go on with the device", "say")
    return [answer["say"] for answer in answers(Caller(visitor, run)) if answer]


def test_a_drawing_is_done_within_its_visitors_call(drawn: Run) -> None:
    scheduler.draw(drawn, "try", "--prompt=a cat", "--seed=3", visitor=ANN)
    assert press(drawn, BOB) == []  # lends no device
    assert press(drawn) == []
    assert (drawn.path / "asked").read_text() == "try --prompt=a cat --seed=3"
    assert len(list(drawn.path.glob("picture-*"))) == STEPS
    assert lent.seen["durations"] == [zerogpu.CHUNK] * 2
    assert press(drawn) == []  # there is nothing to go on with
    assert len(lent.seen["pids"]) == 2
    assert not borrowing.pending(drawn)


def test_a_long_drawing_stops_in_time_and_goes_on_when_it_is_pressed_again(
    drawn: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zerogpu, "MARGIN", zerogpu.CHUNK)  # the time is up at the first look
    pressed = 0
    while len(list(drawn.path.glob("picture-*"))) < STEPS:
        scheduler.draw(drawn, "attack", visitor=ANN)
        words = press(drawn)
        pressed += 1
        assert pressed <= STEPS
    assert pressed > 1
    assert [zerogpu.DRAWING_PAUSED in word for word in words] in ([True], [])
    assert (drawn.running(), drawn.stop_requested()) == (False, None)


def test_an_attack_of_a_program_is_made_within_its_own_call(drawn: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    call = partial(attack, drawn.id, ["synonyms"], owner_secret=ANN.secret)
    with pytest.raises(gr.Error, match="somebody else's"):
        attack(drawn.id, ["synonyms"], owner_secret=BOB.secret)
    with monkeypatch.context() as hurried:
        hurried.setattr(zerogpu, "MARGIN", zerogpu.CHUNK)  # the time is up at the first look
        assert call()["message"] == zerogpu.DRAWING_PAUSED
    assert len(list(drawn.path.glob("picture-*"))) < STEPS
    told = call()
    assert (told["message"], told["working"]) == ("", False)
    assert len(list(drawn.path.glob("picture-*"))) == STEPS
    assert (drawn.path / "asked").read_text().startswith("attack --attacks synonyms")
    monkeypatch.setattr(lent, "LEFT", zerogpu.LEAST - 1)
    with pytest.raises(gr.Error, match="used up for now"):
        call()


def test_a_visitor_with_less_than_a_minute_left_gets_what_is_left(drawn: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lent, "LEFT", 40)
    scheduler.draw(drawn, "probe", visitor=ANN)
    assert press(drawn) == []
    assert lent.seen["durations"][-1] == 40
    monkeypatch.setattr(lent, "LEFT", zerogpu.LEAST - 1)
    scheduler.draw(drawn, "probe", visitor=ANN)
    (words,) = press(drawn)
    assert "used up for now" in words


def test_a_bug_in_a_drawing_is_no_refusal(drawn: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "main", lambda arguments: [][1])
    scheduler.draw(drawn, "strength", visitor=ANN)
    (message,) = press(drawn)
    assert 'class="notice failed"' in message


CHUNKED = """
import itertools, sys
from pathlib import Path
from tests.ui import lent
sys.modules["spaces"], lent.PATIENCE = lent, 20.0
from balign.host import scheduler, status, visitors, waitlist
from balign.ui import studio, zerogpu
from balign.ui.api.attack_endpoint import attack
from balign.ui.page import Caller
from balign.runs.folder import Run
run = Run.open(sys.argv[1], Path(sys.argv[1]).parent)
class Clock:
    monotonic = itertools.count().__next__  # a second an event, so that nothing hangs on how fast this machine is
zerogpu.time, zerogpu.MARGIN = Clock, zerogpu.CHUNK - int(sys.argv[2])
clicks = 0
while status.state(run) != "done":
    clicks += 1
    scheduler.resume(run)
    for _ in zerogpu.drive(Caller(visitors.Visitor(), run)):
        pass
    assert clicks < 40, run.telemetry()[0][-1]
print(clicks)
"""


@pytest.mark.slow
def test_a_real_run_in_chunks_has_the_weights_of_one_in_one_go(configure: Callable[..., RunConfig]) -> None:
    runs = [Run.create(configure(steps=14)) for _ in range(2)]
    root = Path(__file__).parents[2]
    environment = os.environ | {"BALIGN_PUBLIC": "0", "PYTHONPATH": str(root)}
    clicks = []
    for run, seconds in zip(runs, ("24", "9999"), strict=True):
        command = [sys.executable, "-c", CHUNKED, str(run.path), seconds]
        done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        clicks.append(int(done.stdout))
    assert clicks[0] > clicks[1] == 1
    first, second = (io.BytesIO((run.path / "erased.safetensors").read_bytes()) for run in runs)
    assert zip_check.digest(first) == zip_check.digest(second)
    assert visitors.owns(runs[0], ANN) is False  # nobody's, in public
