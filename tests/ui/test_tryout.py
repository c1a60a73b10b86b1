"""The Try tab: every refusal is a sentence, nothing is believed that a page says, the folder is what is shown."""

from collections.abc import Callable

import pytest

from balign.run import tryout
from balign.run.folder import Run
from balign.ui import tryout as tab
from balign.ui import worker
from balign.ui.view import look as view
from tests.ui import fake_tryout
from tests.ui.test_worker import wait_for

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>${alert(1)}{{7*7}}"


def shows(run: Run) -> dict[str, str]:
    return {"run": run.id}


def refused(said: str) -> bool:
    return said.startswith('<p class="notice refused"') and "<script" not in said and "<img" not in said


@pytest.mark.parametrize("browser", [None, "", 7, {}, {"run": "../../etc"}, {"run": EVIL}, {"run": "nobodyhere"}])
def test_without_a_run_nothing_is_drawn(browser: object, finished: Run) -> None:
    said = [tab.own(browser, "a cat", "0", 1), tab.strengths(browser), tab.probes(browser), tab.export("1", browser)]
    assert all(refused(each) for each in said)
    assert "Nothing is being drawn" in tab.stop(browser)
    parts, _ = tab.look(browser, None)
    assert "Open a run that has finished" in parts["about"]
    assert parts["room"]["visible"] is False
    assert worker._children == {}


def test_a_run_that_is_not_finished_is_waited_for(new_run: Callable[..., Run]) -> None:
    run = new_run()
    assert refused(tab.own(shows(run), "a cat", "0", 1))
    assert "no erased weights and no report yet" in tab.look(shows(run), None)[0]["about"]


@pytest.mark.parametrize(
    ("prompt", "seed", "images", "words"),
    [
        ("", "0", 4, "An empty text was given"),
        ("x" * 10_000, "0", 4, "10,000 characters"),
        ("a\x00b", "0", 4, "control characters"),
        (None, "0", 4, "prompt is None"),
        (["a"], "0", 4, "prompt is"),
        ("a cat", "", 4, "seed is"),
        ("a cat", str(2**31), 4, "seed is"),
        ("a cat", EVIL, 4, "seed is"),
        ("a cat", "0", 9, "images is 9"),
        ("a cat", "0", float("nan"), "images is nan"),
    ],
)
def test_what_cannot_be_drawn_is_a_sentence(
    finished: Run, prompt: object, seed: object, images: object, words: str
) -> None:
    said = tab.own(shows(finished), prompt, seed, images)
    assert refused(said)
    assert words in said
    assert worker._children == {}


def test_a_prompt_is_drawn_in_a_process_and_shown(finished: Run) -> None:
    told = tab.look(shows(finished), None)[1]
    assert tab.own(shows(finished), EVIL[:200], "7", 2) == ""
    wait_for(lambda: not worker.alive(finished))
    parts, now = tab.look(shows(finished), told)
    assert set(parts) == {"tries", "timer"}  # only what changed goes to the page
    assert parts["timer"].active is False
    html = parts["tries"]
    assert html.count('class="pair"') == 2
    (found,) = tryout.tries(finished)
    assert f"files/{finished.id}/{found['images'][1]['after']}" in html
    assert "mean alignment 0.310 before and 0.120 after, scored by emoji" in html
    assert "seed 7" in html
    assert "<script" not in html
    assert "<img src=x" not in html
    assert set(tab.look(shows(finished), now)[0]) == {"timer"}


def test_while_it_draws_the_run_stays_done_and_the_machine_is_taken(
    finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "1")
    monkeypatch.setattr(worker, "LEAVING", 0.2)
    assert tab.strengths(shows(finished)) == ""
    wait_for(lambda: (now := tryout.progress(finished)) is not None and now.done > 0)
    assert view(finished).state == "done"
    assert "Another run is using this machine" in tab.own(shows(finished), "a cat", "0", 1)
    parts, _ = tab.look(shows(finished), None)
    assert "Drawing the strengths" in parts["progress"]
    assert 'aria-valuenow="12"' in parts["progress"]
    assert parts["stop"]["visible"] is True
    assert parts["draw"]["interactive"] is False
    assert parts["timer"].active is True
    assert tab.stop(shows(finished)) == ""
    assert finished.stop_requested() == "keep"


def test_why_it_failed_is_told_until_the_next(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_FAIL", "try")
    tab.own(shows(finished), "a cat", "0", 1)
    wait_for(lambda: not worker.alive(finished))
    assert "The memory is full" in tab.look(shows(finished), None)[0]["progress"]
    monkeypatch.setenv("FAKE_FAIL", "")
    tab.own(shows(finished), "a cat", "0", 1)
    wait_for(lambda: not worker.alive(finished))
    assert tab.look(shows(finished), None)[0]["progress"] == ""


def test_a_process_that_dies_without_a_word_is_noticed(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setattr(worker, "COMMAND", (sys.executable, "-c", "raise SystemExit(1)"))
    tab.strengths(shows(finished))
    wait_for(lambda: not worker.alive(finished))
    parts, _ = tab.look(shows(finished), None)
    assert "ended before it was through" in parts["progress"]
    assert parts["dock"]["visible"] is True


def test_a_failure_of_another_run_in_the_same_process_is_not_this_ones(finished: Run) -> None:
    worker.resume(finished, "evaluate")
    worker._children[finished.id].wait()
    worker._children[finished.id].returncode = 2
    assert tab.look(shows(finished), None)[0]["progress"] == ""


def test_strengths_are_drawn_once_and_then_exported(finished: Run) -> None:
    parts, _ = tab.look(shows(finished), None)
    assert (parts["frames"]["visible"], parts["export"]["visible"]) == (True, False)
    tab.strengths(shows(finished))
    wait_for(lambda: not worker.alive(finished))
    parts, told = tab.look(shows(finished), None)
    assert (parts["frames"]["visible"], parts["export"]["visible"]) == (False, True)
    assert tab.export("1.25", shows(finished)) == ""
    wait_for(lambda: not worker.alive(finished))
    parts, _ = tab.look(shows(finished), told)
    assert "exports/strength-1.25" in parts["exports"]["value"]
    assert "scrub" not in parts  # made anew, the slider would jump back
    assert "exported before" in tab.export("1.25", shows(finished))


def test_probes_are_drawn_once(finished: Run) -> None:
    parts, told = tab.look(shows(finished), None)
    assert parts["probe"]["visible"] is True
    assert tab.probes(shows(finished)) == ""
    wait_for(lambda: not worker.alive(finished))
    parts, _ = tab.look(shows(finished), told)
    assert set(parts) == {"probes", "probe", "timer"}
    assert parts["probe"]["visible"] is False
    assert "These are probes, not proof." in parts["probes"]


@pytest.mark.parametrize("amount", ["", "1", "2.00", "../x", EVIL, None, 1.0, ["1.00"]])
def test_only_a_strength_of_the_slider_is_exported(finished: Run, amount: object) -> None:
    assert refused(tab.export(amount, shows(finished)))
    assert worker._children == {}
    assert not (finished.path / "exports").exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"prompts": 7, "frames": []}', '{"prompts": [], "frames": [{}]}'])
def test_a_folder_that_was_tampered_with_is_a_sentence_or_nothing(finished: Run, content: str) -> None:
    fake_tryout.write_strengths(finished)
    (finished.path / "strength" / "strength.json").write_text(content)
    parts, _ = tab.look(shows(finished), None)
    assert "cannot be read at the moment" in parts["about"] or "Draw the strengths" in parts["scrub"]
