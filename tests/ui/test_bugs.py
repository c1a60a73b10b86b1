"""A bug of ours, planted in every handler of the Try and Runs tabs: logged with its trace, never shown as a refusal."""

import errno
import logging
from collections.abc import Callable
from typing import Any

import gradio as gr
import pytest
from markupsafe import escape

from balign.runs.folder import Run
from balign.ui import page
from balign.ui.page import BUG, Answer, Page, answering, caller
from balign.ui.runs_tab import run_actions, runs_layout
from balign.ui.try_tab import blind_vote, try_actions, try_layout

ATTACK = {"attacks": ["rounding"], "tokens": "2", "steps": 50, "pictures": 4, "control": "", "concept": None}
Bug = Callable[..., Any]
FINDER: dict[str, Any] = {"search": "", "state": "", "method": "", "shown": 12, "sent": {}, "compared": []}
BUGS: dict[str, Bug] = {
    "RuntimeError": lambda *args, **options: _raise(RuntimeError("planted")),
    "ValueError": lambda *args, **options: list(zip([1], [], strict=True)),
}
PLANTS: list[tuple[Callable[..., Answer], tuple[Any, ...], str]] = [
    (try_layout.refreshed, ({},), "balign.runs.tryout.store.tries"),
    (try_actions.draw_prompt, ("a cat", "0", 1), "balign.host.scheduler.draw"),
    (try_actions.draw_strengths, (), "balign.host.scheduler.draw"),
    (try_actions.draw_probes, (), "balign.host.scheduler.draw"),
    (try_actions.attack, (ATTACK,), "balign.host.attacking.begin"),
    (try_actions.export, ("1.00",), "balign.host.disk.check_growth"),
    (try_actions.stop, (), "balign.host.processes.alive"),
    (blind_vote.arrive, ({},), "balign.runs.tryout.ballots.tally"),
    (blind_vote.begin, ({},), "balign.runs.tryout.ballots.new"),
    (blind_vote.end, ({},), "balign.runs.tryout.ballots.tally"),
    (runs_layout.refreshed, (FINDER,), "balign.host.listing.entries"),
    (run_actions.compare, ("{run} {run}",), "balign.host.visitors.owns"),
    (run_actions.use_settings, ("{run}",), "balign.ui.form.filled"),
    (run_actions.rename, ("{run}", "x"), "balign.runs.folder.Run.rename"),
    (run_actions.ask_delete, ("{run}",), "balign.host.listing.entry"),
    (run_actions.delete, ("{run}",), "balign.host.scheduler.delete"),
    (run_actions.run_methods, ("{run}", ["esd"]), "balign.host.scheduler.begin_all"),
    (run_actions.reproduce_zip, ("x.zip",), "balign.runs.outcome.zip_check.read"),
]


def _raise(error: Exception) -> None:
    raise error


def honest(message: str, records: list[logging.LogRecord]) -> bool:
    """Whether the message owns up to a bug, and the log has its trace."""
    (record,) = [record for record in records if record.levelno == logging.ERROR]
    owned_up = 'class="notice failed"' in message and escape(BUG) in message and "refused" not in message
    return owned_up and record.exc_info is not None


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS)
@pytest.mark.parametrize(("work", "values", "place"), PLANTS, ids=lambda value: getattr(value, "__qualname__", None))
def test_a_bug_below_a_handler_is_no_refusal(
    finished: Run,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    work: Callable[..., Answer],
    values: tuple[Any, ...],
    place: str,
    bug: Bug,
) -> None:
    values = tuple(value.format(run=finished.id) if isinstance(value, str) else value for value in values)
    who = caller({"run": finished.id})
    monkeypatch.setattr(place, bug)
    answer = answering(work, "It could not be done", "say")(who, *values)
    assert honest(answer["say"], caplog.records)


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS)
def test_a_bug_while_a_vote_is_cast_is_no_refusal(
    finished: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, bug: Bug
) -> None:
    who = caller({"run": finished.id})
    ballot = blind_vote.begin(who)["ballot"]
    monkeypatch.setattr("balign.runs.tryout.ballots.cast", bug)
    answer = answering(blind_vote.choose, "The vote could not be counted", "say")(who, ballot, "a")
    assert honest(answer["say"], caplog.records)


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS)
@pytest.mark.parametrize(("tab", "events"), [(try_layout, 12), (runs_layout, 16)], ids=["try", "runs"])
def test_every_event_of_a_tab_is_guarded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tab: Any, events: int, bug: Bug
) -> None:
    guard = page.answering
    monkeypatch.setattr(page, "answering", lambda work, failure, say: guard(bug, failure, say))
    with gr.Blocks() as blocks:
        shared = Page(blocks, gr.HTML(), {}, gr.Button(), lambda event: event)
        with gr.Tab("Tab"):
            tab.build(shared)
    handlers = [event for event in blocks.fns.values() if event.fn is not None]
    assert len(handlers) >= events
    for event in handlers:
        caplog.clear()
        answer = event.fn(None, {}, *[None] * (len(event.inputs) - 1))
        assert len(answer) == 1
        assert set(answer) <= set(event.outputs)
        assert honest(next(iter(answer.values())), caplog.records)


@pytest.mark.parametrize(("number", "traced"), [(errno.ENOSPC, False), (errno.EIO, True)])
def test_a_full_disk_is_one_line_of_the_log(number: int, traced: bool, caplog: pytest.LogCaptureFixture) -> None:
    def work() -> Answer:
        raise OSError(number, "it refused")

    answer = answering(work, "The run could not be started", "say")()
    assert "The run could not be started: it refused." in answer["say"]
    (record,) = caplog.records
    assert record.getMessage().startswith("The run could not be started: [Errno ")
    assert bool(record.exc_info) is traced
