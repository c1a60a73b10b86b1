"""The Try tab: nothing a browser says is trusted, and the run's folder is what is shown."""

from collections.abc import Callable

import pytest

from balign.host import processes, scheduler
from balign.host.status import look
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.tryout import store
from balign.ui.page import Caller, caller
from balign.ui.try_tab import try_actions, try_layout
from tests.host import fake_tryout
from tests.host.test_scheduler import wait_for

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>${alert(1)}{{7*7}}"


def shows(run: Run) -> Caller:
    return caller({"run": run.id})


ATTACK = {"attacks": ["inversion"], "tokens": "2", "steps": "50", "pictures": "4", "control": "", "concept": None}
ACTIONS = [
    (try_actions.draw_prompt, ("a cat", "0", 1)),
    (try_actions.draw_strengths, ()),
    (try_actions.draw_probes, ()),
    (try_actions.attack, (ATTACK,)),
    (try_actions.export, ("1.00",)),
]


@pytest.mark.parametrize("browser", [None, "", 7, {}, {"run": "../../etc"}, {"run": EVIL}, {"run": "nobodyhere"}])
def test_without_a_run_nothing_is_drawn(browser: object, finished: Run) -> None:
    stranger = caller(browser)
    for work, values in ACTIONS:
        with pytest.raises(Refusal, match="Open a run that has finished"):
            work(stranger, *values)
    assert "Nothing is being drawn" in try_actions.stop(stranger)["say"]
    parts = try_layout.shown(stranger)
    assert "Open a run that has finished" in parts["about"]
    assert parts["room"]["visible"] is False
    assert processes._children == []


def test_a_run_that_is_not_finished_is_waited_for(new_run: Callable[..., Run]) -> None:
    run = new_run()
    with pytest.raises(Refusal, match="no erased weights and no report yet"):
        try_actions.draw_prompt(shows(run), "a cat", "0", 1)
    assert "no erased weights and no report yet" in try_layout.shown(shows(run))["about"]


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
def test_what_cannot_be_drawn_is_refused(
    finished: Run, prompt: object, seed: object, images: object, words: str
) -> None:
    with pytest.raises(Refusal, match=words):
        try_actions.draw_prompt(shows(finished), prompt, seed, images)
    assert processes._children == []


def test_a_prompt_is_drawn_in_a_process_and_shown(finished: Run) -> None:
    sent = try_layout.refreshed(shows(finished), None)["sent"]
    assert try_actions.draw_prompt(shows(finished), EVIL[:200], "7", 2) == {"say": ""}
    wait_for(lambda: not processes.alive(finished))
    parts = try_layout.refreshed(shows(finished), sent)
    assert set(parts) == {"trouble", "sent", "own_prompts"}  # only what changed goes to the page
    html = parts["own_prompts"]
    assert html.count('class="pair"') == 2
    (drawn,) = store.tries(finished)
    assert f"files/{finished.id}/{drawn.images[1].after}" in html
    assert "mean alignment</span> 0.310 before and 0.120 after, scored by emoji" in html
    assert "seed 7" in html
    assert "<script" not in html
    assert "<img src=x" not in html
    assert try_layout.refreshed(shows(finished), parts["sent"]) == {"trouble": "", "sent": parts["sent"]}


def test_while_it_draws_the_run_stays_done(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "1")
    monkeypatch.setattr(scheduler, "LEAVING", 0.2)
    assert try_actions.draw_strengths(shows(finished)) == {"say": ""}
    wait_for(lambda: (now := store.progress(finished)) is not None and now.done > 0)
    assert look(finished).state == "done"
    with pytest.raises(Refusal, match="Another run is using this machine"):
        try_actions.draw_prompt(shows(finished), "a cat", "0", 1)
    parts = try_layout.shown(shows(finished))
    assert "Drawing the strengths" in parts["progress"]
    assert 'aria-valuenow="12"' in parts["progress"]
    assert parts["stop"]["visible"] is True
    assert parts["draw"]["interactive"] is False
    assert parts["timer"].active is True
    assert try_actions.stop(shows(finished)) == {"say": ""}
    assert finished.stop_requested() == "asked"


def test_why_it_failed_is_shown_until_the_next(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_FAIL", "try")
    try_actions.draw_prompt(shows(finished), "a cat", "0", 1)
    wait_for(lambda: not processes.alive(finished))
    assert "The memory is full" in try_layout.shown(shows(finished))["progress"]
    monkeypatch.setenv("FAKE_FAIL", "")
    try_actions.draw_prompt(shows(finished), "a cat", "0", 1)
    wait_for(lambda: not processes.alive(finished))
    assert try_layout.shown(shows(finished))["progress"] == ""


def test_a_process_that_dies_silently_is_noticed(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", "raise SystemExit(1)"))
    try_actions.draw_strengths(shows(finished))
    wait_for(lambda: not processes.alive(finished))
    parts = try_layout.shown(shows(finished))
    assert "ended early" in parts["progress"]
    assert parts["dock"]["visible"] is True


def test_a_failed_evaluation_is_no_failed_drawing(finished: Run) -> None:
    scheduler.resume(finished, "evaluate")
    processes._children[0].process.kill()
    processes._children[0].process.wait()
    assert try_layout.shown(shows(finished))["progress"] == ""


def test_strengths_are_drawn_once_and_then_exported(finished: Run) -> None:
    parts = try_layout.shown(shows(finished))
    assert (parts["frames"]["visible"], parts["export"]["visible"]) == (True, False)
    try_actions.draw_strengths(shows(finished))
    wait_for(lambda: not processes.alive(finished))
    parts = try_layout.refreshed(shows(finished), None)
    sent = parts["sent"]
    assert (parts["frames"]["visible"], parts["export"]["visible"]) == (False, True)
    assert try_actions.export(shows(finished), "1.25") == {"say": ""}
    wait_for(lambda: not processes.alive(finished))
    parts = try_layout.refreshed(shows(finished), sent)
    assert "exports/strength-1.25" in parts["exports"]["value"]
    assert "strength" not in parts  # sent again, the slider would jump back
    with pytest.raises(Refusal, match="exported before"):
        try_actions.export(shows(finished), "1.25")


def test_probes_are_drawn_once(finished: Run) -> None:
    parts = try_layout.refreshed(shows(finished), None)
    sent = parts["sent"]
    assert parts["probe"]["visible"] is True
    assert try_actions.draw_probes(shows(finished)) == {"say": ""}
    wait_for(lambda: not processes.alive(finished))
    parts = try_layout.refreshed(shows(finished), sent)
    assert set(parts) == {"trouble", "sent", "probes", "probe"}
    assert parts["probe"]["visible"] is False
    assert "These are probes, not proof." in parts["probes"]


def test_attacks_are_made_and_shown(finished: Run) -> None:
    sent = try_layout.refreshed(shows(finished), None)["sent"]
    assert try_actions.attack(shows(finished), ATTACK) == {"say": ""}
    wait_for(lambda: not processes.alive(finished))
    parts = try_layout.refreshed(shows(finished), sent)
    assert set(parts) == {"trouble", "sent", "attacked"}
    assert "but brought back by textual inversion, 2 tokens" in parts["attacked"]


@pytest.mark.parametrize("amount", ["", "1", "2.00", "../x", EVIL, None, 1.0, ["1.00"]])
def test_only_a_strength_of_the_slider_is_exported(finished: Run, amount: object) -> None:
    with pytest.raises(Refusal, match="is not one of"):
        try_actions.export(shows(finished), amount)
    assert processes._children == []
    assert not (finished.path / "exports").exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"prompts": 7, "frames": []}', '{"prompts": [], "frames": [{}]}'])
def test_a_damaged_file_is_a_sentence_in_its_place(finished: Run, content: str) -> None:
    fake_tryout.write_strengths(finished)
    fake_tryout.write_probes(finished)
    (finished.path / "strength" / "strength.json").write_text(content)
    parts = try_layout.shown(shows(finished))
    assert parts["strength"].startswith('<p class="notice refused"')
    assert "unreadable" in parts["strength"]
    assert (parts["frames"]["visible"], parts["export"]["visible"]) == (True, False)  # it can be drawn again
    assert "These are probes, not proof." in parts["probes"]  # and hides nothing else
