"""Who may draw with a finished run: on a public instance its owner alone, within the limits, and one at a time."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from markupsafe import escape
from starlette.applications import Starlette
from starlette.testclient import TestClient

from balign.host import borrowing, charges, disk, housekeeping, limits, processes, scheduler, status, visitors, waitlist
from balign.host.visitors import NOT_YOURS, Visitor
from balign.refusal import Refusal
from balign.runs.accepted_text import MAX_PROMPT
from balign.runs.folder import Run, find
from balign.runs.tryout import ballots, store
from balign.ui import files
from balign.ui.page import Caller, caller
from balign.ui.try_tab import blind_vote, try_actions, try_layout
from tests.conftest import Claim
from tests.host import fake_tryout
from tests.host.test_scheduler import wait_for
from tests.ui.test_visitors import ANN, BOB, browser_of
from tests.ui.try_tab.test_try_layout import ACTIONS

public = pytest.mark.usefixtures("public")


@pytest.fixture
def anns(finished: Run) -> Run:
    """A finished run of Ann's, with which everything was drawn that can be."""
    visitors.sign(finished, ANN)
    fake_tryout.write_try(finished, "an ink cat", 0, 2)
    fake_tryout.write_strengths(finished)
    fake_tryout.write_probes(finished)
    fake_tryout.write_attack(finished)
    return finished


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(Starlette(routes=files.ROUTES)) as client:
        yield client


def caller_of(run: Run, visitor: Visitor = visitors.NOBODY) -> Caller:
    return caller(browser_of(run, visitor))


def tried(run: Run) -> list[str]:
    """Every picture that was drawn with the run, by its name in the folder."""
    folders = [run.path / name for name in ("tries", "strength", "probes", "votes", "attacks")]
    found = [path for folder in folders for path in folder.rglob("*.png")]
    return [str(path.relative_to(run.path)) for path in found]


@public
@pytest.mark.parametrize("other", [BOB, Visitor(), Visitor("no secret")])
def test_who_has_the_link_only_starts_nothing(anns: Run, other: Visitor) -> None:
    for work, values in ACTIONS:
        with pytest.raises(Refusal, match=NOT_YOURS):
            work(caller_of(anns, other), *values)
    assert "Nothing is being drawn" in try_actions.stop(caller_of(anns, other))["say"]
    assert anns.stop_requested() is None
    assert processes._children == []


@public
def test_who_has_the_link_only_sees_nothing_of_what_was_drawn(anns: Run) -> None:
    parts = try_layout.shown(caller_of(anns, BOB))
    assert escape(NOT_YOURS) in parts["about"]
    assert parts["room"]["visible"] is False
    assert "ink cat" not in str(parts)
    assert visitors.key(anns) not in str(parts)
    hers = try_layout.shown(caller_of(anns, ANN))
    assert hers["room"]["visible"] is True
    assert "ink cat" in hers["own_prompts"]
    for name in ("own_prompts", "strength", "probes", "attacked"):
        assert f".png?key={visitors.key(anns)}" in hers[name]
        assert ".png&quot;" not in hers[name]


@public
def test_what_was_drawn_is_sent_to_the_owners_address_alone(anns: Run, client: TestClient) -> None:
    ballot = ballots.new(anns)
    names = tried(anns)
    assert {name.split("/")[0] for name in names} == {"tries", "strength", "probes", "votes", "attacks"}
    ballots.cast(anns, ballots.new(anns).id, "a")
    for name in [*names, ballots.VOTES]:
        assert client.get("/" + files.url(anns, name)).status_code == 404
        assert client.get(f"/{files.url(anns, name)}?key={'0' * 40}").status_code == 404
        assert client.get("/" + files.keyed(anns, name)).status_code == 200
    hidden = f"files/{anns.id}/votes/{ballot.id}/ballot.json"
    assert client.get(f"/{hidden}?key={visitors.key(anns)}").status_code == 404


def test_on_ones_own_machine_no_address_has_a_key(anns: Run, client: TestClient) -> None:
    for name in tried(anns):
        assert files.keyed(anns, name) == files.url(anns, name)
        assert client.get("/" + files.url(anns, name)).status_code == 200


@public
def test_the_owner_votes_and_nobody_else(anns: Run) -> None:
    with pytest.raises(Refusal, match="no finished run here"):
        blind_vote.begin(caller_of(anns, BOB))
    ballot = blind_vote.begin(caller_of(anns, ANN))
    assert f"?key={visitors.key(anns)}" in ballot["sheets"]["value"]
    assert "of another run than" in blind_vote.choose(caller_of(anns, BOB), ballot["ballot"], "a")["say"]
    assert ballots.votes(anns) == []
    blind_vote.choose(caller_of(anns, ANN), ballot["ballot"], "a")
    assert len(ballots.votes(anns)) == 1
    assert blind_vote.arrive(caller_of(anns, BOB), {})["tally"] == ""
    assert "Votes as csv" in blind_vote.arrive(caller_of(anns, ANN), {})["tally"]


@public
def test_the_owner_draws_and_stops(anns: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "1")
    assert try_actions.draw_prompt(caller_of(anns, ANN), "a new cat", "3", 1) == {"say": ""}
    wait_for(lambda: store.progress(anns) is not None)
    assert "Nothing is being drawn" in try_actions.stop(caller_of(anns, BOB))["say"]
    assert anns.stop_requested() is None
    assert try_actions.stop(caller_of(anns, ANN)) == {"say": ""}
    assert anns.stop_requested() == "asked"
    assert "Stopping after these pictures" in try_layout.shown(caller_of(anns, ANN))["progress"]
    wait_for(lambda: not processes.alive(anns))
    parts = try_layout.shown(caller_of(anns, ANN))
    assert 'class="notice remark"' in parts["progress"]
    assert "a new cat" in parts["own_prompts"]


@pytest.mark.parametrize(("what", "draw"), [("strengths", "draw_strengths"), ("probes", "draw_probes")])
def test_what_was_stopped_says_how_much_is_drawn_and_goes_on(
    what: str, draw: str, finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0.3")
    owner, name = caller_of(finished), {"strengths": "frames", "probes": "probe"}[what]
    before = try_layout.shown(owner)[name]
    assert before["value"].startswith(f"Draw the {what} (about ")
    getattr(try_actions, draw)(owner)
    wait_for(lambda: (now := store.progress(finished)) is not None and now.done >= 3)
    try_actions.stop(owner)
    wait_for(lambda: not processes.alive(finished))
    parts = try_layout.shown(owner)
    assert f"of 7 {what} drawn." in parts[{"strengths": "strength", "probes": "probes"}[what]]
    assert parts[name]["value"].startswith(f"Draw the rest of the {what} (about ")
    assert (parts[name]["visible"], parts[name]["interactive"]) == (True, True)
    monkeypatch.setenv("FAKE_PAUSE", "0")
    getattr(try_actions, draw)(owner)
    wait_for(lambda: not processes.alive(finished))
    assert try_layout.shown(owner)[name]["visible"] is False


@public
def test_own_prompts_of_a_part_and_of_other_weights_say_so(anns: Run) -> None:
    fake_tryout.write_try(anns, "a half cat", 0, 4, 0.5)
    told = try_layout.shown(caller_of(anns, ANN))["own_prompts"]
    assert "2 of 4 drawn" in told
    assert "with the weights after" not in told
    (newest,) = (path for path in anns.path.glob("tries/*/try.json") if "half" in path.read_text())
    newest.write_text(newest.read_text().replace('"asked"', '"steps": 4, "asked"'))
    assert "with the weights after 4 steps" in try_layout.shown(caller_of(anns, ANN))["own_prompts"]


@public
def test_a_public_instance_exports_weights_and_no_pipelines(anns: Run, client: TestClient) -> None:
    assert try_layout.shown(caller_of(anns, ANN))["export"]["visible"] is True
    assert try_actions.export(caller_of(anns, ANN), "0.50") == {"say": ""}
    wait_for(lambda: not processes.alive(anns))
    name = "exports/strength-0.50.safetensors"
    assert [str(path.relative_to(anns.path)) for path in (anns.path / "exports").iterdir()] == [name]
    address = files.keyed(anns, name)
    assert f'href="{address}" download' in try_layout.shown(caller_of(anns, ANN))["exports"]["value"]
    assert try_layout.shown(caller_of(anns, BOB))["exports"]["value"] == ""
    answer = client.get("/" + address)
    assert answer.content == (anns.path / name).read_bytes()
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == 'attachment; filename="strength-0.50-changed-weights.safetensors"'
    assert client.get("/" + files.url(anns, name)).status_code == 404
    assert client.get(f"/{files.url(anns, name)}?key={'0' * 40}").status_code == 404
    with pytest.raises(Refusal, match="exported before"):
        try_actions.export(caller_of(anns, ANN), "0.50")


@public
@pytest.mark.parametrize(
    "name", ["strength-0.50", "strength-0.50/model_index.json", "strength-0.5.safetensors", "x.safetensors"]
)
def test_nothing_else_of_the_exports_is_sent(anns: Run, client: TestClient, name: str) -> None:
    (anns.path / "exports" / "strength-0.50").mkdir(parents=True)
    (anns.path / "exports" / "strength-0.50" / "model_index.json").touch()
    (anns.path / "exports" / "x.safetensors").touch()
    assert files.keyed(anns, f"exports/{name}") == ""
    assert client.get(f"/files/{anns.id}/exports/{name}?key={visitors.key(anns)}").status_code == 404


@public
def test_weights_are_exported_as_long_as_the_run_has_room(anns: Run, limit: Callable[..., None]) -> None:
    limit(run_bytes=disk.size(anns.path))
    with pytest.raises(Refusal, match="as many files as a shared instance keeps"):
        try_actions.export(caller_of(anns, ANN), "0.50")
    assert processes._children == []


@public
def test_the_changeshold_for_drawings(anns: Run, limit: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(processes, "start", lambda run, verb, *options, drawing: started.append(verb))
    ann = caller_of(anns, ANN)
    for prompt, images, words in (("a cat", 9, "images is 9"), ("x" * (MAX_PROMPT + 1), 1, "characters")):
        with pytest.raises(Refusal, match=words):
            try_actions.draw_prompt(ann, prompt, "0", images)
    for changes, words in (
        ({"free_bytes": 10**18}, "no room"),
        ({"free_bytes": 0, "steps": 1}, "steps were asked for"),
    ):
        limit(**changes)
        with pytest.raises(Refusal, match=words):
            try_actions.draw_strengths(ann)
    assert started == []
    limit(steps=500, drawings=2, starts=0)  # runs are counted separately
    assert try_actions.draw_strengths(ann) == try_actions.draw_probes(ann) == {"say": ""}
    with pytest.raises(Refusal, match="2 drawings were begun from here within an hour"):
        try_actions.draw_probes(ann)
    assert started == ["strength", "probe"]


def test_addresses_are_counted_too(anns: Run, public: None, limit: Callable[..., None]) -> None:
    limit(drawings=1)
    for k in range(3):
        charges.count_drawing(Visitor(str(k) * 43, "203.0.113.9"))
    with pytest.raises(ValueError, match=r"^3 drawings were begun from here"):
        charges.count_drawing(Visitor("3" * 43, "203.0.113.9"))


def test_while_another_run_works_or_waits_nothing_is_drawn(
    anns: Run, new_run: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, claim: Claim
) -> None:
    monkeypatch.setattr(scheduler, "LEAVING", 0.2)
    busy, owner = new_run(), caller_of(anns)
    leave = claim(busy)
    with pytest.raises(Refusal, match="Another run is using this machine"):
        try_actions.draw_strengths(owner)
    leave()
    waitlist.join(busy)
    with pytest.raises(Refusal, match="Another run is using this machine"):
        try_actions.draw_strengths(owner)
    waitlist.leave(busy)
    assert try_actions.draw_strengths(owner) == {"say": ""}
    begun = scheduler.begin(anns.config)
    assert waitlist.place(begun) == 1  # and a run waits for what is drawn
    wait_for(lambda: status.state(begun) == "done")


def test_a_run_about_to_leave_is_waited_for(anns: Run, new_run: Callable[..., Run], claim: Claim) -> None:
    leaving = new_run()
    (leaving.path / "telemetry.jsonl").write_bytes((anns.path / "telemetry.jsonl").read_bytes())
    leave = claim(leaving)
    asked = iter([True, False])
    began = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "alive", lambda run: run == leaving and next(asked, False))
        patch.setattr(processes, "start", lambda run, verb, *options, drawing: None)
        scheduler.draw(anns, "strength")
    assert time.monotonic() - began < scheduler.LEAVING
    leave()


def test_on_a_device_that_is_lent_a_drawing_waits_for_its_call(anns: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACES_ZERO_GPU", "1")
    try_actions.draw_strengths(caller_of(anns))
    assert processes._children == []
    assert borrowing.pending(anns)
    with pytest.raises(Refusal, match="This run is being worked on"):
        try_actions.draw_probes(caller_of(anns))
    with borrowing.taken(anns) as asked:
        assert asked is not None
        assert (asked.verb, asked.options) == ("strength", ())
        assert borrowing.pending(anns)
    assert not borrowing.pending(anns)


def test_a_drawing_whose_page_has_gone_waits_no_longer(anns: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACES_ZERO_GPU", "1")
    monkeypatch.setattr(borrowing, "SOON", 0.0)
    try_actions.draw_strengths(caller_of(anns))
    assert not borrowing.pending(anns)
    try_actions.draw_probes(caller_of(anns))
    with borrowing.taken(anns) as asked:
        assert asked is not None
        assert asked.verb == "probe"


@public
def test_a_drawing_has_its_own_time_and_is_ended_after_it(
    anns: Run, monkeypatch: pytest.MonkeyPatch, limit: Callable[..., None]
) -> None:
    monkeypatch.setattr(processes, "COMMAND", (sys.executable, "-c", "import time; time.sleep(600)"))
    scheduler.draw(anns, "strength", visitor=ANN)
    housekeeping.restrain(anns)
    assert anns.stop_requested() is None
    assert processes.alive(anns)
    limit(seconds=-housekeeping.GRACE - 1)
    housekeeping.restrain(anns)
    wait_for(lambda: not processes.alive(anns))
    assert processes.drawing_failed(anns)


@public
def test_a_run_that_is_drawn_with_does_not_expire(anns: Run, tmp_path: Path) -> None:
    from tests.host.test_housekeeping import age

    age(anns, limits.LIMITS.hours + 1)
    fake_tryout.write_try(anns, "a cat", 0, 1)
    scheduler.sweep()
    assert find(anns.id) == anns
    age(anns, limits.LIMITS.hours + 1)
    scheduler.sweep()
    assert find(anns.id) is None
