"""What the Runs tab does: nothing is believed that a page says, every refusal is a sentence, deleting asks first."""

from collections.abc import Callable
from pathlib import Path

import pytest

from balign.host import listing, processes, scheduler, status, waitlist
from balign.runs.folder import Run, list_runs
from balign.runs.outcome import bundle
from balign.ui.runs_tab import run_actions, runs_layout
from tests.conftest import Claim
from tests.host.test_scheduler import wait_for

New = Callable[..., Run]
EVIL = "<img src=x onerror=alert(1)>"


@pytest.mark.parametrize("ids", [None, "", 7, ["a"], [7, {}], "../../etc", EVIL, "nobodyhere", "x " * 10_000])
def test_what_is_not_ticked_is_a_sentence(ids: object, finished: Run) -> None:
    answers = [run_actions.choose(ids), run_actions.settings(ids), run_actions.rename(ids, "x"), run_actions.ask(ids)]
    answers.append(run_actions.begin_duel(ids, ["esd"]))
    for answer in answers:
        assert answer["say"].startswith('<p class="notice refused"')
        assert EVIL not in answer["say"]
    run_actions.delete(ids)
    assert list_runs() == [finished]


def test_deleting_asks_and_then_does(finished: Run, new_run: New) -> None:
    other = new_run(erase=[EVIL])
    asked = run_actions.ask(f"{finished.id} {other.id} {finished.id}")
    assert asked["asked"] == [finished.id, other.id]
    assert "these 2 runs" in asked["question"]
    assert EVIL not in asked["question"]
    assert len(list_runs()) == 2
    run_actions.delete(asked["asked"])
    assert list_runs() == []
    assert list(finished.path.parent.iterdir()) == []


def test_a_run_at_work_is_not_deleted(new_run: New, finished: Run, claim: Claim) -> None:
    busy = new_run()
    leave = claim(busy)
    said = run_actions.delete([busy.id, finished.id])["say"]
    assert "is running; stop it before deleting it" in said
    assert list_runs() == [busy]
    leave()


def test_a_run_that_waits_is_deleted_with_its_place(new_run: New, claim: Claim) -> None:
    busy, waiting = new_run(), new_run()
    leave = claim(busy)
    scheduler.resume(waiting)
    assert listing.entry(waiting).state == "queued"
    run_actions.delete([waiting.id])
    assert (list_runs(), waitlist.queue()) == ([busy], [])
    leave()


def test_a_name_is_given_and_found(finished: Run) -> None:
    assert run_actions.rename(finished.id, "my cat") == {"label": ""}
    assert listing.entries()[0].title == "my cat"
    assert "at most 80" in run_actions.rename(finished.id, "x" * 81)["say"]
    assert run_actions.rename(finished.id, None) == {"label": ""}
    assert listing.entries()[0].title == "cat"


def test_settings_are_those_of_the_run(new_run: New) -> None:
    form = run_actions.settings(new_run(erase=["dog"], keep=["horse"], seed=5).id)["form"]
    assert (form["erase"], form["keep"], form["seed"]) == ("dog", "horse", "5")


def test_two_are_needed_to_compare_and_the_older_comes_first(finished: Run, new_run: New) -> None:
    assert "1 runs are ticked" in run_actions.choose(finished.id)["say"]
    ids = [new_run().id, finished.id]
    assert run_actions.choose(" ".join(ids)) == {"compared": ids[::-1]}


def test_the_list_tells_only_what_is_new(finished: Run) -> None:
    first = runs_layout.shown_runs("", "", "", 12, "", [])
    assert finished.id in first[0]
    assert first[3].active is False
    again = runs_layout.shown_runs("", "", "", 12, first[4], [])
    assert again[4] == first[4]
    assert all(part == {"__type__": "update"} for part in again[:3])
    finished.rename("new name")
    assert "new name" in runs_layout.shown_runs("", "", "", 12, first[4], [])[0]


def test_more_than_a_screenful_is_shown_on_demand(new_run: New) -> None:
    for _ in range(3):
        new_run()
    cards, more, *_ = runs_layout.shown_runs("", "", "", 2, "", [])
    assert cards.count("<li") == 2
    assert more["visible"] is True
    assert runs_layout.shown_runs("", "", "", 4, "", [])[1]["visible"] is False


def test_a_duel_is_begun_and_shown_beside_its_run(finished: Run) -> None:
    answer = run_actions.begin_duel(finished.id, ["esd"])
    (begun,) = [run for run in list_runs() if run != finished]
    assert answer["compared"] == [finished.id, begun.id]
    wait_for(lambda: status.state(begun) == "done")


def test_an_uploaded_bundle_is_made_again_and_not_kept(finished: Run, tmp_path: Path) -> None:
    path = bundle.write(finished, tmp_path / "run.zip")
    said = run_actions.make_again(str(path))["say"]
    assert f"Its run {finished.id} is being made again" in said
    assert not path.exists()
    (again,) = [run for run in list_runs() if run != finished]
    wait_for(lambda: not processes.alive(again))
    report = again.report()
    assert report is not None
    assert report["reproduces"]["equal"] is True
    assert again.config == finished.config


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x00" * 5_000, EVIL.encode()])
def test_an_upload_that_is_no_bundle_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    assert "not a bundle" in run_actions.make_again(str(path))["say"]
    assert not path.exists()
    assert "No zip" in run_actions.make_again(None)["say"]
    assert list_runs() == []
