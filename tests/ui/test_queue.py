"""The line: first come, first served, fair to every visitor, and still there after a restart."""

from collections.abc import Callable, Iterator

import pytest

from balign.run.config import RunConfig
from balign.run.folder import Run
from balign.ui import limits, queue, worker
from balign.ui.owner import Visitor
from tests.ui.test_worker import wait_for

New = Callable[..., Run]
CONFIG = RunConfig.parse({"erase": ["cat"]})
ANN, BOB = Visitor("a" * 43), Visitor("b" * 43)


@pytest.fixture
def busy(new_run: New) -> Iterator[Run]:
    """A run of the command line that has the machine."""
    run = new_run()
    run.claim()
    yield run
    run.release()


def test_first_come_first_served(new_run: New) -> None:
    runs = [new_run() for _ in range(4)]
    for run in reversed(runs):
        queue.join(run)
    assert queue.line() == runs[::-1]
    assert [queue.place(run) for run in runs] == [4, 3, 2, 1]
    queue.leave(runs[2])
    assert [queue.place(run) for run in runs] == [3, 2, 0, 1]
    queue.join(runs[2], "evaluate")
    assert queue.place(runs[2]) == 4
    assert queue.ticket(runs[2]).verb == "evaluate"  # type: ignore[union-attr]


def test_a_clock_that_goes_back_lets_nobody_in_front(new_run: New, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = new_run(), new_run()
    queue.join(first)
    monkeypatch.setattr(queue.time, "time_ns", lambda: 5)
    queue.join(second)
    assert queue.line() == [first, second]


@pytest.mark.parametrize("text", ["", "x", "7", "[]", "[1]", '[1, "rm"]', '["1", "run"]', "{}", "[" * 5_000])
def test_a_marker_that_was_tampered_with_is_no_ticket(new_run: New, text: str) -> None:
    run = new_run()
    (run.path / queue.FILE).write_text(text)
    assert queue.ticket(run) is None
    assert queue.line() == []
    worker.dispatch()


def test_the_machine_busy_with_a_run_of_the_command_line_is_waited_for(busy: Run) -> None:
    run = worker.begin(CONFIG)
    worker.dispatch()
    assert queue.line() == [run]
    busy.release()
    wait_for(lambda: run.status() == "done")
    assert queue.line() == []


def test_one_leaves_the_line_and_the_others_move_up(busy: Run) -> None:
    runs = [worker.begin(CONFIG) for _ in range(3)]
    assert worker.cancel(runs[0])
    assert not worker.cancel(runs[0])
    assert [queue.place(run) for run in runs] == [0, 1, 2]
    assert runs[0].status() == "stopped"


def test_a_run_that_had_begun_keeps_its_words_when_it_leaves_the_line(busy: Run, finished: Run) -> None:
    before = finished.telemetry()[0]
    queue.join(finished, "evaluate")
    assert worker.cancel(finished)
    assert finished.telemetry()[0] == before


def test_the_line_outlives_the_server(busy: Run) -> None:
    runs = [worker.begin(CONFIG) for _ in range(2)]
    worker._children.clear()  # all that a server knows beside the folders
    worker._started.clear()
    busy.release()
    assert queue.line() == runs
    wait_for(lambda: runs[1].status() == "done")
    assert runs[0].status() == "done"


@pytest.mark.usefixtures("public")
def test_nobody_fills_the_line_alone(busy: Run, limit: Callable[..., None]) -> None:
    limit(in_line_each=2, in_line=3)
    mine = [worker.begin(CONFIG, ANN) for _ in range(2)]
    with pytest.raises(queue.Busy, match=r"^2 of your runs are waiting and 1 would join them; at most 2 may wait"):
        worker.begin(CONFIG, ANN)
    his = worker.begin(CONFIG, BOB)
    assert queue.line() == [*mine, his]
    with pytest.raises(queue.Busy, match=r"^3 runs are waiting for this machine"):
        worker.begin(CONFIG, BOB)
    worker.cancel(mine[0])
    again = worker.begin(CONFIG, BOB)
    assert queue.line() == [mine[1], his, again]


@pytest.mark.usefixtures("public")
def test_several_come_in_together_or_not_at_all(busy: Run, limit: Callable[..., None]) -> None:
    limit(in_line_each=2)
    with pytest.raises(queue.Busy, match="3 would join"):
        worker.begin_all([CONFIG] * 3, ANN)
    assert queue.line() == []
    assert len(worker.begin_all([CONFIG] * 2, ANN)) == 2


@pytest.mark.usefixtures("public")
def test_starts_are_counted_by_secret_and_by_address(busy: Run, limit: Callable[..., None]) -> None:
    limit(starts=1, in_line=20, in_line_each=20)
    worker.begin(CONFIG, ANN._replace(address="8.8.8.8"))
    with pytest.raises(ValueError, match=r"^1 runs were begun"):
        worker.begin(CONFIG, ANN._replace(address="9.9.9.9"))
    for letter in "bc":
        worker.begin(CONFIG, Visitor(letter * 43, "8.8.8.8"))
    with pytest.raises(ValueError, match=r"^3 runs were begun"):
        worker.begin(CONFIG, Visitor("d" * 43, "8.8.8.8"))


@pytest.mark.usefixtures("public")
def test_a_browser_without_a_secret_begins_nothing() -> None:
    with pytest.raises(ValueError, match="reload it"):
        worker.begin(CONFIG)


def test_places_are_said_as_people_say_them() -> None:
    assert [queue.ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 112, 1_003)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th", "1,003rd",
    ]  # fmt: skip
    assert limits.LIMITS.in_line > limits.LIMITS.in_line_each
