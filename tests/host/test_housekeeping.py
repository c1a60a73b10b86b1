"""What the server does by itself: the queue goes on, what is too old or takes too much goes."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from balign.host import disk, housekeeping, limits, processes, scheduler, status, visitors, waitlist
from balign.host.visitors import Visitor
from balign.runs.config import RunConfig
from balign.runs.folder import Run, find, list_runs
from tests.conftest import Claim
from tests.host.test_scheduler import wait_for

New = Callable[..., Run]
CONFIG = RunConfig.parse({"erase": ["cat"]})
ANN = Visitor("a" * 43)


def age(run: Run, hours: float) -> None:
    for name in disk.SIGNS:
        if (run.path / name).exists():
            os.utime(run.path / name, (time.time() - 3600 * hours,) * 2)


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
def test_a_run_that_takes_too_long_is_asked_and_then_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", "import time; time.sleep(600)"))
    run = scheduler.begin(CONFIG, ANN)
    late = processes.since(run) + limits.LIMITS.seconds
    housekeeping.restrain(run, late - 1)
    assert run.stop_requested() is None
    housekeeping.restrain(run, late + 1)
    assert run.stop_requested() == "asked"
    run.begin_last_comparison()
    housekeeping.restrain(run, late + 2)
    assert run.stop_requested() == "comparing"  # for which it has until it is killed
    assert processes.alive(run)
    housekeeping.restrain(run, late + housekeeping.GRACE + 1)
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
    assert disk.sweep([], now=time.time() + 3600 * limits.LIMITS.hours + 60) == [finished.id]
    assert find(finished.id) is None
