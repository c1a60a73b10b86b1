"""What a finished run is taken away as: files for other programs and pushes, by its owner, one at a time."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from balign.host import disk, processes, status, visitors, waitlist
from balign.host.visitors import NOT_YOURS, Visitor
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.tryout import exports
from balign.ui import files, hub_login
from balign.ui.erase_tab import erase_handlers, next_steps, take_away
from balign.ui.page import Caller, caller
from tests.conftest import Claim
from tests.host.test_scheduler import wait_for
from tests.ui.test_visitors import ANN, BOB, browser_of

public = pytest.mark.usefixtures("public")
TOKEN = "hf_a-secret-of-this-test"
LORA, WHOLE = "exports/lora-rank-16-strength-1.00.safetensors", "exports/whole-model-strength-0.50.safetensors"


@pytest.fixture
def anns(finished: Run) -> Run:
    visitors.sign(finished, ANN)
    return finished


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(Starlette(routes=files.ROUTES)) as client:
        yield client


def caller_of(run: Run, visitor: Visitor = visitors.NOBODY) -> Caller:
    return caller(browser_of(run, visitor))


def seen(run: Run, visitor: Visitor = visitors.NOBODY) -> Mapping[str, Any]:
    """The parts of the page with this run."""
    return erase_handlers.refresh(caller_of(run, visitor), {})


def pushed(**changes: object) -> dict[str, object]:
    whole = {
        "take_rank": "8",
        "take_strength": "1",
        "push_what": "lora",
        "push_name": "me/x",
        "push_private": "private",
    }
    return whole | {"push_token": TOKEN} | changes


@pytest.mark.parametrize("form", ["lora", "checkpoint"])
def test_a_file_is_made_when_it_is_asked_for_and_then_in_the_list(
    finished: Run, form: exports.Made, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0.5")
    amount, name = {"lora": ("1", LORA), "checkpoint": ("0.5", WHOLE)}[form]
    parts = seen(finished)
    assert parts["take"]["visible"] is True
    assert "diffusers, beside the base model" in parts["take_files"]
    assert "whole model in one file" in parts["take_files"]
    assert parts["timer"].active is False
    assert take_away.make(form, caller_of(finished), "16", amount) == {"take_state": ""}
    parts = seen(finished)
    assert parts["timer"].active is True
    assert parts[f"make_{form}"]["interactive"] is False
    assert "…" in parts["take_state"]
    wait_for(lambda: not processes.alive(finished))
    parts = seen(finished)
    assert f'<a href="{files.keyed(finished, name)}" download>' in parts["take_files"]
    assert parts["take_state"] == ""
    answer = client.get("/" + files.keyed(finished, name))
    assert answer.headers["content-disposition"] == f'attachment; filename="{name.partition("/")[2]}"'
    with pytest.raises(Refusal, match="was made before"):
        take_away.make(form, caller_of(finished), "16", amount)


def test_what_a_lora_leaves_out_is_named_before_it_is_made(finished: Run) -> None:
    assert "1 trained layer such as" in seen(finished)["take_files"]  # the fake's one weight is no matrix
    assert exports.skipped(finished) == ["w"]


@pytest.mark.parametrize(
    ("model", "lora", "checkpoint"),
    [
        ("emoji", "know no U-Net of this size", "from_single_file"),
        ("CompVis/stable-diffusion-v1-4", "A1111", "A1111"),
        ("facebook/DiT-XL-2-256", "", ""),
    ],
)
def test_each_form_says_what_opens_it(new_run: Callable[..., Run], model: str, lora: str, checkpoint: str) -> None:
    erase = ["cat"] if "DiT" not in model else ["tench"]
    said = exports.opens(new_run(model=model, erase=erase))
    assert lora in said.get("lora", "")
    assert checkpoint in said.get("checkpoint", "")
    assert bool(said) is bool(lora)


@pytest.mark.parametrize("rank", ["0", "-1", "x", "", "1.5", "²", "1000"])
def test_a_rank_that_is_none(finished: Run, rank: str) -> None:
    with pytest.raises(Refusal, match="a whole number from 1 to 999"):
        take_away.make("lora", caller_of(finished), rank, "1")


@pytest.mark.parametrize("strength", ["0", "-1", "x", "", "2.01", "nan", "inf", "0.123", "1e999"])
def test_a_strength_that_is_none(finished: Run, strength: str) -> None:
    with pytest.raises(Refusal, match=r"from 0\.01 to 2"):
        take_away.make("checkpoint", caller_of(finished), "16", strength)


@public
def test_strangers_get_nothing(anns: Run, client: TestClient) -> None:
    (anns.path / "exports").mkdir()
    (anns.path / LORA).write_bytes(b"x")
    assert seen(anns, BOB).get("take") == {"visible": False, "__type__": "update"}
    assert visitors.key(anns) not in str(seen(anns, BOB))
    for take in (lambda: take_away.make("lora", caller_of(anns, BOB), "16", "1"),
                 lambda: take_away.push(caller_of(anns, BOB), pushed()),
                 lambda: next_steps.go_on(caller_of(anns, BOB), "3")):  # fmt: skip
        with pytest.raises(Refusal, match=NOT_YOURS):
            take()
    assert client.get("/" + files.url(anns, LORA)).status_code == 404
    assert client.get("/" + files.keyed(anns, LORA)).status_code == 200
    assert client.get(f"/files/{anns.id}/exports/other.safetensors?key={visitors.key(anns)}").status_code == 404


@public
def test_the_limits_of_a_public_instance_hold(anns: Run, limit: Callable[..., None]) -> None:
    hers = caller_of(anns, ANN)
    with pytest.raises(Refusal, match="from 1 to 128"):
        take_away.make("lora", hers, "129", "1")
    limit(run_bytes=disk.size(anns.path))
    for form in ("lora", "checkpoint"):
        with pytest.raises(Refusal, match="as many files as a shared instance keeps"):
            take_away.make(form, hers, "16", "1")
    limit(run_bytes=10**12, drawings=1)
    take_away.make("checkpoint", hers, "16", "1")
    wait_for(lambda: not processes.alive(anns))
    with pytest.raises(Refusal, match="1 drawings were begun"):
        take_away.make("lora", hers, "16", "1")


def test_one_at_a_time(anns: Run, new_run: Callable[..., Run], claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("balign.host.scheduler.LEAVING", 0.1)
    busy = new_run()
    leave = claim(busy)
    with pytest.raises(Refusal, match="This machine is being used"):
        take_away.make("lora", caller_of(anns), "16", "1")
    monkeypatch.setenv("SPACES_ZERO_GPU", "1")  # there each visitor has a device, and this needs none
    take_away.make("lora", caller_of(anns), "16", "1")
    with pytest.raises(Refusal, match="This machine is being used"):
        take_away.make("checkpoint", caller_of(anns), "16", "1")
    leave()


def test_a_token_reaches_the_process_and_stands_nowhere(
    finished: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FAKE_FAIL", "push")
    assert take_away.push(caller_of(finished), pushed()) == {"take_state": "", "push_token": ""}
    wait_for(lambda: not processes.alive(finished))
    parts = seen(finished)
    assert "was cut off" in parts["take_state"]
    assert "Do the same again" in parts["take_state"]
    monkeypatch.delenv("FAKE_FAIL")
    take_away.push(caller_of(finished), pushed())
    wait_for(lambda: not processes.alive(finished))
    parts = seen(finished)
    assert f'href="https://hub.example/me/x?{len(TOKEN)}"' in parts["take_files"]
    assert parts["take_state"] == ""
    everything = [path.read_bytes() for path in finished.path.parent.rglob("*") if path.is_file()]
    assert any(b"--token-stdin" in content and b"--private" in content for content in everything)  # as it was started
    assert not any(TOKEN.encode() in content for content in everything)
    assert TOKEN not in caplog.text + str(parts)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"push_token": " "}, "No token was given"),
        ({"push_token": None}, "No token was given"),
        ({"push_token": "a\nb"}, "No token was given"),
        ({"push_name": "x"}, "accepted is owner/name"),
        ({"push_name": "--private"}, "accepted is owner/name"),
        ({"push_name": "-o/x"}, "accepted is owner/name"),
        ({"push_name": "../x"}, "accepted is owner/name"),
        ({"push_name": None}, "accepted is owner/name"),
        ({"push_what": "all"}, "accepted are pipeline"),
        ({"take_rank": "x"}, "The rank is"),
    ],
)
def test_what_cannot_be_pushed_is_one_sentence(finished: Run, changes: dict[str, object], words: str) -> None:
    try:
        said = take_away.push(caller_of(finished), pushed(**changes))["take_state"]
    except Refusal as refusal:
        said = str(refusal)
    assert words in said
    assert TOKEN not in said
    assert processes._children == []


@public
def test_nobody_types_a_token_into_somebody_elses_studio(anns: Run) -> None:
    assert hub_login.way() == ""
    with pytest.raises(Refusal, match="Nothing is pushed from this studio"):
        take_away.push(caller_of(anns, ANN), pushed())


@public
def test_on_a_space_the_token_is_of_who_is_signed_in(anns: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_login, "way", lambda: "sign in")
    hers = caller_of(anns, ANN)
    assert "Nobody is signed in" in take_away.push(hers, pushed())["take_state"]  # whatever was typed
    take_away.push(hers._replace(token="hf_by-oauth", account="ann"), pushed(push_token=""))
    wait_for(lambda: not processes.alive(anns))
    assert exports.pushes(anns)[0].page.endswith(f"?{len('hf_by-oauth')}")
    assert "hf_by-oauth" not in (anns.path / "seen.txt").read_text()
    assert take_away.welcome(hers._replace(account="ann"))["sign_in"]["value"] == "Sign out (ann)"


@public
def test_some_more_steps_are_a_new_run_of_the_same_owner(anns: Run, limit: Callable[..., None]) -> None:
    hers = caller_of(anns, ANN)
    parts = seen(anns, ANN)
    assert parts["go_on"]["visible"] is parts["more"]["visible"] is True
    for steps in ("", "x", "-1", "1.5", "9" * 20, None):
        with pytest.raises(Refusal, match="a whole number from 1 up"):
            next_steps.go_on(hers, steps)
    with pytest.raises(Refusal, match="steps were asked for; this shared instance does at most 500"):
        next_steps.go_on(hers, "500")
    answer = next_steps.go_on(hers, "30")
    new = hers._replace(run=Run(anns.path.parent / answer["browser"]["run"]))
    assert new.run is not None
    assert answer["steps"] == "40"
    assert new.run.config.steps == 40
    assert new.own() == new.run
    assert new.run.label.startswith("30 more steps after run ")
    wait_for(lambda: not waitlist.ticket(new.run) and not processes.alive(new.run))
    assert status.state(new.run) == "done"
    assert status.state(anns) == "done"
    limit(starts=1)
    with pytest.raises(Refusal, match="1 runs were begun"):
        next_steps.go_on(hers, "30")
    assert len([path for path in anns.path.parent.iterdir() if path.is_dir()]) == 2


def test_where_nothing_can_go_on_the_button_is_away(finished: Run) -> None:
    (finished.path / "checkpoint.safetensors").unlink()
    parts = seen(finished)
    assert parts["go_on"]["visible"] is parts["more"]["visible"] is False
    with pytest.raises(Refusal, match="is gone"):
        next_steps.go_on(caller_of(finished), "3")


def test_an_unreadable_saved_training_is_one_sentence(finished: Run) -> None:
    whole = (finished.path / "checkpoint.safetensors").read_bytes()
    for broken in (b"", whole[:50], whole.replace(b"outcome", b"0utcome"), whole.replace(b'"state"', b'"stat3"')):
        (finished.path / "checkpoint.safetensors").write_bytes(broken)
        with pytest.raises(Refusal, match=r"is unreadable|is gone"):
            next_steps.go_on(caller_of(finished), "3")
