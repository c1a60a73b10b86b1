"""What the server does by itself: the queue goes on, what is too old or takes too much goes."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from balign.host import disk, housekeeping, limits, processes, scheduler, status, visitors, waitlist
from balign.host.visitors import Visitor
from balign.runs.config import RunConfig
from balign.runs.folder import Run, find, list_runs, runs_root
from tests.conftest import Claim
from tests.host.test_scheduler import wait_for

New = Callable[..., Run]
CONFIG = RunConfig.parse({"erase": ["cat"]})
ANN = Visitor("a" * 43)


def age(run: Run, hours: float) -> None:
    """Let it be so long that the run was last used, as the server counts it."""
    file = runs_root() / disk.IDLE_RUNS
    known = json.loads(file.read_bytes()) if file.exists() else {"seconds": {}}
    known["seconds"][ascii(run.id)] = [disk._mark(run.path, disk.SIGNS), 3600 * hours]
    file.write_text(json.dumps(known))


def test_the_queue_goes_on_while_the_server_is_up(new_run: New, monkeypatch: pytest.MonkeyPatch, claim: Claim) -> None:
    monkeypatch.setattr(housekeeping, "PAUSE", 0.02)
    busy = new_run()
    leave = claim(busy)
    runs = [scheduler.begin(CONFIG) for _ in range(2)]

    async def serve() -> None:
        async with housekeeping.lifespan(None):
            leave()
            while any(status.state(run) != "done" for run in runs):
                await asyncio.sleep(0.02)

    with ThreadPoolExecutor(1) as elsewhere:  # a browser test before this one leaves its loop running in this thread
        elsewhere.submit(lambda: asyncio.run(asyncio.wait_for(serve(), 120))).result()
    assert waitlist.queue() == []


def test_a_round_that_fails_is_not_the_last(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scheduler, "dispatch", fail)
    housekeeping.round_of(0)
    assert "a round of housekeeping failed" in caplog.text


def test_a_round_that_fails_again_in_the_same_way_is_logged_once_and_holds_up_nothing(
    finished: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    swept: list[int] = []
    monkeypatch.setattr(disk, "sweep_uploads", lambda: swept.append(1))
    failures = iter([OSError(28, "full"), OSError(28, "full"), OSError(13, "shut"), None, OSError(13, "shut")])

    def fail() -> None:
        if failure := next(failures):
            raise failure

    monkeypatch.setattr(scheduler, "dispatch", fail)
    counts = []
    for _ in range(5):
        housekeeping.round_of(0)
        counts.append(caplog.text.count("a round of housekeeping failed"))
    assert counts == [1, 1, 2, 2, 3]
    assert len(swept) == 5


@pytest.mark.usefixtures("public")
@pytest.mark.parametrize("days", [4, -4, 40_000])
def test_a_clock_that_is_set_deletes_no_run_and_no_upload_and_keeps_none_for_ever(
    finished: Run, monkeypatch: pytest.MonkeyPatch, later: Callable[[float], None], days: int
) -> None:
    visitors.sign(finished, ANN)
    upload = disk.uploads() / "new"
    upload.mkdir(parents=True)
    housekeeping.round_of(0)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 86_400 * days)
    housekeeping.round_of(0)
    assert list_runs() == [finished]
    assert upload.exists()
    later(3600 * limits.LIMITS.hours + 60)
    housekeeping.round_of(0)
    assert list_runs() == []
    assert not upload.exists()


@pytest.mark.usefixtures("public")
def test_files_of_another_century_expire_like_any(finished: Run, later: Callable[[float], None]) -> None:
    """What was written while the clock was wrong is neither old nor new for that."""
    visitors.sign(finished, ANN)
    for date in (0, 2**33):
        for path in (finished.path / "config.json", disk.uploads() / "a"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            os.utime(path, (date, date))
        housekeeping.round_of(0)
        assert list_runs() == [finished]
        assert (disk.uploads() / "a").exists()
    later(3600 * limits.LIMITS.hours + 60)
    housekeeping.round_of(0)
    assert list_runs() == []
    assert not (disk.uploads() / "a").exists()


@pytest.mark.usefixtures("public")
def test_a_run_that_was_used_meanwhile_stays(finished: Run, later: Callable[[float], None]) -> None:
    visitors.sign(finished, ANN)
    for times in range(5):
        scheduler.sweep()
        finished.rename(f"used {times} times")
        later(3600 * (limits.LIMITS.hours - 1))
    scheduler.sweep()
    assert list_runs() == [finished]
    later(3600 * (limits.LIMITS.hours + 1))
    scheduler.sweep()
    assert list_runs() == []


def test_on_your_own_machine_nothing_expires(finished: Run) -> None:
    age(finished, 10_000)
    housekeeping.round_of(0)
    assert list_runs() == [finished]


@pytest.mark.usefixtures("public")
def test_old_runs_expire_but_not_those_that_wait_or_run(finished: Run, new_run: New, claim: Claim) -> None:
    running, waiting, young, hosts = new_run(), new_run(), new_run(), new_run()
    for run in (finished, running, waiting, young):
        visitors.sign(run, ANN)
    leave = claim(running)
    waitlist.join(waiting)
    for run in (finished, running, waiting, hosts):
        age(run, limits.LIMITS.hours + 1)
    housekeeping.round_of(0)
    assert set(list_runs()) == {running, waiting, young, hosts}
    leave()
    waitlist.leave(waiting)


@pytest.mark.usefixtures("public")
def test_beginning_a_run_sweeps_first(finished: Run) -> None:
    visitors.sign(finished, ANN)
    age(finished, limits.LIMITS.hours + 1)
    begun = scheduler.begin(CONFIG, ANN)
    assert list_runs() == [begun]


@pytest.mark.usefixtures("public")
def test_without_room_nothing_begins(finished: Run, limit: Callable[..., None]) -> None:
    limit(all_bytes=disk.size(finished.path) - 1)
    with pytest.raises(ValueError, match=r"^There is no room for another run at the moment"):
        scheduler.begin(CONFIG, ANN)
    limit(all_bytes=10**12, free_bytes=10**18)
    with pytest.raises(ValueError, match=r"^There is no room for another run at the moment"):
        scheduler.begin(CONFIG, ANN)
    assert list_runs() == [finished]


@pytest.mark.usefixtures("public")
def test_a_run_that_takes_too_long_is_asked_and_then_killed(
    monkeypatch: pytest.MonkeyPatch, limit: Callable[..., None]
) -> None:
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", "import time; time.sleep(600)"))
    run = scheduler.begin(CONFIG, ANN)
    housekeeping.restrain(run)
    assert run.stop_requested() is None
    limit(seconds=-1)
    housekeeping.restrain(run)
    assert run.stop_requested() == "asked"
    run.begin_last_comparison()
    housekeeping.restrain(run)
    assert run.stop_requested() == "comparing"  # for which it has until it is killed
    assert processes.alive(run)
    limit(seconds=-housekeeping.GRACE - 1)
    housekeeping.restrain(run)
    wait_for(lambda: not processes.alive(run))


@pytest.mark.usefixtures("public")
def test_a_run_that_fills_the_disk_is_stopped_without_drawing_more(
    monkeypatch: pytest.MonkeyPatch, limit: Callable[..., None]
) -> None:
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", "import time; time.sleep(600)"))
    limit(run_bytes=10)
    run = scheduler.begin(CONFIG, ANN)
    housekeeping.round_of(housekeeping.ROUNDS)
    assert run.stop_requested() == "now"


@pytest.mark.usefixtures("public")
def test_a_run_of_the_hosts_takes_as_long_as_it_likes(new_run: New, limit: Callable[..., None], claim: Claim) -> None:
    limit(seconds=-1, run_bytes=0)
    run = new_run()
    leave = claim(run)
    housekeeping.round_of(0)
    assert run.stop_requested() is None
    leave()


@pytest.mark.usefixtures("public")
def test_an_expired_run_is_nobodys(finished: Run) -> None:
    visitors.sign(finished, ANN)
    age(finished, limits.LIMITS.hours + 1)
    assert disk.sweep([]) == [finished.id]
    assert find(finished.id) is None
