"""The strength slider: every frame is in the page, one is shown, and the curve is where its numbers are."""

import json
import re

from balign.runs.folder import Run
from balign.runs.tryout import store
from balign.runs.tryout.store import STRENGTHS
from balign.ui.try_tab import strength
from tests.host import fake_tryout

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"


def shown(run: Run) -> str:
    return strength.strength(run, store.strength(run))


def test_every_frame_is_there_and_one_is_shown(finished: Run) -> None:
    fake_tryout.write_strengths(finished)
    html = shown(finished)
    assert html.count("<img") == len(STRENGTHS) * 8
    visible = [tag for tag in re.findall(r"<img [^>]*>", html) if "hidden" not in tag]
    assert len(visible) == 8
    assert all(f"files/{finished.id}/strength/4-" in tag for tag in visible)  # at first the model as erased
    assert 'value="4" data-values="0.00 0.25 0.50 0.75 1.00 1.25 1.50" aria-valuetext="1.00"' in html
    assert 'erased <b>0.150</b></span>, <span class="key kept">kept <b>0.290</b>' in html
    assert "4 erased, 4 kept pictures" in html


def test_before_they_are_drawn_it_says_what_for(finished: Run) -> None:
    assert f"drawn at {len(STRENGTHS)} strengths" in shown(finished)
    assert strength.exports(finished) == ""


def test_a_point_of_the_curve_lies_where_its_numbers_are() -> None:
    frames = [
        {"erased": 0.3, "kept": 0.3},
        {"erased": 0.1, "kept": 0.2},
    ]
    first, second = re.findall(r'style="left:([\d.]+)%;top:([\d.]+)%"', strength.curve(["0.00", "1.00"], frames, 1))
    assert float(second[0]) < float(first[0])  # forgets more
    assert float(second[1]) > float(first[1])  # keeps less
    assert strength.curve(["0.00"], [{"erased": 0.3}], 0) == ""


def test_texts_of_strangers_are_not_markup(finished: Run) -> None:
    fake_tryout.write_strengths(finished, EVIL)
    path = finished.path / "strength" / "strength.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"scorer": EVIL}))
    html = shown(finished)
    assert "<script" not in html
    assert "<img src=x" not in html
