"""The Try tab: every refusal is a sentence, nothing is believed that a page says, the folder is what is shown."""

from collections.abc import Callable

import pytest

from balign.host import processes, scheduler
from balign.host.status import look
from balign.runs.folder import Run
from balign.runs.tryout import store
from balign.ui.try_tab import try_layout
from tests.host import fake_tryout
from tests.host.test_scheduler import wait_for

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>${alert(1)}{{7*7}}"


def shows(run: Run) -> dict[str, str]:
    return {"run": run.id}


def refused(said: str) -> bool:
    return said.startswith('<p class="notice refused"') and "<script" not in said and "<img" not in said


@pytest.mark.parametrize("browser", [None, "", 7, {}, {"run": "../../etc"}, {"run": EVIL}, {"run": "nobodyhere"}])
def test_without_a_run_nothing_is_drawn(browser: object, finished: Run) -> None:
    said = [
        try_layout.own(browser, "a cat", "0", 1),
        try_layout.strengths(browser),
        try_layout.probes(browser),
        try_layout.export("1", browser),
    ]
    assert all(refused(each) for each in said)
    assert "Nothing is being drawn" in try_layout.stop(browser)
    parts, _ = try_layout.look(browser, None)
    assert "Open a run that has finished" in parts["about"]
    assert parts["room"]["visible"] is False
    assert processes._children == []


def test_a_run_that_is_not_finished_is_waited_for(new_run: Callable[..., Run]) -> None:
    run = new_run()
    assert refused(try_layout.own(shows(run), "a cat", "0", 1))
    assert "no erased weights and no report yet" in try_layout.look(shows(run), None)[0]["about"]


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
    said = try_layout.own(shows(finished), prompt, seed, images)
    assert refused(said)
    assert words in said
    assert processes._children == []


def test_a_prompt_is_drawn_in_a_process_and_shown(finished: Run) -> None:
    told = try_layout.look(shows(finished), None)[1]
    assert try_layout.own(shows(finished), EVIL[:200], "7", 2) == ""
    wait_for(lambda: not processes.alive(finished))
    parts, now = try_layout.look(shows(finished), told)
    assert set(parts) == {"tries", "timer"}  # only what changed goes to the page
    assert parts["timer"].active is False
    html = parts["tries"]
    assert html.count('class="pair"') == 2
    (found,) = store.tries(finished)
    assert f"files/{finished.id}/{found['images'][1]['after']}" in html
    assert "mean alignment 0.310 before and 0.120 after, scored by emoji" in html
    assert "seed 7" in html
    assert "<script" not in html
    assert "<img src=x" not in html
    assert set(try_layout.look(shows(finished), now)[0]) == {"timer"}


def test_while_it_draws_the_run_stays_done_and_the_machine_is_taken(
    finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "1")
    monkeypatch.setattr(scheduler, "LEAVING", 0.2)
    assert try_layout.strengths(shows(finished)) == ""
    wait_for(lambda: (now := store.progress(finished)) is not None and now.done > 0)
    assert look(finished).state == "done"
    assert "Another run is using this machine" in try_layout.own(shows(finished), "a cat", "0", 1)
    parts, _ = try_layout.look(shows(finished), None)
    assert "Drawing the strengths" in parts["progress"]
    assert 'aria-valuenow="12"' in parts["progress"]
    assert parts["stop"]["visible"] is True
    assert parts["draw"]["interactive"] is False
    assert parts["timer"].active is True
    assert try_layout.stop(shows(finished)) == ""
    assert finished.stop_requested() == "keep"


def test_why_it_failed_is_told_until_the_next(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_FAIL", "try")
    try_layout.own(shows(finished), "a cat", "0", 1)
    wait_for(lambda: not processes.alive(finished))
    assert "The memory is full" in try_layout.look(shows(finished), None)[0]["progress"]
    monkeypatch.setenv("FAKE_FAIL", "")
    try_layout.own(shows(finished), "a cat", "0", 1)
    wait_for(lambda: not processes.alive(finished))
    assert try_layout.look(shows(finished), None)[0]["progress"] == ""


def test_a_process_that_dies_without_a_word_is_noticed(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", "raise SystemExit(1)"))
    try_layout.strengths(shows(finished))
    wait_for(lambda: not processes.alive(finished))
    parts, _ = try_layout.look(shows(finished), None)
    assert "ended before it was through" in parts["progress"]
    assert parts["dock"]["visible"] is True


def test_a_failure_of_another_run_in_the_same_process_is_not_this_ones(finished: Run) -> None:
    scheduler.resume(finished, "evaluate")
    processes._children[0].process.kill()
    processes._children[0].process.wait()
    assert try_layout.look(shows(finished), None)[0]["progress"] == ""


def test_strengths_are_drawn_once_and_then_exported(finished: Run) -> None:
    parts, _ = try_layout.look(shows(finished), None)
    assert (parts["frames"]["visible"], parts["export"]["visible"]) == (True, False)
    try_layout.strengths(shows(finished))
    wait_for(lambda: not processes.alive(finished))
    parts, told = try_layout.look(shows(finished), None)
    assert (parts["frames"]["visible"], parts["export"]["visible"]) == (False, True)
    assert try_layout.export("1.25", shows(finished)) == ""
    wait_for(lambda: not processes.alive(finished))
    parts, _ = try_layout.look(shows(finished), told)
    assert "exports/strength-1.25" in parts["exports"]["value"]
    assert "scrub" not in parts  # made anew, the slider would jump back
    assert "exported before" in try_layout.export("1.25", shows(finished))


def test_probes_are_drawn_once(finished: Run) -> None:
    parts, told = try_layout.look(shows(finished), None)
    assert parts["probe"]["visible"] is True
    assert try_layout.probes(shows(finished)) == ""
    wait_for(lambda: not processes.alive(finished))
    parts, _ = try_layout.look(shows(finished), told)
    assert set(parts) == {"probes", "probe", "timer"}
    assert parts["probe"]["visible"] is False
    assert "These are probes, not proof." in parts["probes"]


@pytest.mark.parametrize("amount", ["", "1", "2.00", "../x", EVIL, None, 1.0, ["1.00"]])
def test_only_a_strength_of_the_slider_is_exported(finished: Run, amount: object) -> None:
    assert refused(try_layout.export(amount, shows(finished)))
    assert processes._children == []
    assert not (finished.path / "exports").exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"prompts": 7, "frames": []}', '{"prompts": [], "frames": [{}]}'])
def test_a_folder_that_was_tampered_with_is_a_sentence_or_nothing(finished: Run, content: str) -> None:
    fake_tryout.write_strengths(finished)
    (finished.path / "strength" / "strength.json").write_text(content)
    parts, _ = try_layout.look(shows(finished), None)
    assert "cannot be read at the moment" in parts["about"] or "Draw the strengths" in parts["scrub"]
