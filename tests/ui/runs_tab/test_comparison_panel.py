"""Runs side by side, and a run's config run again with other methods."""

import json
from collections.abc import Callable

import pytest

from balign.atomic import write
from balign.host import status, waitlist
from balign.method.objectives import DEFAULT_METHOD, METHODS, settle
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.folder import Run, list_runs
from balign.runs.outcome.comparison import compare
from balign.ui.runs_tab import comparison_panel
from tests.host import fake_run
from tests.host.test_scheduler import wait_for

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def two(finished: Run) -> list[Run]:
    """A run and the same by another method, both done."""
    other = Run.create(RunConfig.parse({"erase": ["cat"], "method": "esd", "steps": METHODS[DEFAULT_METHOD].steps}))
    fake_run.main(str(other.path))
    return [finished, other]


def test_the_runs_differ_in_the_method_and_take_turns(finished: Run) -> None:
    others = comparison_panel.run_methods(finished, ["esd", DEFAULT_METHOD, "rgd", "esd"])
    assert [run.config.method for run in others] == ["esd", "rgd"]
    for run in others:
        same = run.config.model_dump(exclude={"method", "steps"})
        assert same == finished.config.model_dump(exclude={"method", "steps"})
        assert run.config.steps == METHODS[DEFAULT_METHOD].steps  # those of the run's own method
    assert comparison_panel.live(others)
    assert waitlist.queue() == others[1:]
    wait_for(lambda: not comparison_panel.live(others))
    assert [status.state(run) for run in others] == ["done", "done"]
    ends = [(run.path / "report.json").stat().st_mtime for run in others]
    assert ends == sorted(ends)


def test_a_method_without_steps_is_compared_too(finished: Run) -> None:
    [redirect] = comparison_panel.run_methods(finished, ["redirect"])
    assert settle(redirect.config).steps == 0


@pytest.mark.parametrize("methods", [[], [DEFAULT_METHOD], ["magic"]])
def test_without_another_method_it_is_refused(finished: Run, methods: list[str]) -> None:
    with pytest.raises(Refusal, match=r"\.$"):
        comparison_panel.run_methods(finished, methods)
    assert list_runs() == [finished]


def test_the_panel_has_both_runs_on_one_plot_and_in_one_table(two: list[Run]) -> None:
    html = comparison_panel.panel(two)
    assert "Same model, lists, data, seed and steps" in html
    assert html.count('class="dots plain"') == 2
    table = html.partition('aria-label="Runs side by side"')[2].partition("</table>")[0]
    assert table.count("<tr>") == 3
    assert html.count('alt="before"') == html.count('alt="run 2"') > 0
    assert "1: \u22120.190 across, \u22120.002 up; 2: \u22120.190 across, \u22120.022 up" in html
    assert "worse than run 1" in html
    assert html.count("dash2") >= 2


def test_two_prompts_say_nothing(two: list[Run]) -> None:
    for run in two:
        values = json.loads((run.path / "report.json").read_text())
        for group in values["groups"].values():
            group["images"] = group["images"][:2]
        write(run.path / "report.json", json.dumps(values))
    html = comparison_panel.panel(two)
    assert "too few to say" in html
    assert "worse than" not in html


def test_a_run_that_is_not_finished_is_waited_for(finished: Run, new_run: Callable[..., Run]) -> None:
    html = comparison_panel.panel([new_run(), finished])
    assert "Not started" in html
    assert html.count('class="dots plain"') == 1
    assert "Waiting for the first run to finish" in comparison_panel.panel([new_run(), new_run()])


def test_one_run_or_none_teaches() -> None:
    assert "Select two runs or more" in comparison_panel.panel([])


def test_texts_of_strangers_are_not_markup(two: list[Run]) -> None:
    two[0].rename(EVIL)
    html = comparison_panel.panel([*two, Run.create(RunConfig.parse({"erase": [EVIL], "keep": [EVIL]}))])
    assert "<img src=x" not in html


def test_a_point_lies_where_its_numbers_are(two: list[Run]) -> None:
    html = comparison_panel.plot(compare(two))
    first, second = (part.split('"')[0] for part in html.split('class="mark" style="')[1:])
    assert first.split(";")[0] == second.split(";")[0]  # forgot as much
    assert float(first.split("top:")[1].rstrip("%")) < float(second.split("top:")[1].rstrip("%"))  # kept more
