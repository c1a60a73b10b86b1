"""What is read from a folder: the state in every case, and no more than what is new."""

import os
from collections.abc import Callable
from typing import get_args

import pytest

from balign import telemetry
from balign.atomic import write
from balign.host import listing, status, waitlist
from balign.measure.pace import SHARES
from balign.runs.folder import Run
from tests.conftest import Claim
from tests.host import fake_run

New = Callable[..., Run]


def tell(run: Run, *records: telemetry.Record) -> None:
    for record in records:
        telemetry.append(run.path / "telemetry.jsonl", record)


def state_of(run: Run) -> status.State:
    """The state, which is the same for the page that looks at one run and for the list of all."""
    state = status.state(run)
    assert state == status.look(run).state == listing.entry(run).state
    return state


def phase(name: str, done: int = 0, total: int = 1, seconds: float = 1.0) -> telemetry.Phase:
    return telemetry.Phase(name, done, total, seconds)


def test_a_finished_run(finished: Run) -> None:
    seen = status.look(finished)
    assert (seen.state, seen.live, seen.fraction, seen.last_step) == ("done", False, 1.0, 10)
    assert [step.step for step in seen.steps] == list(range(1, 11))
    assert seen.report is not None


def test_a_run_that_never_began_is_new(new_run: New) -> None:
    assert state_of(new_run()) == "new"
    assert status.STATES.keys() == set(get_args(status.State))


def test_a_killed_run_is_stopped_and_keeps_its_place(new_run: New) -> None:
    run = new_run()
    tell(run, phase("load", 1), phase("check", 1), phase("data", 50, 100))
    seen = status.look(run)
    assert seen.state == "stopped"
    assert 0.08 < seen.fraction < 0.5
    again = new_run()
    tell(again, phase("load", 1), phase("check", 1), phase("data", 60, 100), phase("load", 0))
    assert status.look(again).fraction > seen.fraction  # though the process before was further


def test_a_living_run(new_run: New, claim: Claim) -> None:
    run = new_run()
    claim(run)
    assert state_of(run) == "starting"
    run.request_stop()
    assert state_of(run) == "stopping"
    run.clear_stop()
    tell(run, phase("load", 1, 1, 10))
    assert state_of(run) == "running"
    run.request_stop()
    assert state_of(run) == "stopping"
    assert not status.look(run).comparing
    run.begin_last_comparison()
    assert state_of(run) == "stopping"
    assert status.look(run).comparing


def test_a_resumed_run_starts_until_it_speaks(new_run: New, claim: Claim) -> None:
    run = new_run()
    tell(run, phase("unlearn", 1), phase("stopped"))
    claim(run)
    for date in (1, 2**33):  # whatever the clock says
        os.utime(run.path / "telemetry.jsonl", (date, date))
        assert state_of(run) == "starting"
    tell(run, phase("load"))
    for date in (1, 2**33):
        os.utime(run.path / "telemetry.jsonl", (date, date))
        assert state_of(run) == "running"


def test_a_resumed_run_does_not_seem_stopped_while_it_rewinds(new_run: New, claim: Claim) -> None:
    run = new_run()
    tell(run, phase("load"), phase("unlearn", 1), phase("stopped"))
    assert state_of(run) == "stopped"
    claim(run)
    path = run.path / "telemetry.jsonl"
    write(path, b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    assert state_of(run) == "running"


@pytest.mark.parametrize("end", status.ENDS)
def test_a_run_to_go_on_is_queued_while_its_process_ends(new_run: New, end: str, claim: Claim) -> None:
    run = new_run()
    tell(run, phase("unlearn", 1), phase(end))
    claim(run)
    os.utime(run.path / "pid", (1, 1))  # before its last record
    waitlist.join(run)
    assert state_of(run) == "queued"
    assert status.look(run).live  # else the page would look no more


def test_failed(new_run: New) -> None:
    run = new_run()
    tell(run, phase("load"), telemetry.Phase("failed", 0, 1, 0.0, "No memory."))
    assert state_of(run) == "failed"


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


def test_a_file_written_again_is_read_from_its_start(finished: Run) -> None:
    assert len(status.look(finished).steps) == 10
    path = finished.path / "telemetry.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    other = path.with_suffix(".new")
    steps = [k for k, line in enumerate(lines) if b'"kind": "step"' in line]
    other.write_bytes(b"".join(lines[: steps[5]]))
    other.replace(path)
    assert len(status.look(finished).steps) == 5


def test_time_left_needs_something_to_guess_from(new_run: New) -> None:
    run = new_run()
    assert status.look(run).seconds_left is None
    tell(run, phase("load", 1, 1, 4), phase("check", 0, 2, 0))
    assert status.look(run).seconds_left is None
    tell(run, phase("check", 2, 2, 4), phase("data", 0, 100, 0), phase("data", 50, 100, 20))
    seen = status.look(run)
    assert seen.seconds_left == pytest.approx(20 * (1 - seen.fraction) / (seen.fraction - 0.08), rel=0.3)
    assert seen.seconds == 28


def test_a_report_that_is_no_json_is_unreadable(new_run: New) -> None:
    run = new_run()
    (run.path / "report.json").write_text("{")
    seen = status.look(run)
    assert seen.report is None
    assert "unreadable" in seen.unreadable
    (run.path / "report.json").unlink()
    assert status.look(run).unreadable == ""


def test_memory_holds_only_so_many_runs(new_run: New, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "REMEMBERED", 3)
    for _ in range(5):
        status.look(new_run())
    assert len(status._tails) == 3


def test_the_fake_speaks_as_the_contract_says(finished: Run) -> None:
    names = [record.name for record in finished.telemetry()[0] if isinstance(record, telemetry.Phase)]
    assert set(names) == set(telemetry.PHASES)
    assert fake_run.KINDS.keys() == finished.report().groups.keys()  # type: ignore[union-attr]


def test_the_shares_of_the_phases_follow_from_the_config(new_run: New) -> None:
    plain, longer, unknown = (status._shares(new_run(**more)) for more in ({}, {"steps": 1000}, {"model": "no/body"}))
    assert plain.keys() == longer.keys() == unknown.keys() == SHARES.keys()
    assert sum(plain.values()) == pytest.approx(100)
    assert longer["unlearn"] > 80 > plain["unlearn"]
