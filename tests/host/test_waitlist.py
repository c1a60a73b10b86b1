"""The line: first come, first served, fair to every visitor, and still there after a restart."""

from collections.abc import Callable, Iterator

import pytest

from balign.host import limits, scheduler, waitlist
from balign.host.visitors import Visitor
from balign.runs.config import RunConfig
from balign.runs.folder import Run
from tests.host.test_scheduler import wait_for

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
        waitlist.join(run)
    assert waitlist.line() == runs[::-1]
    assert [waitlist.place(run) for run in runs] == [4, 3, 2, 1]
    waitlist.leave(runs[2])
    assert [waitlist.place(run) for run in runs] == [3, 2, 0, 1]
    waitlist.join(runs[2], "evaluate")
    assert waitlist.place(runs[2]) == 4
    assert waitlist.ticket(runs[2]).verb == "evaluate"  # type: ignore[union-attr]


def test_a_clock_that_goes_back_lets_nobody_in_front(new_run: New, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = new_run(), new_run()
    waitlist.join(first)
    monkeypatch.setattr(waitlist.time, "time_ns", lambda: 5)
    waitlist.join(second)
    assert waitlist.line() == [first, second]


@pytest.mark.parametrize("text", ["", "x", "7", "[]", "[1]", '[1, "rm"]', '["1", "run"]', "{}", "[" * 5_000])
def test_a_marker_that_was_tampered_with_is_no_ticket(new_run: New, text: str) -> None:
    run = new_run()
    (run.path / waitlist.FILE).write_text(text)
    assert waitlist.ticket(run) is None
    assert waitlist.line() == []
    scheduler.dispatch()


def test_the_machine_busy_with_a_run_of_the_command_line_is_waited_for(busy: Run) -> None:
    run = scheduler.begin(CONFIG)
    scheduler.dispatch()
    assert waitlist.line() == [run]
    busy.release()
    wait_for(lambda: run.status() == "done")
    assert waitlist.line() == []


def test_one_leaves_the_line_and_the_others_move_up(busy: Run) -> None:
    runs = [scheduler.begin(CONFIG) for _ in range(3)]
    assert scheduler.cancel(runs[0])
    assert not scheduler.cancel(runs[0])
    assert [waitlist.place(run) for run in runs] == [0, 1, 2]
    assert runs[0].status() == "stopped"


def test_a_run_that_had_begun_keeps_its_words_when_it_leaves_the_line(busy: Run, finished: Run) -> None:
    before = finished.telemetry()[0]
    waitlist.join(finished, "evaluate")
    assert scheduler.cancel(finished)
    assert finished.telemetry()[0] == before


def test_the_line_outlives_the_server(busy: Run) -> None:
    runs = [scheduler.begin(CONFIG) for _ in range(2)]
    scheduler._children.clear()  # all that a server knows beside the folders
    scheduler._started.clear()
    busy.release()
    assert waitlist.line() == runs
    wait_for(lambda: runs[1].status() == "done")
    assert runs[0].status() == "done"


@pytest.mark.usefixtures("public")
def test_nobody_fills_the_line_alone(busy: Run, limit: Callable[..., None]) -> None:
    limit(in_line_each=2, in_line=3)
    mine = [scheduler.begin(CONFIG, ANN) for _ in range(2)]
    with pytest.raises(waitlist.Busy, match=r"^2 of your runs are waiting and 1 would join them; at most 2 may wait"):
        scheduler.begin(CONFIG, ANN)
    his = scheduler.begin(CONFIG, BOB)
    assert waitlist.line() == [*mine, his]
    with pytest.raises(waitlist.Busy, match=r"^3 runs are waiting for this machine"):
        scheduler.begin(CONFIG, BOB)
    scheduler.cancel(mine[0])
    again = scheduler.begin(CONFIG, BOB)
    assert waitlist.line() == [mine[1], his, again]


@pytest.mark.usefixtures("public")
def test_several_come_in_together_or_not_at_all(busy: Run, limit: Callable[..., None]) -> None:
    limit(in_line_each=2)
    with pytest.raises(waitlist.Busy, match="3 would join"):
        scheduler.begin_all([CONFIG] * 3, ANN)
    assert waitlist.line() == []
    assert len(scheduler.begin_all([CONFIG] * 2, ANN)) == 2


@pytest.mark.usefixtures("public")
def test_starts_are_counted_by_secret_and_by_address(busy: Run, limit: Callable[..., None]) -> None:
    limit(starts=1, in_line=20, in_line_each=20)
    scheduler.begin(CONFIG, ANN._replace(address="8.8.8.8"))
    with pytest.raises(ValueError, match=r"^1 runs were begun"):
        scheduler.begin(CONFIG, ANN._replace(address="9.9.9.9"))
    for letter in "bc":
        scheduler.begin(CONFIG, Visitor(letter * 43, "8.8.8.8"))
    with pytest.raises(ValueError, match=r"^3 runs were begun"):
        scheduler.begin(CONFIG, Visitor("d" * 43, "8.8.8.8"))


@pytest.mark.usefixtures("public")
def test_a_browser_without_a_secret_begins_nothing() -> None:
    with pytest.raises(ValueError, match="reload it"):
        scheduler.begin(CONFIG)


def test_places_are_said_as_people_say_them() -> None:
    assert [waitlist.ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 112, 1_003)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th", "1,003rd",
    ]  # fmt: skip
    assert limits.LIMITS.in_line > limits.LIMITS.in_line_each
