"""What the server does by itself: the line goes on, what is too old or takes too much goes."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from balign.run.config import RunConfig
from balign.run.folder import Run, list_runs
from balign.ui import keeper, limits, owner, queue, room, worker
from balign.ui.owner import Visitor

New = Callable[..., Run]
CONFIG = RunConfig.parse({"erase": ["cat"]})
ANN = Visitor("a" * 43)


def age(run: Run, hours: float) -> None:
    for name in room.SIGNS:
        if (run.path / name).exists():
            os.utime(run.path / name, (time.time() - 3600 * hours,) * 2)


def test_the_line_goes_on_while_the_server_is_up(new_run: New, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "PAUSE", 0.02)
    busy = new_run()
    busy.claim()
    runs = [worker.begin(CONFIG) for _ in range(2)]

    async def serve() -> None:
        async with keeper.lifespan(None):
            busy.release()
            while any(run.status() != "done" for run in runs):
                await asyncio.sleep(0.02)

    with ThreadPoolExecutor(1) as elsewhere:  # a browser test before this one leaves its loop running in this thread
        elsewhere.submit(lambda: asyncio.run(asyncio.wait_for(serve(), 120))).result()
    assert queue.line() == []


def test_a_round_that_fails_is_not_the_last(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(worker, "dispatch", fail)
    keeper.round_of(0)
    assert "a round of the keeper failed" in caplog.text


def test_on_ones_own_machine_nothing_expires(finished: Run) -> None:
    age(finished, 10_000)
    keeper.round_of(0)
    assert list_runs() == [finished]


@pytest.mark.usefixtures("public")
def test_old_runs_expire_but_not_those_that_wait_or_run(finished: Run, new_run: New) -> None:
    running, waiting, young, hosts = new_run(), new_run(), new_run(), new_run()
    for run in (finished, running, waiting, young):
        owner.sign(run, ANN)
    running.claim()
    queue.join(waiting)
    for run in (finished, running, waiting, hosts):
        age(run, limits.LIMITS.hours + 1)
    keeper.round_of(0)
    assert set(list_runs()) == {running, waiting, young, hosts}
    running.release()
    queue.leave(waiting)


@pytest.mark.usefixtures("public")
def test_beginning_a_run_sweeps_first(finished: Run) -> None:
    owner.sign(finished, ANN)
    age(finished, limits.LIMITS.hours + 1)
    begun = worker.begin(CONFIG, ANN)
    assert list_runs() == [begun]


@pytest.mark.usefixtures("public")
def test_without_room_nothing_begins(finished: Run, limit: Callable[..., None]) -> None:
    limit(all_bytes=room.size(finished.path) - 1)
    with pytest.raises(ValueError, match=r"^There is no room for another run at the moment"):
        worker.begin(CONFIG, ANN)
    limit(all_bytes=10**12, free_bytes=10**18)
    with pytest.raises(ValueError, match=r"^There is no room for another run at the moment"):
        worker.begin(CONFIG, ANN)
    assert list_runs() == [finished]


@pytest.mark.usefixtures("public")
def test_a_run_that_takes_too_long_is_asked_to_stop_and_then_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "COMMAND", (sys.executable, "-c", "import time; time.sleep(600)"))
    run = worker.begin(CONFIG, ANN)
    late = worker.started(run) + limits.LIMITS.seconds
    keeper.restrain(run, late - 1)
    assert run.stop_requested() is None
    keeper.restrain(run, late + 1)
    assert run.stop_requested() == "keep"
    assert worker.alive(run)
    keeper.restrain(run, late + keeper.GRACE + 1)
    worker._children[run.id].wait()
    assert not worker.alive(run)


@pytest.mark.usefixtures("public")
def test_a_run_that_fills_the_disk_is_stopped_without_keeping(
    monkeypatch: pytest.MonkeyPatch, limit: Callable[..., None]
) -> None:
    monkeypatch.setattr(worker, "COMMAND", (sys.executable, "-c", "import time; time.sleep(600)"))
    limit(run_bytes=10)
    run = worker.begin(CONFIG, ANN)
    keeper.round_of(keeper.ROUNDS)
    assert run.stop_requested() == "discard"


@pytest.mark.usefixtures("public")
def test_a_run_of_the_hosts_takes_as_long_as_it_likes(new_run: New, limit: Callable[..., None]) -> None:
    limit(seconds=-1, run_bytes=0)
    run = new_run()
    run.claim()
    keeper.round_of(0)
    assert run.stop_requested() is None
    run.release()


@pytest.mark.usefixtures("public")
def test_an_expired_run_is_nobodys(finished: Run) -> None:
    owner.sign(finished, ANN)
    assert room.sweep([], now=time.time() + 3600 * limits.LIMITS.hours + 60) == [finished.id]
    assert worker.find(finished.id) is None
