"""The queue: first come, first served, fair to every visitor, and still there after a restart."""

import time
from collections.abc import Callable, Iterator

import pytest

from balign.atomic import write
from balign.host import processes, scheduler, status, visitors, waitlist
from balign.host.visitors import Visitor
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.folder import Run
from tests.conftest import Claim
from tests.host.test_scheduler import wait_for

New = Callable[..., Run]
CONFIG = RunConfig.parse({"erase": ["cat"]})
ANN, BOB = Visitor("a" * 43), Visitor("b" * 43)


@pytest.fixture
def busy(new_run: New) -> Iterator[Run]:
    """A run of the command line that has the machine."""
    run = new_run()
    with run.claim():
        yield run


def test_first_come_first_served(new_run: New) -> None:
    runs = [new_run() for _ in range(4)]
    for run in reversed(runs):
        waitlist.join(run)
    assert waitlist.queue() == runs[::-1]
    assert [waitlist.place(run) for run in runs] == [4, 3, 2, 1]
    waitlist.leave(runs[2])
    assert [waitlist.place(run) for run in runs] == [3, 2, 0, 1]
    waitlist.join(runs[2], "evaluate")
    assert waitlist.place(runs[2]) == 4
    assert waitlist.ticket(runs[2]).verb == "evaluate"  # type: ignore[union-attr]


def test_a_clock_that_goes_back_or_a_marker_of_before_lets_nobody_in_front(
    new_run: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, *runs = (new_run() for _ in range(3))
    write(first.path / waitlist.FILE, f'[{time.time_ns()}, "run"]')  # as the numbers were once
    for now, run in enumerate(reversed(runs)):
        monkeypatch.setattr(time, "time_ns", lambda now=now: -now)
        waitlist.join(run)
    assert waitlist.queue() == [first, *reversed(runs)]


@pytest.mark.parametrize("number", [2**63 - 1, 2**63, 10**400, 10**4299])
def test_a_marker_with_a_huge_number_does_not_keep_others_from_joining(new_run: New, number: int) -> None:
    odd, run = new_run(), new_run()
    (odd.path / waitlist.FILE).write_text(f'[{number}, "run"]')
    waitlist.join(run)
    assert waitlist.queue()[-1] == run


@pytest.mark.parametrize("text", ["", "x", "7", "[]", "[1]", '[1, "rm"]', '["1", "run"]', "{}", "[" * 5_000])
def test_a_marker_that_was_tampered_with_is_no_ticket(new_run: New, text: str) -> None:
    run = new_run()
    (run.path / waitlist.FILE).write_text(text)
    assert waitlist.ticket(run) is None
    assert waitlist.queue() == []
    scheduler.dispatch()


def test_a_run_of_the_command_line_is_waited_for(new_run: New, claim: Claim) -> None:
    leave = claim(new_run())
    run = scheduler.begin(CONFIG)
    scheduler.dispatch()
    assert waitlist.queue() == [run]
    leave()
    wait_for(lambda: status.state(run) == "done")
    assert waitlist.queue() == []


def test_one_leaves_the_queue_and_the_others_move_up(busy: Run) -> None:
    runs = [scheduler.begin(CONFIG) for _ in range(3)]
    assert scheduler.cancel(runs[0])
    assert not scheduler.cancel(runs[0])
    assert [waitlist.place(run) for run in runs] == [0, 1, 2]
    assert status.state(runs[0]) == "stopped"


def test_a_begun_run_keeps_its_records_when_it_leaves(busy: Run, finished: Run) -> None:
    before = finished.telemetry()[0]
    waitlist.join(finished, "evaluate")
    assert scheduler.cancel(finished)
    assert finished.telemetry()[0] == before


def test_the_queue_outlives_the_server(new_run: New, claim: Claim) -> None:
    leave = claim(new_run())
    runs = [scheduler.begin(CONFIG) for _ in range(2)]
    processes._children.clear()  # all that a server knows besides the folders
    leave()
    assert waitlist.queue() == runs
    wait_for(lambda: status.state(runs[1]) == "done")
    assert status.state(runs[0]) == "done"


@pytest.mark.usefixtures("public")
def test_nobody_fills_the_queue_alone(busy: Run, limit: Callable[..., None]) -> None:
    limit(queued_each=2, queued=3)
    mine = [scheduler.begin(CONFIG, ANN) for _ in range(2)]
    with pytest.raises(Refusal, match=r"^2 of your runs are waiting and 1 would join them; at most 2 may wait"):
        scheduler.begin(CONFIG, ANN)
    his = scheduler.begin(CONFIG, BOB)
    assert waitlist.queue() == [*mine, his]
    with pytest.raises(Refusal, match=r"^3 runs are waiting for this machine"):
        scheduler.begin(CONFIG, BOB)
    scheduler.cancel(mine[0])
    again = scheduler.begin(CONFIG, BOB)
    assert waitlist.queue() == [mine[1], his, again]


@pytest.mark.usefixtures("public")
def test_several_come_in_together_or_not_at_all(busy: Run, limit: Callable[..., None]) -> None:
    limit(queued_each=2)
    with pytest.raises(Refusal, match="3 would join"):
        scheduler.begin_all([CONFIG] * 3, ANN)
    assert waitlist.queue() == []
    assert len(scheduler.begin_all([CONFIG] * 2, ANN)) == 2


@pytest.mark.usefixtures("public")
def test_starts_are_counted_by_secret_and_by_address(busy: Run, limit: Callable[..., None]) -> None:
    limit(starts=1, queued=20, queued_each=20, queued_from=20)
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


@pytest.mark.usefixtures("public")
def test_an_address_fills_the_queue_no_more_than_a_visitor(busy: Run, limit: Callable[..., None]) -> None:
    limit(queued_from=3)
    waiting = [scheduler.begin(CONFIG, Visitor(letter * 43, "8.8.8.8")) for letter in "abc"]
    for letter in "defghij":
        with pytest.raises(
            Refusal, match=r"^3 runs from your address are waiting and 1 would join them; at most 3 may"
        ):
            scheduler.begin(CONFIG, Visitor(letter * 43, "8.8.8.8"))
    other = scheduler.begin(CONFIG, Visitor("k" * 43, "9.9.9.9"))
    with pytest.raises(Refusal, match="from your address"):
        scheduler.resume(stopped_run("l"), "run", Visitor("l" * 43, "8.8.8.8"))
    assert waitlist.queue() == [*waiting, other]
    assert "8.8.8.8" not in "".join(path.read_text() for path in waiting[0].path.iterdir() if path.is_file())
    scheduler.cancel(waiting[0])
    scheduler.begin(CONFIG, Visitor("m" * 43, "8.8.8.8"))


def stopped_run(letter: str) -> Run:
    """A run of this visitor that was stopped."""
    run = Run.create(CONFIG)
    visitors.sign(run, Visitor(letter * 43))
    return run


@pytest.mark.usefixtures("public")
def test_a_marker_of_before_is_still_a_ticket(busy: Run, new_run: New) -> None:
    run = new_run()
    (run.path / waitlist.FILE).write_text('[17, "evaluate"]')
    assert waitlist.ticket(run) == waitlist.Ticket(17, "evaluate", "")
    scheduler.begin(CONFIG, ANN)
    assert waitlist.place(run) == 1


@pytest.mark.usefixtures("public")
@pytest.mark.parametrize("verb", ["run", "evaluate"])
def test_repeated_work_counts_as_a_start(verb: waitlist.Verb, busy: Run, limit: Callable[..., None]) -> None:
    limit(starts=3)
    run = scheduler.begin(CONFIG, ANN)
    for _ in range(2):
        scheduler.cancel(run)
        scheduler.resume(run, verb, ANN)
        scheduler.resume(run, verb, ANN)  # it waits already: nothing happens, and nothing is counted
    scheduler.cancel(run)
    with pytest.raises(Refusal, match=r"^3 runs were begun from here within an hour"):
        scheduler.resume(run, verb, ANN)
    assert waitlist.queue() == []


@pytest.mark.usefixtures("public")
def test_several_runs_of_one_press_are_as_many_starts(busy: Run, limit: Callable[..., None]) -> None:
    limit(starts=4, queued_each=20, queued_from=20)
    scheduler.begin_all([CONFIG] * 3, ANN)
    with pytest.raises(
        Refusal, match=r"^4 runs may be begun, and 2 were asked for, from here within an hour; try again"
    ):
        scheduler.begin_all([CONFIG] * 2, ANN)
    scheduler.begin(CONFIG, ANN)
    with pytest.raises(Refusal, match="ask for less"):
        scheduler.begin_all([CONFIG] * 5, BOB)


@pytest.mark.usefixtures("public")
def test_the_images_of_an_hour_are_counted_by_secret_and_by_address(busy: Run, limit: Callable[..., None]) -> None:
    large = RunConfig.parse({"erase": ["cat"], "n_forget": 300, "n_retain": 300, "n_eval": 4, "preview_every": 0})
    limit(images_each=700, queued_each=20, queued_from=20)
    scheduler.begin(large, Visitor("a" * 43, "8.8.8.8"))
    for address in ("8.8.8.8", "9.9.9.9"):
        with pytest.raises(Refusal, match=r"^700 images may be drawn from here within an hour; try again"):
            scheduler.begin(large, Visitor("a" * 43, address))
    for letter in "bc":
        scheduler.begin(large, Visitor(letter * 43, "8.8.8.8"))
    with pytest.raises(Refusal, match=r"^2,100 images may be drawn from here"):
        scheduler.begin(large, Visitor("d" * 43, "8.8.8.8"))
    assert len(waitlist.queue()) == 3


@pytest.mark.usefixtures("public")
def test_a_start_that_there_is_no_room_for_is_not_counted(busy: Run, limit: Callable[..., None]) -> None:
    limit(starts=1, all_bytes=-1)
    for _ in range(5):
        with pytest.raises(Refusal, match="no room"):
            scheduler.begin(CONFIG, ANN)
    limit(starts=1, all_bytes=10**12, free_bytes=0)
    scheduler.begin(CONFIG, ANN)
