"""The list of runs: every run with its state, found by words; one bad folder hides no other."""

from collections.abc import Callable

import pytest

from balign import telemetry
from balign.host import listing, waitlist
from balign.measure.report import RunReport
from balign.method.objectives import DEFAULT_METHOD
from balign.runs.config import RunConfig
from balign.runs.folder import Run
from balign.runs.outcome import reproduce, zip_check
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
    assert titles(state="new", method=DEFAULT_METHOD) == ["cat"]
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
    assert listing.entry(finished).ready is False


def test_a_folder_of_another_kind_of_name_is_not_listed(finished: Run) -> None:
    finished.path.rename(finished.path.with_name('x" onclick="alert(1)'))
    assert listing.entries() == []


UNREADABLE = (b"{", b"[]", b"\xff", b'{"groups": {"erased": {"images": ["x"], "alignment_change": 7}}, "ua": []}')


def test_one_bad_folder_hides_no_other(finished: Run, new_run: New) -> None:
    no_config, no_report = new_run(), [new_run() for _ in UNREADABLE]
    (no_config.path / "config.json").write_text("{")
    for run, content in zip(no_report, UNREADABLE, strict=True):
        (run.path / "report.json").write_bytes(content)
    listed = {entry.run: entry for entry in listing.entries()}
    assert listed.keys() == {finished, no_config, *no_report}
    assert all(listed[run].report is None for run in no_report)
    assert all("unreadable" in listed[run].unreadable for run in no_report)
    assert (listed[no_config].config, listed[no_config].title) == (None, "a config that cannot be read")
    assert listed[finished].unreadable == ""


def test_of_a_report_the_list_keeps_only_first_images(finished: Run) -> None:
    kept = listing.entry(finished).report
    whole = finished.report()
    assert kept is not None
    assert whole is not None
    assert [group.images for group in kept.groups.values()] == [group.images[:1] for group in whole.groups.values()]
    assert kept.ua == whole.ua
    assert [group.verdict for group in kept.groups.values()] == [group.verdict for group in whole.groups.values()]


def test_a_reproduction_names_its_original(finished: Run) -> None:
    reproduce.note(finished, zip_check.Bundle(finished.config, "20260101-000000-abc", "f", zip_check.MadeWith()))
    assert listing.entry(finished).original == "20260101-000000-abc"


def test_of_a_long_list_only_what_is_asked_for_is_read(
    finished: Run, new_run: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        new_run()
    read: list[object] = []
    config, report = RunConfig.parse, RunReport.parse
    monkeypatch.setattr(RunConfig, "parse", lambda data: read.append("config") or config(data))
    monkeypatch.setattr(RunReport, "parse", lambda data: read.append("report") or report(data))
    listed = listing.matching(listing.entries(), "", "", "")
    assert ([entry.state for entry in listed].count("done"), read) == (1, [])
    assert len(listing.matching(listed, "cat", "", "")) == 4
    assert read == ["config"] * 4
    assert listed[-1].report is not None
    assert read == ["config"] * 4 + ["report"]
