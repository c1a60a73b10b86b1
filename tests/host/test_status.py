"""What is read from a folder: the state in every case, and no more than what is new."""

import os
from collections.abc import Callable

import pytest

from balign import telemetry
from balign.host import listing, status, waitlist
from balign.runs.folder import Run
from tests.conftest import Claim
from tests.host import fake_run

New = Callable[..., Run]


def tell(run: Run, *records: telemetry.Record) -> None:
    for record in records:
        telemetry.append(run.path / "telemetry.jsonl", record)


def phase(name: str, done: int = 0, total: int = 1, seconds: float = 1.0) -> telemetry.Phase:
    return telemetry.Phase(name, done, total, seconds)


def test_a_finished_run(finished: Run) -> None:
    seen = status.look(finished)
    assert (seen.state, seen.live, seen.fraction, seen.last_step) == ("done", False, 1.0, 10)
    assert [step.step for step in seen.steps] == list(range(1, 11))
    assert seen.report is not None


def test_a_killed_run_is_stopped_and_keeps_its_place(new_run: New) -> None:
    run = new_run()
    tell(run, phase("load", 1), phase("check", 1), phase("data", 50, 100))
    seen = status.look(run)
    assert seen.state == "stopped"
    assert seen.fraction == pytest.approx((4 + 4 + 17.5) / 100)


def test_a_living_run(new_run: New, claim: Claim) -> None:
    run = new_run()
    leave = claim(run)
    assert status.look(run).state == "starting"
    tell(run, phase("load", 1, 1, 10))
    assert status.look(run).state == "running"
    run.request_stop(keep=True)
    assert status.look(run).state == "stopping"
    leave()


def test_a_resumed_run_starts_until_it_speaks(new_run: New, claim: Claim) -> None:
    run = new_run()
    tell(run, phase("unlearn", 1), phase("stopped"))
    os.utime(run.path / "telemetry.jsonl", (1, 1))
    leave = claim(run)
    assert status.look(run).state == "starting"
    tell(run, phase("load"))
    assert status.look(run).state == "running"
    leave()


@pytest.mark.parametrize("end", status.ENDS)
def test_a_run_that_is_to_go_on_waits_while_its_last_process_still_leaves(new_run: New, end: str, claim: Claim) -> None:
    run = new_run()
    tell(run, phase("unlearn", 1), phase(end))
    leave = claim(run)
    os.utime(run.path / "pid", (1, 1))  # before its last word
    waitlist.join(run)
    seen = status.look(run)
    assert (seen.state, seen.live) == ("queued", True)  # else the page would look no more
    assert listing.entry(run).state == "queued"
    leave()


def test_failed(new_run: New) -> None:
    run = new_run()
    tell(run, phase("load"), telemetry.Phase("failed", 0, 1, 0.0, "No memory."))
    assert status.look(run).state == "failed"


def test_a_torn_last_line_is_read_when_it_is_whole(new_run: New) -> None:
    run = new_run()
    tell(run, phase("load"))
    path = run.path / "telemetry.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"kind": "phase", "name": "che')
    assert status.look(run).last == phase("load")
    path.write_bytes(whole + b'{"kind": "phase", "name": "check", "done": 0, "total": 1, "seconds": 1.0}\n')
    seen = status.look(run).last
    assert seen is not None
    assert seen.name == "check"


def test_a_file_written_anew_by_a_resumed_run_is_read_from_its_start(finished: Run) -> None:
    assert len(status.look(finished).steps) == 10
    path = finished.path / "telemetry.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    other = path.with_suffix(".new")
    other.write_bytes(b"".join(lines[:20]))
    other.replace(path)
    assert 0 < len(status.look(finished).steps) < 10


def test_time_left_is_a_guess_only_when_there_is_ground_for_one(new_run: New) -> None:
    run = new_run()
    assert status.look(run).seconds_left is None
    tell(run, phase("load", 1, 1, 4), phase("check", 1, 1, 4), phase("data", 50, 100, 17.5))
    assert status.look(run).seconds_left == pytest.approx(74.5)


def test_a_report_that_is_no_json_is_no_report(new_run: New) -> None:
    run = new_run()
    (run.path / "report.json").write_text("{")
    assert status.look(run).report is None


def test_memory_holds_only_so_many_runs(new_run: New, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "REMEMBERED", 3)
    for _ in range(5):
        status.look(new_run())
    assert len(status._tails) == 3


def test_the_fake_speaks_as_the_contract_says(finished: Run) -> None:
    names = [record.name for record in finished.telemetry()[0] if isinstance(record, telemetry.Phase)]
    assert set(names) == set(telemetry.PHASES)
    assert fake_run.KINDS.keys() == finished.report().groups.keys()  # type: ignore[union-attr]
