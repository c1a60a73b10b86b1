"""The preview strip: every frame in the page, one shown, few enough, and only this run's files."""

import re
from collections.abc import Callable

from balign import telemetry
from balign.host import status
from balign.runs.folder import Run
from balign.ui.erase_tab import panels, previews

New = Callable[..., Run]


def tell(run: Run, *steps: int, image: str = "") -> None:
    for step in steps:
        picture = image or f"previews/{step:04d}.png"
        scores = {"erased": 0.2, "neighbours": 0.25}
        telemetry.append(run.path / "telemetry.jsonl", telemetry.Preview(step, picture, scores))


def test_before_and_without_a_run() -> None:
    assert previews.strip(None) == ""


def test_a_run_without_previews_has_no_empty_film(new_run: New) -> None:
    assert previews.strip(status.look(new_run())) == ""


def test_the_newest_is_shown_and_all_are_there(new_run: New) -> None:
    run = new_run()
    tell(run, 0, 20, 40)
    text = previews.strip(status.look(run))
    assert re.findall(r'<li class="(\w+)" data-step="(\d+)"', text) == [("past", "0"), ("past", "20"), ("shown", "40")]
    assert text.count(f'src="files/{run.id}/previews/') == 3
    assert 'min="0" max="2" step="1" value="2"' in text
    assert 'aria-valuetext="step 40"' in text
    assert "disabled" not in text
    assert "erased 0.200, neighbours 0.250" in text


def test_one_frame_has_no_slider_to_move(new_run: New) -> None:
    run = new_run()
    tell(run, 0)
    assert " disabled>" in previews.strip(status.look(run))


def test_a_long_run_has_few_frames_with_its_first_and_last(new_run: New) -> None:
    run = new_run()
    tell(run, *range(0, 5001, 20))
    steps = [int(step) for step in re.findall(r'data-step="(\d+)"', previews.strip(status.look(run)))]
    assert (len(steps), steps[0], steps[-1]) == (previews.FRAMES, 0, 5000)
    assert steps == sorted(set(steps))


def test_no_file_but_a_preview_is_asked_for(new_run: New) -> None:
    run = new_run()
    tell(run, 0, image='../../etc/passwd"><script>')
    text = previews.strip(status.look(run))
    assert 'src=""' in text
    assert "<script>" not in text


def test_a_method_without_steps_shows_no_empty_charts(new_run: New) -> None:
    view = status.look(new_run(method="redirect"))
    assert previews.strip(view) == ""
    assert "edits the weights in one go" in panels.live(view)
    assert "first step" not in panels.live(view)
    assert "first step" in panels.live(status.look(new_run()))
