"""The handlers of the Erase tab: a sentence for every refusal, only news on the wire, nothing believed of a browser."""

from collections.abc import Callable
from typing import Any

import pytest

from balign import telemetry
from balign.host import processes, status, waitlist
from balign.host.visitors import Visitor
from balign.refusal import Refusal
from balign.runs.folder import Run, list_runs
from balign.ui.erase_tab import erase_handlers
from balign.ui.page import NO_RUN, Answer, Caller, answering, caller
from tests.conftest import Claim
from tests.host.test_scheduler import wait_for

EVIL = "<img src=x onerror=alert(1)>"
NOBODY = Caller(Visitor(), None)


def start(**values: Any) -> Caller:
    """Press Erase; whoever sees the run then."""
    return caller(erase_handlers.start(NOBODY, values)["browser"])


def run_of(who: Caller) -> Run:
    assert who.run is not None
    return who.run


def shown(run: Run) -> Answer:
    """Everything a page of this run shows."""
    return erase_handlers.refresh(caller({"run": run.id}), {})


def test_erase_starts_a_run_and_gives_its_id() -> None:
    answer = erase_handlers.start(NOBODY, {"erase": "cat"})
    assert answer["notice"] == ""
    who = caller(answer["browser"])
    wait_for(lambda: not processes.alive(run_of(who)))
    updates = erase_handlers.refresh(who, {})
    assert "is gone" in updates["outcome"]["value"]
    assert updates["timer"].active is False
    assert erase_handlers.refresh(who, updates["sent"]) == {}


def test_several_seeds_are_several_runs_and_the_first_is_shown() -> None:
    answer = erase_handlers.start(NOBODY, {"erase": "cat", "seed": "4, 6"})
    assert "2 runs, one per seed" in answer["notice"]
    runs = sorted(list_runs(), key=lambda run: run.config.seed)
    assert [run.config.seed for run in runs] == [4, 6]
    assert answer["browser"]["run"] == runs[0].id
    wait_for(lambda: not any(processes.alive(run) or waitlist.ticket(run) for run in runs))
    assert all(run.report() for run in runs)


@pytest.mark.parametrize(
    "values", [{}, {"erase": EVIL}, {"erase": "cat", "seed": -1}, {"erase": "cat", "keep": "a cat"}]
)
def test_a_refusal_is_one_escaped_sentence_and_makes_no_folder(values: dict[str, Any]) -> None:
    message = answering(erase_handlers.start, "The run could not be started", "notice")(NOBODY, values)["notice"]
    assert message.startswith('<p class="notice refused" role="alert">')
    assert "<img" not in message
    assert "Traceback" not in message
    assert list_runs() == []


def test_stop_and_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0.05")
    who = start(erase="cat")
    run = run_of(who)
    assert erase_handlers.stop(who, keep=False) == {"notice": ""}
    wait_for(lambda: not processes.alive(run))
    updates = shown(run)
    assert "thrown away" in updates["progress"]
    assert updates["resume"]["visible"] is True
    assert updates["stop"]["visible"] is False
    assert "Nothing is running here." in erase_handlers.stop(who, keep=False)["notice"]
    assert erase_handlers.resume(who) == {"notice": ""}
    wait_for(lambda: not processes.alive(run))
    assert status.state(run) == "done"


def test_a_queued_run_says_its_place_and_can_leave(new_run: Callable[..., Run], claim: Claim) -> None:
    claim(new_run())
    for place in ("1st", "2nd"):
        who = start(erase="cat")
        updates = erase_handlers.refresh(who, {})
        assert f"{place} in the queue" in updates["progress"]
    assert updates["stop"] == {"visible": True, "interactive": True, "__type__": "update"}
    assert updates["stop_keep"]["visible"] is False
    assert updates["timer"].active is True
    assert erase_handlers.stop(who, keep=False) == {"notice": ""}
    updates = erase_handlers.refresh(who, {})
    assert "Taken out of the queue" in updates["progress"]
    assert updates["resume"]["visible"] is True
    assert len(waitlist.queue()) == 1


def test_stop_and_keep_offers_to_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0.05")
    who = start(erase="cat")
    erase_handlers.stop(who, keep=True)
    wait_for(lambda: not processes.alive(run_of(who)))
    updates = erase_handlers.refresh(who, {})
    assert updates["compare"]["visible"] is True
    assert "Changed weights" in updates["outcome"]["value"]


def test_failure_shows_its_sentence_escaped(new_run: Callable[..., Run]) -> None:
    run = new_run()
    telemetry.append(run.path / "telemetry.jsonl", telemetry.Phase("failed", 0, 1, 0.0, f"Bad {EVIL}."))
    progress = shown(run)["progress"]
    assert "Bad &lt;img" in progress
    assert "<img src=x" not in progress


@pytest.mark.parametrize(
    "browser", [None, "", 7, [], {}, {"run": None}, {"run": "../../etc"}, {"run": {"a": 1}}, {"run": EVIL}]
)
def test_nothing_is_believed_that_a_browser_says(browser: object) -> None:
    who = caller(browser)
    assert "What will happen" in erase_handlers.refresh(who, None)["live"]
    assert "Nothing is running here." in erase_handlers.stop(who, keep=True)["notice"]
    for work in (erase_handlers.resume, erase_handlers.compare):
        with pytest.raises(Refusal, match=NO_RUN[:20]):
            work(who)
    assert erase_handlers.attach(who) == {"browser": {"run": ""}, "notice": ""}


def test_the_link_wins_over_the_store_and_fills_the_form(new_run: Callable[..., Run]) -> None:
    mine, linked = new_run(), new_run(erase=["dog"], keep=["horse"])

    def attach(link: str | None) -> Answer:
        return erase_handlers.attach(caller({"run": mine.id})._replace(link=link))

    assert attach(None)["browser"] == {"run": mine.id}
    answer = attach(linked.id)
    assert (answer["browser"], answer["notice"]) == ({"run": linked.id}, "")
    assert (answer["erase"], answer["keep"]) == ("dog", "horse")
    assert attach("") == {"browser": {"run": ""}, "notice": ""}
    assert "not here any more" in attach(EVIL)["notice"]
    assert EVIL not in attach(EVIL)["notice"]


def test_a_link_to_an_unreadable_config_is_a_sentence(new_run: Callable[..., Run]) -> None:
    run = new_run()
    (run.path / "config.json").write_text("{")
    answer = erase_handlers.attach(Caller(Visitor(), None, run.id))
    assert answer["browser"] == {"run": ""}
    assert "a config that cannot be read" in answer["notice"]


def test_what_the_page_says_of_a_model_and_a_method() -> None:
    assert "px" in erase_handlers.model_info(NOBODY, "emoji")["model"]["info"]
    refused = erase_handlers.model_info(NOBODY, EVIL)["model"]["info"]
    assert "There is no model" in refused
    assert "<img" not in refused
    answer = erase_handlers.method_info(NOBODY, "rgd")
    assert answer["method"]["info"]
    assert answer["steps"]["placeholder"].isdigit()


def test_a_run_that_cannot_be_started_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(processes.subprocess, "Popen", refuse)
    run = run_of(start(erase="cat"))
    assert "It could not be started yet: Cannot allocate memory. It keeps its place" in shown(run)["progress"]
    assert "1st in the queue" in shown(run)["progress"]


@pytest.mark.parametrize(("log", "word"), [("", "as on a full disk"), ("Traceback", "log.txt in the run")])
def test_a_run_without_a_last_word_names_the_log_only_if_it_says_something(
    new_run: Callable[..., Run], log: str, word: str
) -> None:
    run = new_run()
    (run.path / processes.STARTER).touch()  # a process was started, and nothing was written
    (run.path / "log.txt").write_text(log)
    assert word in shown(run)["progress"].replace("&#39;", "'")
