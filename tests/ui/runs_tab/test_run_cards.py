"""The cards of the Runs tab: picture, numbers and files of each run, and no stranger's markup."""

from collections.abc import Callable

import pytest

from balign import telemetry
from balign.host import listing
from balign.runs.folder import Run
from balign.runs.outcome import reproduce, zip_check
from balign.ui.runs_tab import run_cards

New = Callable[..., Run]
EVIL = "<img src=x onerror=alert(1)>"


def test_a_card_has_picture_numbers_and_files(finished: Run) -> None:
    html = run_cards.run_list(listing.entries(), 1)
    for words in ("97\u00a0% no longer recognised", f'href="?run={finished.id}"', "bundle.zip", "report.html"):
        assert words in html
    assert f"files/{finished.id}/images/after/0000.png" in html
    assert html.count("<li") == 1


def test_a_reproduction_is_told(finished: Run) -> None:
    reproduce.note(finished, zip_check.Bundle(finished.config, "20260101-000000-abc", "f", zip_check.MadeWith()))
    assert "Reproduces 20260101-000000-abc; not finished yet." in run_cards.run_list(listing.entries(), 1)


def test_strangers_words_are_words(new_run: New) -> None:
    run = new_run(erase=[EVIL], keep=[EVIL], model=EVIL)
    telemetry.append(run.path / "telemetry.jsonl", telemetry.Phase("failed", 0, 1, 0.0, EVIL))
    run.rename(EVIL)
    html = run_cards.run_list(listing.entries(), 1)
    assert "<img" not in html
    assert "&lt;img" in html


def test_one_bad_folder_hides_no_other(finished: Run, new_run: New) -> None:
    bad = new_run()
    (bad.path / "config.json").write_text("{")
    odd = new_run()
    (odd.path / "report.json").write_text('{"groups": {"erased": {"images": ["x"], "alignment_change": 7}}, "ua": []}')
    worse = new_run()
    (worse.path / "report.json").write_text('{"groups": {"kept": {"images": [{}], "alignment_change": 7}}}')
    html = run_cards.run_list(listing.entries(), 4)
    assert html.count("<li") == 4
    assert "a config that cannot be read" in html
    assert "97\u00a0%" in html


def test_nothing_teaches_what_would_be_there() -> None:
    assert "Press Erase" in run_cards.run_list([], 0)
    assert "None of the 3 runs matches" in run_cards.run_list([], 3)


@pytest.mark.parametrize(("public", "told"), [("0", True), ("1", False)])
def test_who_is_told_of_the_terminal(public: str, told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALIGN_PUBLIC", public)
    assert ("python -m balign erase" in run_cards.run_list([], 0)) is told
