"""The handlers: a sentence for every refusal, only news on the wire, nothing believed that a browser says."""

from collections.abc import Callable
from typing import Any

import pytest

from balign.host import processes, scheduler, status, waitlist
from balign.runs.folder import Run, find, list_runs
from balign.ui.erase_tab import erase_handlers
from tests.conftest import Claim
from tests.host.test_scheduler import wait_for

EVIL = "<img src=x onerror=alert(1)>"


def test_erase_starts_a_run_and_gives_its_id() -> None:
    browser, words = erase_handlers.start({"erase": "cat"})
    run = find(browser["run"])
    assert run is not None
    assert words == ""
    wait_for(lambda: not processes.alive(run))
    updates, told = erase_handlers.refresh(browser, {})
    assert "is gone" in updates["outcome"]["value"]
    assert updates["timer"].active is False
    assert erase_handlers.refresh(browser, told) == ({}, told)


def test_several_seeds_are_several_runs_of_which_the_first_is_shown() -> None:
    browser, words = erase_handlers.start({"erase": "cat", "seed": "4, 6"})
    assert "2 runs, one a seed" in words
    runs = sorted(list_runs(), key=lambda run: run.config.seed)
    assert [run.config.seed for run in runs] == [4, 6]
    assert browser["run"] == runs[0].id
    wait_for(lambda: not any(processes.alive(run) or waitlist.ticket(run) for run in runs))
    assert all(run.report() for run in runs)


@pytest.mark.parametrize(
    "values", [{}, {"erase": EVIL}, {"erase": "cat", "seed": -1}, {"erase": "cat", "keep": "a cat"}]
)
def test_a_refusal_is_one_escaped_sentence_and_makes_no_folder(values: dict[str, Any]) -> None:
    _, words = erase_handlers.start(values)
    assert words.startswith('<p class="notice refused" role="alert">')
    assert "<img" not in words
    assert "Traceback" not in words
    assert list_runs() == []


def test_a_full_disk_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: object) -> Run:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(scheduler, "begin_all", full)
    assert "The run could not be started: No space left on device." in erase_handlers.start({"erase": "cat"})[1]


def test_stop_and_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0.05")
    browser, _ = erase_handlers.start({"erase": "cat"})
    run = find(browser["run"])
    assert run is not None
    assert erase_handlers.stop(browser, keep=False) == ""
    wait_for(lambda: not processes.alive(run))
    updates, _ = erase_handlers.refresh(browser, {})
    assert "thrown away" in updates["progress"]
    assert updates["resume"]["visible"] is True
    assert updates["stop"]["visible"] is False
    assert "Nothing is running here." in erase_handlers.stop(browser, keep=False)
    assert erase_handlers.resume(browser) == ""
    wait_for(lambda: not processes.alive(run))
    assert status.state(run) == "done"


def test_a_run_that_waits_says_where_and_can_leave_the_line(new_run: Callable[..., Run], claim: Claim) -> None:
    busy = new_run()
    leave = claim(busy)
    for place in ("1st", "2nd"):
        browser, _ = erase_handlers.start({"erase": "cat"})
        updates, _ = erase_handlers.refresh(browser, {})
        assert f"{place} in the queue" in updates["progress"]
    assert updates["stop"] == {"visible": True, "interactive": True, "__type__": "update"}
    assert updates["stop_keep"]["visible"] is False
    assert updates["timer"].active is True
    assert erase_handlers.stop(browser, keep=False) == ""
    updates, _ = erase_handlers.refresh(browser, {})
    assert "Taken out of the queue" in updates["progress"]
    assert updates["resume"]["visible"] is True
    assert len(waitlist.queue()) == 1
    leave()


def test_stop_and_keep_offers_to_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0.05")
    browser, _ = erase_handlers.start({"erase": "cat"})
    run = find(browser["run"])
    assert run is not None
    erase_handlers.stop(browser, keep=True)
    wait_for(lambda: not processes.alive(run))
    updates, _ = erase_handlers.refresh(browser, {})
    assert updates["compare"]["visible"] is True
    assert "Changed weights" in updates["outcome"]["value"]


def test_failure_shows_its_sentence_escaped(new_run: Callable[..., Run]) -> None:
    from balign import telemetry

    run = new_run()
    telemetry.append(run.path / "telemetry.jsonl", telemetry.Phase("failed", 0, 1, 0.0, f"Bad {EVIL}."))
    updates, _ = erase_handlers.refresh({"run": run.id}, {})
    assert "Bad &lt;img" in updates["progress"]
    assert "<img src=x" not in updates["progress"]


@pytest.mark.parametrize(
    "browser", [None, "", 7, [], {}, {"run": None}, {"run": "../../etc"}, {"run": {"a": 1}}, {"run": EVIL}]
)
def test_nothing_is_believed_that_a_browser_says(browser: object) -> None:
    updates, _ = erase_handlers.refresh(browser, None)
    assert "What will happen" in updates["live"]
    assert erase_handlers.stop(browser, keep=True)
    assert erase_handlers.resume(browser)
    assert erase_handlers.attach(browser, None) == ({"run": ""}, "", {})


def test_the_link_wins_over_the_store_and_fills_the_form(new_run: Callable[..., Run]) -> None:
    mine, linked = new_run(), new_run(erase=["dog"], keep=["horse"])
    assert erase_handlers.attach({"run": mine.id}, None)[0] == {"run": mine.id}
    browser, words, form = erase_handlers.attach({"run": mine.id}, linked.id)
    assert (browser, words) == ({"run": linked.id}, "")
    assert (form["erase"], form["keep"]) == ("dog", "horse")
    assert erase_handlers.attach({"run": mine.id}, "")[0] == {"run": ""}
    assert "not here any more" in erase_handlers.attach({"run": mine.id}, EVIL)[1]
    assert EVIL not in erase_handlers.attach({"run": mine.id}, EVIL)[1]


def test_a_folder_that_was_tampered_with_is_a_sentence(finished: Run) -> None:
    (finished.path / "report.json").write_text('{"groups": {"erased": 7}}')
    updates, _ = erase_handlers.refresh({"run": finished.id}, {})
    assert "cannot be read at the moment" in updates["notice"]


def test_the_command_follows_the_form_or_says_why_not() -> None:
    assert erase_handlers.command({"erase": "cat", "steps": 9}) == "python -m balign erase cat --steps 9"
    assert erase_handlers.command({"erase": ""}).startswith("# Nothing to erase")
