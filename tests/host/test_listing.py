"""The list of runs: all there are, told apart, found by words, and no stranger's markup."""

from collections.abc import Callable

import pytest

from balign import telemetry
from balign.host import listing, waitlist
from balign.runs.folder import Run
from balign.runs.outcome import reproduce
from balign.ui.runs_tab import run_cards
from tests.conftest import Claim

New = Callable[..., Run]
EVIL = "<img src=x onerror=alert(1)>"


def titles(search: str = "", state: str = "", method: str = "") -> list[str]:
    return [entry.title for entry in listing.matching(listing.entries(), search, state, method)]


def last_word(run: Run, name: str, message: str = "") -> None:
    telemetry.append(run.path / "telemetry.jsonl", telemetry.Phase(name, 0, 1, 0.0, message))


def test_runs_are_found_wherever_they_were_started(finished: Run, new_run: New) -> None:
    from_a_terminal = new_run(erase=["dog"], method="esd")
    assert {entry.run for entry in listing.entries()} == {finished, from_a_terminal}
    assert {entry.run: entry.state for entry in listing.entries()} == {finished: "done", from_a_terminal: "new"}


@pytest.mark.parametrize("state", ["done", "stopped", "failed"])
def test_the_last_word_is_the_state(new_run: New, state: str) -> None:
    run = new_run()
    last_word(run, "load")
    assert listing.entry(run).state == "stopped"  # the process is gone
    last_word(run, state, "why")
    assert listing.entry(run).state == state


def test_a_run_at_work_is_running_and_the_next_queued(new_run: New, claim: Claim) -> None:
    run, behind = new_run(), new_run()
    claim(run)
    last_word(run, "load")
    waitlist.join(behind)
    assert (listing.entry(run).state, listing.entry(behind).state) == ("running", "queued")


def test_every_word_of_a_search_must_occur_somewhere(new_run: New) -> None:
    new_run(erase=["cat"], keep=["a red dog"])
    new_run(erase=["dog"], method="esd").rename("My Favourite")
    assert titles("dog") == titles("") == titles("  ")
    assert titles("red DOG") == ["cat"]
    assert titles("favourite esd") == ["My Favourite"]
    assert titles("horse") == []
    assert titles(method="esd") == ["My Favourite"]
    assert titles(state="new", method="balign") == ["cat"]
    assert titles(state="done") == []


@pytest.mark.parametrize("junk", [None, 7, ["a"], {"a": 1}, "\x00", "x" * 10_000, EVIL])
def test_a_search_may_be_anything(finished: Run, junk: object) -> None:
    found = listing.entries()
    assert listing.matching(found, junk, junk, junk) in ([], found)
    assert listing.matching(found, junk, None, None) in ([], found)


def test_what_changes_in_the_folder_changes_in_the_list(finished: Run) -> None:
    assert listing.entry(finished).title == "cat"
    finished.rename("first")
    assert listing.entry(finished).title == "first"
    (finished.path / "erased.safetensors").unlink()
    assert listing.entry(finished).facts.ready is False


def test_a_card_has_picture_numbers_and_files(finished: Run) -> None:
    html = run_cards.cards(listing.entries(), 1)
    for words in ("97\u00a0% no longer recognised", f'href="?run={finished.id}"', "bundle.zip", "report.html"):
        assert words in html
    assert f"files/{finished.id}/images/after/0000.png" in html
    assert html.count("<li") == 1


def test_a_reproduction_is_told(finished: Run) -> None:
    reproduce.note(finished, reproduce.Bundle(finished.config, "20260101-000000-abc", "f", {}))
    assert "Reproduces 20260101-000000-abc; not finished yet." in run_cards.cards(listing.entries(), 1)


def test_strangers_words_are_words(new_run: New) -> None:
    run = new_run(erase=[EVIL], keep=[EVIL], model=EVIL)
    last_word(run, "failed", EVIL)
    run.rename(EVIL)
    html = run_cards.cards(listing.entries(), 1)
    assert "<img" not in html
    assert "&lt;img" in html


def test_one_bad_folder_hides_no_other(finished: Run, new_run: New) -> None:
    bad = new_run()
    (bad.path / "config.json").write_text("{")
    odd = new_run()
    (odd.path / "report.json").write_text('{"groups": {"erased": {"images": ["x"], "alignment_change": 7}}, "ua": []}')
    worse = new_run()
    (worse.path / "report.json").write_text('{"groups": {"kept": {"images": [{}], "alignment_change": 7}}}')
    html = run_cards.cards(listing.entries(), 4)
    assert html.count("<li") == 4
    assert "a config that cannot be read" in html
    assert "97\u00a0%" in html


def test_a_folder_of_another_kind_of_name_is_not_listed(finished: Run) -> None:
    finished.path.rename(finished.path.with_name('x" onclick="alert(1)'))
    assert listing.entries() == []


def test_nothing_teaches_what_would_be_there() -> None:
    assert "Press Erase" in run_cards.cards([], 0)
    assert "None of the 3 runs matches" in run_cards.cards([], 3)


@pytest.mark.parametrize(("public", "told"), [("0", True), ("1", False)])
def test_who_is_told_of_the_terminal(public: str, told: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALIGN_PUBLIC", public)
    assert ("python -m balign erase" in run_cards.cards([], 0)) is told
