"""Attacks in the Try tab: every share beside the base and the control, what it says, and the pictures it counts."""

from collections.abc import Callable

import pytest
from markupsafe import escape

from balign.host import processes
from balign.measure.recovery import ATTACKS
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.tryout import attack_store
from balign.ui.page import caller
from balign.ui.try_tab import attack_panel, try_actions, try_layout
from tests.host import fake_tryout
from tests.host.test_scheduler import wait_for
from tests.ui.try_tab.test_try_layout import ATTACK, shows

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"


def test_before_any_it_says_how_they_begin(finished: Run) -> None:
    assert "Nothing has been tried yet" in attack_panel.attack_results(finished)


def test_every_number_stands_beside_its_pictures_and_its_meaning(finished: Run) -> None:
    fake_tryout.write_attack(finished, control="never-knew")
    html = attack_panel.attack_results(finished)
    assert '<b class="erased">cat</b>: no longer drawn when asked by name (0\u00a0% of 8 pictures' in html
    assert "but brought back by textual inversion, 2 tokens: 50\u00a0% of 8 pictures (base 100\u00a0% of 8" in html
    assert "The trained weights moved by 1.5, 1\u00a0% of their norm." in html
    assert "control never-knew" in html
    assert '<td>50\u00a0% <span class="soft">(22\N{EN DASH}78\u00a0%)</span>' in html
    for name, _, points in fake_tryout.ATTACKED:
        assert escape(ATTACKS[name].says) in html
        for budget in points:
            for subject in ("erased", "base", f"control-{9:08x}"):
                assert f"files/{finished.id}/attacks/0123456789abcdef/{subject}/{name}/{budget:04d}.png" in html
    assert html.count("<svg") == 2  # one point alone is no curve
    assert 'data-unit="step" data-end="250" data-low="0" data-high="100"' in html


def test_what_grows_is_shown_as_far_as_it_is(finished: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_tryout.write_attack(finished, 0.5)
    html = attack_panel.attack_results(finished)
    assert "6 of 12 points made so far" in html
    assert "brought back" not in html  # no verdict before the end
    assert "Base model" not in html
    monkeypatch.setenv("FAKE_PAUSE", "0.5")
    try_actions.attack(shows(finished), ATTACK)
    wait_for(lambda: processes.alive(finished))
    parts = try_layout.shown(shows(finished))
    assert parts["attack"]["interactive"] is False
    try_actions.stop(shows(finished))
    wait_for(lambda: not processes.alive(finished))
    parts = try_layout.shown(shows(finished))
    assert parts["attack"]["interactive"] is True
    assert "points made so far" in parts["attacked"]
    assert 'class="notice remark"' in parts["progress"]


def test_one_of_several_concepts_can_be_chosen(finished: Run, new_run: Callable[..., Run]) -> None:
    assert attack_panel.shown(finished, False)["concept"]["visible"] is False
    two = attack_panel.shown(new_run(erase=["cat", "dog"]), False)["concept"]
    assert (two["choices"], two["value"], two["visible"]) == (["cat", "dog"], "cat", True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"attacks": []}, "choose at least one"),
        ({"attacks": [EVIL]}, "There is no attack"),
        ({"attacks": 7}, "attacks is 7"),
        ({"tokens": ""}, "No number of tokens was given"),
        ({"tokens": "two"}, "tokens.0 is"),
        ({"steps": "1e9"}, "steps is"),
        ({"pictures": "501"}, "pictures is '501'"),
        ({"control": EVIL}, "There is no model"),
        ({"concept": "cow"}, "was not erased in this run"),
    ],
)
def test_what_cannot_be_attacked_is_refused(finished: Run, changes: dict[str, object], words: str) -> None:
    with pytest.raises(Refusal, match=words):
        try_actions.attack(shows(finished), ATTACK | changes)
    assert processes._children == []


def test_hostile_text_is_text(finished: Run) -> None:
    folder = fake_tryout.write_attack(finished)
    path = folder / attack_store.DONE
    (result,) = attack_store.results(finished)
    evil = result.model_copy(update={"concept": EVIL, "control": EVIL, "scorer": EVIL, "skipped": (EVIL,)})
    first = [curve.points[0].model_copy(update={"sheet": "../x"}) for curve in result.curves]
    curves = [c.model_copy(update={"points": (point,)}) for c, point in zip(result.curves, first, strict=True)]
    evil.model_copy(update={"curves": tuple(curves)}).write(path)
    html = try_layout.shown(caller({"run": finished.id}))["attacked"]
    assert "&lt;script" in html
    for mark in ("<script", "<img src=x", "../x"):
        assert mark not in html
