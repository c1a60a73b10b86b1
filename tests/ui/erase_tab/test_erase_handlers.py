"""The handlers of the Erase tab: a sentence for every refusal, only news on the wire, nothing believed of a browser."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from balign import telemetry
from balign.host import limits, processes, scheduler, status, waitlist
from balign.host.visitors import Visitor
from balign.refusal import Refusal
from balign.runs.folder import Run, list_runs
from balign.ui.erase_tab import erase_handlers
from balign.ui.page import NO_RUN, Answer, Caller, answering, caller
from tests.conftest import Claim
from tests.data.test_own_pictures import picture, zipped
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
    assert "cat</span>: no longer drawn when asked by name" in updates["verdict"]["value"]
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


def stopped(monkeypatch: pytest.MonkeyPatch, pause: str = "0.05") -> Caller:
    """A run that was stopped while it trained, and compared."""
    monkeypatch.setenv("FAKE_PAUSE", pause)
    who = start(erase="cat")
    run = run_of(who)
    wait_for(lambda: len(status.look(run).steps) >= 2)
    assert erase_handlers.stop(who) == {"notice": ""}
    wait_for(lambda: not processes.alive(run))
    return who


def visible(updates: Answer) -> set[str]:
    """Which of the dock's buttons are shown."""
    return {name for name in ("stop", "compare", "resume", "discard") if updates[name]["visible"]}


def test_a_stop_keeps_and_compares_and_resume_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    who = stopped(monkeypatch)
    run = run_of(who)
    updates, view = shown(run), status.look(run)
    taken = len(view.steps)
    assert 0 < taken < 10
    assert f"Stopped after step {taken} of 10 and compared" in updates["progress"]
    assert f"after {taken} of 10 steps, no longer drawn" in updates["verdict"]["value"]
    assert 0 < view.fraction < 0.98
    assert visible(updates) == {"resume", "discard"}
    assert updates["resume"]["value"] == "Resume"
    assert "Nothing is running here." in erase_handlers.stop(who)["notice"]
    assert erase_handlers.resume(who)["notice"] == ""
    wait_for(lambda: not processes.alive(run))
    assert status.state(run) == "done"
    assert [step.step for step in status.look(run).steps] == list(range(1, 11))
    assert "no longer drawn when asked by name</h2>" in shown(run)["verdict"]["value"]
    assert visible(shown(run)) == set()


def test_a_second_stop_ends_the_comparison_which_can_be_made_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0.2")
    who = start(erase="cat")
    run = run_of(who)
    wait_for(lambda: len(status.look(run).steps) >= 1)
    erase_handlers.stop(who)
    updates = shown(run)
    assert "finishing this step" in updates["progress"]
    assert updates["stop"] == {"visible": True, "interactive": False, "__type__": "update"}
    wait_for(lambda: status.look(run).comparing)
    updates = shown(run)
    assert "Stopped: comparing what there is" in updates["progress"]
    assert updates["stop"] == {"visible": True, "interactive": True, "__type__": "update"}
    assert erase_handlers.stop(who) == {"notice": ""}
    assert run.stop_requested() == "comparing", "who pressed at this moment has not seen that it compares"
    monkeypatch.setattr(scheduler, "UNSEEN", 0.0)
    assert erase_handlers.stop(who) == {"notice": ""}
    wait_for(lambda: not processes.alive(run))
    updates = shown(run)
    assert visible(updates) == {"compare", "resume", "discard"}
    assert "Changed weights" in updates["verdict"]["value"]


def test_discard_asks_and_then_nothing_is_left_to_show(monkeypatch: pytest.MonkeyPatch) -> None:
    who = stopped(monkeypatch)
    run = run_of(who)
    taken = len(status.look(run).steps)
    asked = erase_handlers.ask_discard(who)
    words = f"Discard this run&#39;s weights and checkpoint, {taken} of 10 steps, with the comparison? The run can"
    assert words in asked["question"]
    assert asked["sure"]["visible"] is True
    assert erase_handlers.keep(who) == {"notice": "", "sure": gr.update(visible=False), "doomed": ""}
    with pytest.raises(Refusal, match="Another run is shown"):
        erase_handlers.discard(who, "")
    assert (run.path / "erased.safetensors").exists()
    kept = (run.path / "telemetry.jsonl").read_bytes()
    telemetry.append(run.path / "telemetry.jsonl", telemetry.Phase("done", 1, 1, 0.0))  # it was resumed elsewhere
    with pytest.raises(Refusal, match="has finished meanwhile; nothing was discarded"):
        erase_handlers.discard(who, asked["doomed"])
    (run.path / "telemetry.jsonl").write_bytes(kept)
    assert erase_handlers.discard(who, asked["doomed"])["sure"]["visible"] is False
    updates, view = shown(run), status.look(run)
    assert (view.state, view.fraction, view.steps, view.previews, view.report) == ("stopped", 0.0, [], [], None)
    assert "Discarded" in updates["progress"]
    assert 'aria-valuenow="0"' in updates["progress"]
    assert visible(updates) == {"resume"}
    assert updates["resume"]["value"] == "Start again"
    with pytest.raises(Refusal, match="nothing here to discard"):
        erase_handlers.ask_discard(who)
    erase_handlers.resume(who)
    wait_for(lambda: not processes.alive(run))
    assert status.state(run) == "done"


def test_a_run_at_work_is_not_discarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0.2")
    who = start(erase="cat")
    run = run_of(who)
    for look in (lambda: erase_handlers.ask_discard(who), lambda: erase_handlers.discard(who, run.id)):
        with pytest.raises(Refusal, match=r"nothing here to discard|stop it before"):
            look()


def test_what_resume_does_with_a_killed_run_is_said(new_run: Callable[..., Run]) -> None:
    from tests.host import fake_run

    run = new_run()
    path = run.path / "telemetry.jsonl"
    telemetry.append(path, telemetry.Phase("data", 40, 96, 1.0))
    assert "Resume goes on with what is drawn." in shown(run)["progress"]
    telemetry.append(path, telemetry.Phase("unlearn", 1, 10, 1.0))
    telemetry.append(path, telemetry.Step(1, 1.0, 1.0, 1.0, 1.0, 0.0, False, 1.0, 0.0, 0.0, None, None, 1.0))
    assert "Resume begins the training again" in shown(run)["progress"]
    (run.path / "checkpoint.safetensors").write_bytes(fake_run.weights(run, 4))
    assert "Resume goes on from step 4." in shown(run)["progress"]


def test_a_queued_run_says_its_place_and_can_leave(new_run: Callable[..., Run], claim: Claim) -> None:
    claim(new_run())
    for place in ("1st", "2nd"):
        who = start(erase="cat")
        updates = erase_handlers.refresh(who, {})
        assert f"{place} in the queue" in updates["progress"]
    assert updates["stop"] == {"visible": True, "interactive": True, "__type__": "update"}
    assert updates["timer"].active is True
    assert erase_handlers.stop(who) == {"notice": ""}
    updates = erase_handlers.refresh(who, {})
    assert "Taken out of the queue" in updates["progress"]
    assert (updates["resume"]["visible"], updates["resume"]["value"]) == (True, "Resume")
    assert len(waitlist.queue()) == 1


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
    assert "What happens when you press Erase" in erase_handlers.refresh(who, None)["live"]
    assert "Nothing is running here." in erase_handlers.stop(who)["notice"]
    for work in (erase_handlers.resume, erase_handlers.compare, erase_handlers.ask_discard):
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
    assert erase_handlers.model_info(NOBODY, "emoji")["guidance"]["placeholder"] == "3"
    assert erase_handlers.model_info(NOBODY, EVIL) == {"model": gr.update(info=""), "words": ""}  # said at the field
    answer = erase_handlers.method_info(NOBODY, "rgd")
    assert answer["way"]["info"]
    assert (answer["way"]["value"], answer["method"]["visible"]) == ("", True)
    chosen = erase_handlers.method_info(NOBODY, "redirect")
    assert (chosen["way"]["value"], chosen["method"]["visible"], chosen["steps"]["placeholder"]) == (
        "redirect",
        False,
        "0",
    )


def test_a_way_is_a_method_and_another_one_opens_the_list() -> None:
    assert erase_handlers.choose_way(NOBODY, "remove")["method"] == gr.update(value="remove", visible=False)
    assert erase_handlers.choose_way(NOBODY, "")["method"] == gr.update(visible=True)
    assert erase_handlers.choose_way(NOBODY, EVIL)["method"] == gr.update(visible=True)


def test_a_method_has_its_numbers_in_the_boxes() -> None:
    answer = erase_handlers.method_info(NOBODY, "rgd")
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


def test_own_pictures_and_prompts_are_taken_with_the_run_and_the_uploads_deleted(tmp_path: Path) -> None:
    cats = zipped(tmp_path / "cats.zip", {"a cat 1.png": picture("red"), "a cat 2.png": picture("blue")})
    tests = tmp_path / "tests.csv"
    tests.write_text("prompt,seed\nan ink cat,7\n")
    values = {"erase": "cat", "forget_zip": str(cats), "tests_file": str(tests)}
    answer = erase_handlers.start(NOBODY, values)
    run = caller(answer["browser"]).own()
    assert [entry.caption for entry in run.config.forget_pictures] == ["a cat", "a cat"]
    assert [(test.prompt, test.seed) for test in run.config.tests] == [("an ink cat", 7)]
    assert set(run.pictures()) == {entry.sha256 for entry in run.config.forget_pictures}
    assert not cats.exists()
    assert not tests.exists()
    assert answer["forget_zip"] is None


def test_what_is_wrong_with_an_upload_is_said_and_nothing_starts(tmp_path: Path) -> None:
    (tmp_path / "cats.zip").write_bytes(b"no zip")
    values = {"erase": "cat", "forget_zip": str(tmp_path / "cats.zip")}
    message = answering(erase_handlers.start, "The run could not be started", "notice")(NOBODY, values)["notice"]
    assert "This is no zip" in message
    assert not list_runs()


def test_a_public_instance_takes_fewer_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALIGN_PUBLIC", "1")
    monkeypatch.setattr(limits, "LIMITS", replace(limits.LIMITS, own_pictures=1))
    cats = zipped(tmp_path / "cats.zip", {"1.png": picture("red"), "2.png": picture("blue")})
    with pytest.raises(Refusal, match="holds 2 pictures; at most 1"):
        erase_handlers.start(NOBODY, {"erase": "cat", "forget_zip": str(cats)})
