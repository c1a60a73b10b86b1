"""A scorer that is not at hand stops no run: it ends without scores, says how to add them, and all cope with none."""

import json
from collections.abc import Callable
from typing import NamedTuple

import pytest

from balign.attack import attacker
from balign.cli import main
from balign.grid.rows import _group
from balign.host.status import look
from balign.measure.headline import headline
from balign.measure.report import RunReport
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.engine import execute
from balign.runs.folder import Run
from balign.runs.outcome import comparison, report_page
from balign.runs.outcome.model_card import card
from balign.runs.tryout import redraw, store
from balign.runs.tryout.attack_store import AttackRequest
from balign.telemetry import Phase, Preview
from balign.ui.erase_tab.erase_handlers import PARTS
from balign.ui.erase_tab.results import outcome, verdict
from balign.ui.runs_tab import comparison_panel
from balign.ui.try_tab import own_prompts, probe_results, strength

AWAY = "ViT-L/14"
"""A scorer that tests cannot fetch."""


class Unscored(NamedTuple):
    run: Run
    report: RunReport


@pytest.fixture(scope="module")
def unscored(configure: Callable[..., RunConfig], tmp_path_factory: pytest.TempPathFactory) -> Unscored:
    root = tmp_path_factory.mktemp("unscored")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BALIGN_CACHE", str(root / "cache"))
        patch.setenv("BALIGN_RUNS", str(root))
        run = Run.create(configure(scorer=AWAY, steps=2, preview_every=2, n_eval=2), root)
        last = list(execute.run(run))[-1]
    assert isinstance(last, Phase)
    assert last.name == "done", last.message
    report = run.report()
    assert report is not None
    return Unscored(run, report)


def test_the_run_ends_and_says_how_to_add_scores(unscored: Unscored) -> None:
    report = unscored.report
    assert report.scorer == ""
    assert report.warnings[0].startswith(
        "Nothing was scored, since the scorer 'ViT-L-14/openai' is not on this machine"
    )
    assert "`balign evaluate`" in report.warnings[0]
    assert all(not image.scored and image.before and image.after for image in report.groups["erased"].images)
    assert {group.verdict for _, _, group in report.named()} == {"not scored"}
    assert headline(report).by_name == "no pictures were scored"
    previews = [record for record in unscored.run.telemetry()[0] if isinstance(record, Preview)]
    assert [preview.alignment for preview in previews] == [{}, {}]


def test_every_view_shows_the_pictures_and_no_score(unscored: Unscored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALIGN_RUNS", str(unscored.run.path.parent))
    view = look(unscored.run)
    page, written, model_card = verdict(view) + outcome(view), report_page.page(unscored.run), card(unscored.run)
    for html in (page, written):
        assert "Nothing was scored, since" in html
        assert "<img" in html
        assert "Judged by the scorer" not in html
        assert "<th" not in html
    assert "were not scored, so nothing is claimed" in model_card
    assert PARTS["compare"](view)["visible"] is True
    assert _group(unscored.report.groups["erased"])["change"] is None


def test_the_terminal_says_it(unscored: Unscored, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(unscored.run.path)]) == 0
    said = capsys.readouterr().out
    assert "Not scored" in said
    assert "Nothing was scored, since" in said


def test_runs_with_and_without_scores_stand_side_by_side(
    unscored: Unscored, configure: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BALIGN_RUNS", str(unscored.run.path.parent))
    other = Run.create(configure(scorer=AWAY, steps=2), unscored.run.path.parent)
    rows = comparison.compare([unscored.run, other])
    assert rows[1].against == {}
    assert "Side by side" in comparison_panel.panel([unscored.run, other])
    assert main(["compare", str(unscored.run.path), str(other.path)]) == 0


def test_own_prompts_strengths_and_probes_are_drawn_without_scores(unscored: Unscored) -> None:
    run = unscored.run
    redraw.draw_try(run, store.PromptRequest.parse(prompt="a cat", seed=1, images=1))
    assert "not scored" in own_prompts.own_prompts(run)
    redraw.draw_strengths(run)
    drawn = store.strength(run)
    assert drawn is not None
    assert not drawn.partial
    assert drawn.frames[0].alignment == (None,) * len(drawn.prompts)
    assert "not scored" in strength.strength(run, drawn)
    redraw.draw_probes(run)
    probes = store.probes(run)
    assert probes is not None
    assert "No scorer was at hand" in probe_results.probe_results(run, probes)


def test_an_attack_is_refused_and_says_what_it_needs(unscored: Unscored) -> None:
    with pytest.raises(Refusal, match="An attack is counted by a scorer"):
        attacker.attack(unscored.run, AttackRequest.parse(attacks=["rounding"], pictures=1))


def test_evaluating_adds_the_scores_and_no_scorer_takes_them_away(unscored: Unscored, tiny_scorer_path: str) -> None:
    run = unscored.run
    kept = (run.path / "report.json").read_bytes()
    assert main(["evaluate", str(run.path)]) == 2
    assert (run.path / "report.json").read_bytes() == kept
    assert main(["evaluate", str(run.path), "--scorer", tiny_scorer_path]) == 0
    report = RunReport.parse(json.loads((run.path / "report.json").read_text()))
    assert report.scorer == tiny_scorer_path
    assert report.ua is not None
    assert not any(warning.startswith("Nothing was scored") for warning in report.warnings)
    assert main(["evaluate", str(run.path), "--scorer", AWAY]) == 2
    assert run.report() == report


def test_a_name_that_means_nothing_is_refused_before_the_model_is_loaded(configure: Callable[..., RunConfig]) -> None:
    run = Run.create(configure(scorer="ViT-Q/99"))
    last = list(execute.run(run))[-1]
    assert isinstance(last, Phase)
    assert (last.name, last.message[:32]) == ("failed", "There is no scorer 'ViT-Q/99'; e")
