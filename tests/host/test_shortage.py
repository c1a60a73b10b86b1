"""A system that is short of something for a moment says nothing of a run: nobody takes it for a no, or remembers it."""

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from balign import telemetry
from balign.host import disk, housekeeping, listing, processes, scheduler, status, visitors, waitlist
from balign.host.visitors import Visitor
from balign.refusal import Refusal
from balign.runs import run_folders, weights
from balign.runs.config import RunConfig
from balign.runs.engine.recorder import Recorder
from balign.runs.folder import Run, find, list_runs, runs_root
from balign.runs.outcome import reproduce, zip_check
from tests.conftest import Claim

ANN = Visitor("a" * 43, "203.0.113.1")
CONFIG = RunConfig.parse({"erase": ["cat"]})


@contextmanager
def short(number: int, name: str, *calls: str) -> Iterator[None]:
    """Whatever is asked of files and folders of this name, or these calls alone, fails with this errno."""

    def failing(real: Callable[..., Any]) -> Callable[..., Any]:
        def ask(path: Any = ".", *args: Any, **more: Any) -> Any:
            if not isinstance(path, int) and os.path.basename(os.fspath(path)) == name:
                raise OSError(number, os.strerror(number), str(path))
            return real(path, *args, **more)

        return ask

    with pytest.MonkeyPatch.context() as patch:
        for call in calls or ("open", "stat", "lstat", "scandir"):
            patch.setattr(os, call, failing(getattr(os, call)))
        yield


@pytest.fixture
def run(finished: Run, monkeypatch: pytest.MonkeyPatch, claim: Claim) -> Iterator[Run]:
    """A finished run of somebody's with a label and a note of what it repeats, that is queued and worked on."""
    monkeypatch.setattr(run_folders, "SETTLED", 0.0)
    visitors.sign(finished, ANN)
    finished.rename("a label")
    reproduce.note(finished, zip_check.Bundle(finished.config, "20260101-000000-abc", "f", zip_check.MadeWith()))
    waitlist.join(finished)
    leave = claim(finished)
    time.sleep(0.05)  # so that the date of the folder tells the next change, and a no would be remembered
    yield Run(finished.path)
    leave()


QUESTIONS: list[tuple[str, Callable[[Run], object]]] = [
    ("queued", waitlist.ticket),
    ("queued", lambda _: waitlist.queue()),
    ("queued", waitlist.place),
    ("pid", Run.running),
    ("pid", processes.alive),
    ("pid", lambda _: processes.working()),
    ("owner", visitors.of_a_visitor),
    ("owner", visitors.key),
    ("runs", lambda _: list_runs()),
    ("runs", lambda _: waitlist.queue()),
    ("config.json", lambda _: list_runs()),
    ("config.json", lambda run: find(run.id)),
    ("config.json", lambda run: run.config),
    ("config.json", lambda run: "cat" in listing.ListedRun(run).erased),
    ("label", lambda run: listing.ListedRun(run).label),
    ("reproduces.json", lambda run: listing.ListedRun(run).original),
    ("telemetry.jsonl", Run.last_phase),
    ("telemetry.jsonl", status.last_phase),
    ("telemetry.jsonl", lambda run: status.look(run).last),
    ("telemetry.jsonl", lambda run: telemetry.read(run.path / "telemetry.jsonl")[1]),
    ("telemetry.jsonl", lambda run: processes.records_of(run.path) != "none"),
    ("report.json", lambda run: status.readable_report(run)[0]),
    ("report.json", lambda run: run.file("report.json")),
    ("checkpoint.safetensors", lambda run: weights.saved_step(run.path / weights.CHECKPOINT)),
]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO])
@pytest.mark.parametrize("case", range(len(QUESTIONS)), ids=lambda case: f"{case}-{QUESTIONS[case][0]}")
def test_a_shortage_is_no_answer_and_is_not_remembered(run: Run, case: int, number: int) -> None:
    name, ask = QUESTIONS[case]
    with short(number, name), pytest.raises(OSError, match=os.strerror(number)):
        ask(run)
    assert ask(run)


def test_a_folder_that_could_not_be_counted_is_counted_the_next_time(run: Run) -> None:
    with short(errno.EMFILE, run.id), pytest.raises(OSError, match="Too many open files"):
        disk.used()
    assert disk.used() == disk.size(run.path) > 10_000


def test_no_records_are_lost_where_they_cannot_be_read(run: Run) -> None:
    before = (run.path / "telemetry.jsonl").read_bytes()
    with short(errno.EMFILE, "telemetry.jsonl", "open"), pytest.raises(OSError, match="Too many open files"):
        Recorder(run).rewind(10)
    assert (run.path / "telemetry.jsonl").read_bytes() == before


@pytest.mark.usefixtures("public")
def test_a_round_of_the_server_fails_is_logged_once_and_tried_again(
    new_run: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    run = new_run()
    waitlist.join(run)
    with short(errno.EMFILE, "queued"):
        for _ in range(3):
            housekeeping.round_of(1)
    assert len(caplog.records) == 1
    with short(errno.EMFILE, "pid"):
        housekeeping.round_of(housekeeping.ROUNDS)
    assert waitlist.queue() == [run]
    housekeeping.round_of(1)
    assert (waitlist.queue(), processes.working()) == ([], [run])


def test_a_run_whose_marker_cannot_be_read_when_it_is_started_keeps_its_place(
    new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, later: Callable[[float], None]
) -> None:
    run, read, asked = new_run(), waitlist.read_plain, []
    waitlist.join(run)

    def third(*args: Any) -> bytes:
        asked.append(args)
        if len(asked) == 3:
            raise OSError(errno.EMFILE, "Too many open files")
        return read(*args)

    with monkeypatch.context() as short_once:
        short_once.setattr(waitlist, "read_plain", third)
        scheduler.dispatch()
    assert len(asked) == 3
    assert waitlist.queue() == [run]
    assert "Too many open files" in scheduler.trouble(run)
    later(scheduler.LONGEST_WAIT)
    scheduler.dispatch()
    assert (waitlist.queue(), processes.working()) == ([], [run])


def test_a_marker_that_says_nothing_when_its_run_is_started_stays(
    new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run()
    waitlist.join(run)
    monkeypatch.setattr(waitlist, "queue", lambda: [run])
    (run.path / waitlist.FILE).write_text("half wri")
    scheduler.dispatch()
    assert (run.path / waitlist.FILE).exists()
    assert processes.working() == []


@pytest.mark.parametrize("ask", [lambda run: scheduler.draw(run, "probe"), lambda _: scheduler.begin(CONFIG)])
def test_what_is_asked_for_in_such_a_moment_begins_nothing(finished: Run, ask: Callable[[Run], object]) -> None:
    finished.request_stop()
    waitlist.join(finished)
    with short(errno.EMFILE, "queued"), pytest.raises(OSError, match="Too many open files"):
        ask(finished)
    assert (list_runs(), waitlist.queue()) == ([finished], [finished])


def test_what_is_queued_was_begun_though_the_next_one_cannot_be_started_at_this_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def busy() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as short_now:
        short_now.setattr(scheduler, "_next", busy)
        run = scheduler.begin(CONFIG)
    assert waitlist.queue() == [run]


@pytest.mark.parametrize("step", ["sign", "join"])
def test_on_a_full_disk_all_of_a_press_begin_or_none(
    new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    waiting = new_run()
    waitlist.join(waiting)
    module = visitors if step == "sign" else waitlist
    real, asked = getattr(module, step), []

    def second(*args: Any) -> None:
        asked.append(args)
        if len(asked) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(*args)

    monkeypatch.setattr(module, step, second)
    with pytest.raises(OSError, match="No space left"):
        scheduler.begin_all([CONFIG] * 3, ANN)
    assert (list_runs(), waitlist.queue()) == ([waiting], [waiting])
    assert sorted(os.listdir(runs_root())) == [".lock", waiting.id]


def test_a_run_at_work_is_stopped_without_waiting_for_a_decision(
    new_run: Callable[..., Run], claim: Claim, monkeypatch: pytest.MonkeyPatch
) -> None:
    working, queued = new_run(), new_run()
    leave = claim(working)
    waitlist.join(queued)
    monkeypatch.setattr(scheduler, "PATIENCE", 0.1)
    with scheduler._alone():
        assert scheduler.cancel(working) is False
        with pytest.raises(Refusal, match=r"^These runs are being worked on; try again in a moment\.$"):
            scheduler.cancel(queued)
    assert scheduler.cancel(queued) is True
    leave()


def test_no_trouble_is_told_of_a_run_that_has_left_the_queue(
    new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    run = new_run()
    waitlist.join(run)
    monkeypatch.setattr(processes, "start", refuse)
    scheduler.dispatch()
    assert "Cannot allocate memory" in scheduler.trouble(run)
    scheduler.cancel(run)
    assert scheduler.trouble(run) == ""
    scheduler.dispatch()
    assert scheduler._troubles == {}
