"""Actions on selected runs: nothing a page says is trusted, and deleting asks first."""

from collections.abc import Callable
from pathlib import Path

import pytest

from balign.host import listing, processes, scheduler, status, waitlist
from balign.refusal import Refusal
from balign.runs.folder import Run, list_runs
from balign.runs.outcome import bundle
from balign.ui.page import caller
from balign.ui.runs_tab import run_actions
from tests.conftest import Claim
from tests.host.test_scheduler import wait_for

New = Callable[..., Run]
EVIL = "<img src=x onerror=alert(1)>"
US = caller(None)


@pytest.mark.parametrize("ids", [None, "", 7, ["a"], [7, {}], "../../etc", EVIL, "nobodyhere", "x " * 10_000])
def test_without_a_selected_run_every_action_is_refused(ids: object, finished: Run) -> None:
    for work, values in (
        (run_actions.compare, ()),
        (run_actions.use_settings, ()),
        (run_actions.rename, ("x",)),
        (run_actions.ask_delete, ()),
        (run_actions.run_methods, (["esd"],)),
    ):
        with pytest.raises(Refusal, match=r"^(No run is|0 runs are) selected; "):
            work(US, ids, *values)
    with pytest.raises(Refusal, match="nothing was deleted"):
        run_actions.delete(US, ids)
    assert list_runs() == [finished]


def test_deleted_is_said_of_what_was_deleted_alone(finished: Run, new_run: New) -> None:
    gone = new_run()
    run_actions.delete(US, [gone.id])
    with pytest.raises(Refusal, match="None of these runs is here any more; nothing was deleted"):
        run_actions.delete(US, [gone.id])
    assert "Deleted." in run_actions.delete(US, [gone.id, finished.id])["say"]


def test_an_upload_that_is_gone_is_named_without_its_folder(tmp_path: Path) -> None:
    for name in ("gone.zip", "a/b/gone.zip"):
        with pytest.raises(Refusal, match=r"^There is no file gone\.zip\.$"):
            run_actions.reproduce_zip(US, str(tmp_path / name))


def test_deleting_asks_and_then_does(finished: Run, new_run: New) -> None:
    other = new_run(erase=[EVIL])
    answer = run_actions.ask_delete(US, f"{finished.id} {other.id} {finished.id}")
    assert answer["doomed"] == [finished.id, other.id]
    assert "these 2 runs" in answer["question"]
    assert EVIL not in answer["question"]
    assert len(list_runs()) == 2
    run_actions.delete(US, answer["doomed"])
    assert list_runs() == []
    assert [path for path in finished.path.parent.iterdir() if path.is_dir()] == []


def test_a_run_that_is_running_is_not_deleted(new_run: New, finished: Run, claim: Claim) -> None:
    busy = new_run()
    leave = claim(busy)
    message = run_actions.delete(US, [busy.id, finished.id])["say"]
    assert "is running; stop it before deleting it" in message
    assert list_runs() == [busy]
    leave()


def test_a_queued_run_is_deleted_with_its_place(new_run: New, claim: Claim) -> None:
    busy, waiting = new_run(), new_run()
    leave = claim(busy)
    scheduler.resume(waiting)
    assert status.state(waiting) == "queued"
    run_actions.delete(US, [waiting.id])
    assert (list_runs(), waitlist.queue()) == ([busy], [])
    leave()


def test_a_name_is_given_and_taken_away(finished: Run) -> None:
    assert run_actions.rename(US, finished.id, "my cat") == {"say": "", "label": ""}
    assert listing.entries()[0].title == "my cat"
    with pytest.raises(Refusal, match="at most 80"):
        run_actions.rename(US, finished.id, "x" * 81)
    run_actions.rename(US, finished.id, None)
    assert listing.entries()[0].title == "cat"


def test_settings_are_those_of_the_run(new_run: New) -> None:
    fields = run_actions.use_settings(US, new_run(erase=["dog"], keep=["horse"], seed=5).id)
    assert (fields["erase"], fields["keep"], fields["seed"], fields["say"]) == ("dog", "horse", "5", "")


def test_two_are_needed_to_compare_and_the_older_comes_first(finished: Run, new_run: New) -> None:
    with pytest.raises(Refusal, match="1 runs are selected"):
        run_actions.compare(US, finished.id)
    ids = [new_run().id, finished.id]
    assert run_actions.compare(US, " ".join(ids)) == {"say": "", "compared": ids[::-1]}


def test_other_methods_are_started_and_compared_with_the_run(finished: Run) -> None:
    answer = run_actions.run_methods(US, finished.id, ["esd"])
    (other,) = [run for run in list_runs() if run != finished]
    assert answer["compared"] == [finished.id, other.id]
    wait_for(lambda: status.state(other) == "done")


def test_an_uploaded_bundle_is_run_again_and_not_kept(finished: Run, tmp_path: Path) -> None:
    path = bundle.write(finished, tmp_path / "run.zip")
    message = run_actions.reproduce_zip(US, str(path))["say"]
    (again,) = [run for run in list_runs() if run != finished]
    assert f'Its run {finished.id} is being made again: <a href="?run={again.id}">watch it</a>.' in message
    assert not path.exists()
    wait_for(lambda: not processes.alive(again))
    report = again.report()
    assert report is not None
    assert report.reproduces is not None
    assert report.reproduces.equal is True
    assert again.config == finished.config


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x00" * 5_000, EVIL.encode()])
def test_an_upload_that_is_no_bundle_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    with pytest.raises(Refusal, match="not a bundle"):
        run_actions.reproduce_zip(US, str(path))
    assert not path.exists()
    with pytest.raises(Refusal, match="No zip"):
        run_actions.reproduce_zip(US, None)
    assert list_runs() == []


def test_one_that_cannot_be_deleted_keeps_no_other(
    finished: Run, new_run: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, delete = new_run(), Run.delete

    def refusing(run: Run) -> None:
        if run == finished:
            raise OSError(30, "Read-only file system")
        delete(run)

    monkeypatch.setattr(Run, "delete", refusing)
    answer = run_actions.delete(US, [finished.id, other.id])
    assert "A run could not be deleted: Read-only file system." in answer["say"]
    assert (list_runs(), answer["doomed"]) == ([finished], [])
