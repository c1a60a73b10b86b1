"""One run that waits is queued, and called so, wherever its state is shown."""

from collections.abc import Callable

from rich.console import Console

from balign import terminal
from balign.host import listing, scheduler, status, waitlist
from balign.runs.config import RunConfig
from balign.runs.folder import Run
from balign.runs.outcome.comparison import compare
from balign.ui.api import endpoints
from balign.ui.erase_tab import panels
from tests.conftest import Claim


def test_a_waiting_run_is_queued_everywhere(new_run: Callable[..., Run], finished: Run, claim: Claim) -> None:
    claim(new_run())
    run = scheduler.begin(RunConfig.parse({"erase": ["cat"]}))
    assert waitlist.queue() == [run]
    assert status.state(run) == status.look(run).state == "queued"
    assert "1st in the queue" in panels.progress(status.look(run))  # the page
    assert listing.entry(run).state == "queued"  # the list
    answer = endpoints.status(run.id)
    assert (answer["state"], answer["place"]) == ("queued", 1)
    console = Console(width=200)
    with console.capture() as printed:
        console.print(terminal.comparison(compare([finished, run])))
    assert status.STATES["queued"] in printed.get()
