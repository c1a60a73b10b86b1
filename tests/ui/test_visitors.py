"""Two visitors of a public instance: neither lists, stops, changes, takes or deletes what is the other's."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import gradio as gr
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from balign.host import scheduler, visitors, waitlist
from balign.host.visitors import Visitor
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.folder import Run, find, list_runs
from balign.runs.outcome import bundle
from balign.ui import files
from balign.ui.api import endpoints
from balign.ui.erase_tab import erase_handlers
from balign.ui.page import Caller, caller
from balign.ui.runs_tab import run_actions, runs_layout
from tests.host import fake_run

ANN, BOB = Visitor("a" * 43), Visitor("b" * 43)
pytestmark = pytest.mark.usefixtures("public")


def browser_of(run: Run, visitor: Visitor) -> dict[str, str]:
    """What this visitor's browser holds after following the run's link."""
    return {"run": run.id, "owner": visitor.secret}


@pytest.fixture
def anns(finished: Run) -> Run:
    """A finished run of Ann's."""
    visitors.sign(finished, ANN)
    return finished


@pytest.fixture
def at_work(anns: Run) -> Iterator[Run]:
    """A run of Ann's that goes on."""
    run = Run.create(RunConfig.parse({"erase": ["cat"]}))
    visitors.sign(run, ANN)
    with run.claim():
        yield run


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(Starlette(routes=files.ROUTES)) as client:
        yield client


def test_the_list_has_the_visitors_own_runs_only(anns: Run) -> None:
    his = Run.create(RunConfig.parse({"erase": ["dog"]}))
    visitors.sign(his, BOB)
    nobodys = Run.create(RunConfig.parse({"erase": ["horse"]}))
    finder = {"search": "", "state": "", "method": "", "shown": 12, "sent": {}, "compared": []}
    for visitor, mine in ((ANN, {anns.id}), (BOB, {his.id}), (Visitor(), set())):
        listed = runs_layout.refreshed(Caller(visitor, None), finder)["list"]
        assert {run.id for run in (anns, his, nobodys) if run.id in listed} == mine


def test_another_visitor_can_do_nothing_with_a_selected_run(anns: Run) -> None:
    other = Run.create(RunConfig.parse({"erase": ["dog"]}))
    visitors.sign(other, ANN)
    both, ann, bob = f"{anns.id} {other.id}", Caller(ANN, None), Caller(BOB, None)
    for work, values in (
        (run_actions.compare, (both,)),
        (run_actions.use_settings, (anns.id,)),
        (run_actions.rename, (anns.id, "mine")),
        (run_actions.ask_delete, (anns.id,)),
        (run_actions.run_methods, (anns.id, ["esd"])),
    ):
        with pytest.raises(Refusal, match="selected"):
            work(bob, *values)
    with pytest.raises(Refusal, match="nothing was deleted"):
        run_actions.delete(bob, [anns.id, other.id])
    assert (len(list_runs()), anns.label) == (2, "")
    assert run_actions.compare(ann, both)["compared"] == [other.id, anns.id]
    assert run_actions.rename(ann, anns.id, "mine") == {"say": "", "label": ""}
    run_actions.delete(ann, [anns.id, other.id])
    assert list_runs() == []


def test_another_visitor_may_watch_by_the_link_and_no_more(anns: Run) -> None:
    answer = erase_handlers.attach(Caller(BOB, None, anns.id))
    assert (answer["browser"], answer["erase"]) == (browser_of(anns, BOB), "cat")
    his = erase_handlers.refresh(caller(answer["browser"]), {})
    hers = erase_handlers.refresh(Caller(ANN, anns), {})
    assert "no longer drawn when asked by name" in his["verdict"]["value"]
    assert visitors.key(anns) in hers["verdict"]["value"]
    assert visitors.key(anns) not in str(his)
    assert "Changed weights" not in his["verdict"]["value"]
    assert his["start"]["interactive"] is True


def test_another_visitor_cannot_stop_or_resume(at_work: Run) -> None:
    works = (erase_handlers.stop, erase_handlers.resume, erase_handlers.compare, erase_handlers.ask_discard)
    for work in (*works, partial(erase_handlers.discard, doomed=at_work.id)):
        with pytest.raises(Refusal, match="somebody else's"):
            work(Caller(BOB, at_work))
    assert at_work.stop_requested() is None
    updates = erase_handlers.refresh(Caller(BOB, at_work), {})
    assert [updates[name]["visible"] for name in ("stop", "resume", "compare", "discard")] == [False] * 4
    assert erase_handlers.stop(Caller(ANN, at_work)) == {"notice": ""}
    assert at_work.stop_requested() == "asked"


def test_another_visitor_cannot_take_a_run_out_of_the_line(at_work: Run) -> None:
    hers = scheduler.begin(RunConfig.parse({"erase": ["cat"]}), ANN)
    with pytest.raises(Refusal, match="somebody else's"):
        erase_handlers.stop(Caller(BOB, hers))
    with pytest.raises(gr.Error, match="somebody else's"):
        endpoints.stop(hers.id, owner_secret=BOB.secret)
    assert waitlist.queue() == [hers]


def test_the_endpoints_read_by_the_id_and_change_by_the_secret(anns: Run) -> None:
    assert endpoints.status(anns.id)["state"] == "done"
    assert endpoints.score(anns.id)["n"] == 12
    for secret in ("", BOB.secret, anns.id, (anns.path / visitors.FILE).read_text()):
        with pytest.raises(gr.Error, match="somebody else's"):
            endpoints.export(anns.id, "weights", secret)
        with pytest.raises(gr.Error, match="somebody else's"):
            endpoints.stop(anns.id, owner_secret=secret)
    assert endpoints.export(anns.id, "weights", ANN.secret)["url"].endswith(f"?key={visitors.key(anns)}")


def test_weights_and_zip_are_sent_to_the_owners_address_alone(anns: Run, client: TestClient) -> None:
    for name in (files.WEIGHTS, files.BUNDLE):
        assert client.get("/" + files.url(anns, name)).status_code == 404
        assert client.get(f"/{files.url(anns, name)}?key={'0' * 40}").status_code == 404
        assert client.get("/" + files.keyed(anns, name)).status_code == 200
    for name in ("report.html", "images/before/0000.png"):
        assert client.get("/" + files.url(anns, name)).status_code == 200
        assert "key" not in files.keyed(anns, name)
    assert client.get(f"/files/{anns.id}/owner").status_code == 404


def test_every_way_to_begin_a_run_is_counted(
    anns: Run, at_work: Run, tmp_path: Path, limit: Callable[..., None]
) -> None:
    ann, zipped = Caller(ANN, anns), str(bundle.write(anns, tmp_path / "run.zip"))
    limit(starts=1, queued_each=20, queued_from=20)
    with pytest.raises(Refusal, match="1 runs may be begun, and 2 were asked for, from here within an hour"):
        run_actions.run_methods(ann, anns.id, ["esd", "rgd"])
    with pytest.raises(Refusal, match="1 runs may be begun, and 3 were asked for, from here within an hour"):
        erase_handlers.start(ann, {"erase": "cat", "seed": "0-2"})
    erase_handlers.compare(ann)
    for begin in (
        partial(erase_handlers.compare, Caller(ANN, stopped_run())),
        partial(erase_handlers.resume, Caller(ANN, stopped_run())),
        partial(erase_handlers.start, ann, {"erase": "cat"}),
        partial(run_actions.run_methods, ann, anns.id, ["esd"]),
        partial(run_actions.reproduce_zip, ann, zipped),
    ):
        with pytest.raises(Refusal, match="1 runs were begun from here within an hour"):
            begin()
    assert waitlist.queue() == [anns]


def stopped_run() -> Run:
    """A run of Ann's that nothing works on."""
    run = Run.create(RunConfig.parse({"erase": ["cat"]}))
    visitors.sign(run, ANN)
    return run


def test_a_browser_keeps_its_secret_and_a_new_one_gets_one() -> None:
    browser = erase_handlers.start(Caller(Visitor(), None), {"erase": "cat"})["browser"]
    begun = find(browser["run"])
    assert begun is not None
    assert visitors.owns(begun, Visitor(browser["owner"]))
    left = erase_handlers.attach(caller(browser)._replace(link=""))
    assert left["browser"] == {"run": "", "owner": browser["owner"]}
    fresh = [erase_handlers.attach(caller(None))["browser"]["owner"] for _ in range(2)]
    assert visitors.valid(fresh[0])
    assert fresh[0] != fresh[1]


def test_a_bundle_is_held_to_the_same_limits(anns: Run, tmp_path: Path) -> None:
    large = Run.create(RunConfig.parse({"erase": ["cat"], "steps": 5_000}))
    fake_run.main(str(large.path))
    path = bundle.write(large, tmp_path / "large.zip")
    with pytest.raises(Refusal, match=r"5,000 steps were asked for; this shared instance does at most 500\."):
        run_actions.reproduce_zip(Caller(ANN, None), str(path))
    assert not path.exists()
    with pytest.raises(Refusal, match="reload it"):
        run_actions.reproduce_zip(Caller(Visitor(), None), str(bundle.write(anns, tmp_path / "run.zip")))
    assert len(list_runs()) == 2


def test_the_page_tells_nobody_which_folders_there_are(tmp_path: Path) -> None:
    for name in (str(tmp_path), "/nowhere/at/all"):
        with pytest.raises(Refusal, match="is not offered here"):
            erase_handlers.start(Caller(ANN, None), {"erase": "cat", "model": name})
