"""The endpoints: what they give, what they refuse, and that `gradio_client` gets it over the wire."""

import errno
import inspect
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio import utils
from gradio_client import Client
from gradio_client.exceptions import AppError

from balign import telemetry
from balign.atomic import write
from balign.host import visitors, waitlist
from balign.runs.folder import Run, find
from balign.ui.api import endpoints
from balign.ui.api.arguments import in_a_sentence
from balign.ui.page import BUG
from tests.browser.conftest import Studio
from tests.conftest import Claim
from tests.host.test_scheduler import wait_for

New = Callable[..., Run]
NAMES = ("start", "status", "metrics", "stop", "pair", "score", "attack", "export", "report")


@pytest.mark.parametrize("name", NAMES)
def test_each_is_documented_parameter_by_parameter(name: str) -> None:
    call = getattr(endpoints, name)
    words, parameters, returned = utils.get_function_description(call)
    assert words.endswith(".")
    assert returned
    known = [p for p in inspect.signature(call).parameters if p != "request"]
    assert all(parameters[parameter].endswith(".") for parameter in known)


def test_a_run_is_started_followed_and_read() -> None:
    started = endpoints.start("cat", keep="guitar", settings={"seed": 3, "steps": "9"})
    run = find(started["run"])
    assert run is not None
    assert set(started) == {"run", "place", "remarks"}
    assert (run.config.seed, run.config.steps, run.config.keep) == (3, 9, ("guitar",))
    wait_for(lambda: endpoints.status(started["run"])["state"] == "done")
    seen = endpoints.status(started["run"])
    assert (seen["step"], seen["fraction"], seen["report"], seen["place"]) == (10, 1.0, True, 0)


def test_the_numbers_are_those_of_the_report(finished: Run) -> None:
    whole = json.loads((finished.path / "report.json").read_text())
    group = whole["groups"]["kept"]
    score = endpoints.score(finished.id, "kept")
    assert score["alignment_change"] == group["alignment_change"]
    report = finished.report()
    assert report is not None
    assert (score["scorer"], score["verdict"]) == ("emoji-clip", report.groups["kept"].verdict)
    shown = endpoints.pair(finished.id, "kept", 11)
    assert shown["images"] == 12
    assert shown["alignment_after"] == group["images"][11]["alignment_after"]
    assert shown["before"].startswith(f"files/{finished.id}/{group['images'][11]['before']}?v=")
    answer = endpoints.report(finished.id)
    assert answer["url"] == f"files/{finished.id}/report.html"
    assert answer["report"]["ua"] == whole["ua"]
    assert set(whole) <= set(answer["report"])
    assert "images" not in json.dumps(answer["report"])


def test_a_long_run_has_short_curves(new_run: New) -> None:
    run = new_run()
    step = {"forget_norm": 1, "retain_norm": 1, "projected": False, "kept_fraction": 1, "seconds": 1}
    step |= {"measured_forget_change": None, "measured_retain_change": None, "forget_change": 0, "retain_change": 0}
    with open(run.path / "telemetry.jsonl", "w") as file:
        for k in range(3_000):
            loss = 100 if k == 1_234 else k % 7
            line = {"kind": "step", "step": k, "forget_loss": loss, "retain_loss": None, "cosine": 0.5, **step}
            file.write(json.dumps(line) + "\n")
    curves = endpoints.metrics(run.id)
    assert [1_234, 100] in curves["forget_loss"]
    assert 400 < len(curves["forget_loss"]) <= 500
    assert (curves["retain_loss"], curves["alignment"]) == ([], {})  # nothing that is no number


def test_stopping_says_what_it_did(new_run: New, claim: Claim) -> None:
    run, waiting = new_run(), new_run()
    with pytest.raises(gr.Error, match="not running"):
        endpoints.stop(run.id)
    leave = claim(run)
    waitlist.join(waiting)
    assert endpoints.stop(run.id, keep=False) == {"run": run.id, "state": "stopping"}
    assert run.stop_requested() == "asked"  # older clients' wish to throw the weights away is none
    assert endpoints.status(waiting.id)["place"] == 1
    assert endpoints.stop(waiting.id)["state"] == "left the line"
    assert endpoints.status(waiting.id)["state"] == "stopped"
    leave()


def test_attacks_are_begun_and_told_point_by_point(finished: Run) -> None:
    assert endpoints.attack(finished.id) == {
        "run": finished.id, "working": False, "message": "", "outcome": "", "results": [],
    }  # fmt: skip
    begun = endpoints.attack(finished.id, attacks=["inversion"], tokens=[2], control="emoji")
    assert begun["working"] is True
    wait_for(lambda: not endpoints.attack(finished.id)["working"])
    told = endpoints.attack(finished.id)
    assert told["outcome"].startswith("brought back by textual inversion, 2 tokens: 50\u00a0% of 8 pictures")
    (result,) = told["results"]
    (curve,) = (c for c in result["curves"] if (c["attack"], c["subject"]) == ("inversion", "erased"))
    assert (curve["title"], curve["unit"]) == ("Textual inversion, 2 tokens", "step")
    assert [(point["budget"], point["share"]) for point in curve["points"]] == [(50, 1 / 8), (100, 3 / 8), (250, 0.5)]
    assert find(finished.id) is not None
    assert curve["points"][0]["sheet"].startswith(f"files/{finished.id}/attacks/")


def test_what_can_be_exported_has_an_address(finished: Run) -> None:
    assert endpoints.export(finished.id)["url"] == f"files/{finished.id}/bundle.zip"
    assert endpoints.export(finished.id, "weights")["url"] == f"files/{finished.id}/erased.safetensors"
    (finished.path / "erased.safetensors").unlink()
    for what in ("bundle", "weights"):
        with pytest.raises(gr.Error, match="nothing to export yet"):
            endpoints.export(finished.id, what)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda run: endpoints.status("nobodyhere"), "There is no run 'nobodyhere'; give the id that start returned."),
        (lambda run: endpoints.start(""), "Nothing to erase was given; name at least one concept, such as cat."),
        (
            lambda run: endpoints.start("cat", settings={"stepz": 1}),
            "'stepz' is not a setting; the settings are steps,",
        ),
        (lambda run: endpoints.start("cat", settings=[1]), "The settings are '[1]'; names with their numbers"),
        (lambda run: endpoints.start("cat", method="magic"), "There is no method 'magic'; there are"),
        (lambda run: endpoints.pair(run, "erased", 12), "The number is '12'; 0 to 11 is accepted."),
        (lambda run: endpoints.pair(run, "erased", True), "The number is 'True'; 0 to 11 is accepted."),
        (lambda run: endpoints.score(run, "dogs"), "There is no group 'dogs'; there are erased, kept, neighbours."),
        (lambda run: endpoints.attack(run, ["magic"]), "There is no attack 'magic'; there are synonyms,"),
        (lambda run: endpoints.attack(run, ["rounding"], control="x"), "There is no model 'x'; accepted are emoji,"),
        (lambda run: endpoints.attack(run, ["rounding"], concept="cow"), "'cow' was not erased in this run; it erased"),
        (lambda run: endpoints.attack(run, ["rounding"], pictures=0), "pictures is 0"),
        (lambda run: endpoints.export(run, "disk"), "'disk' cannot be exported; accepted are bundle, weights."),
    ],
)
def test_a_bad_call_is_told_in_a_sentence(finished: Run, call: Callable[[str], Any], words: str) -> None:
    with pytest.raises(gr.Error) as refused:
        call(finished.id)
    assert refused.value.message.startswith(words)
    assert refused.value.print_exception is False


@pytest.mark.parametrize("content", ["{", '{"groups": 7}', '{"groups": {"erased": 7}}', "{}", "[" * 100_000])
def test_an_unreadable_report_is_a_sentence(finished: Run, content: str) -> None:
    write(finished.path / "report.json", content)
    for call in (endpoints.pair, endpoints.score, endpoints.report):
        with pytest.raises(gr.Error, match="The report is unreadable: ") as refused:
            call(finished.id)
        assert str(finished.path) not in str(refused.value)
    assert endpoints.status(finished.id)["report"] is False


def test_an_unreadable_config_is_a_sentence(finished: Run) -> None:
    (finished.path / "config.json").write_text("{")
    with pytest.raises(gr.Error, match="The config of this run cannot be read") as refused:
        endpoints.status(finished.id)
    assert str(finished.path) not in str(refused.value)


BUGS = [lambda: {}["missing"], lambda: list(zip([1], [], strict=True)), lambda: [].missing]  # type: ignore[attr-defined]
PLANTS = {
    "start": ("form.config", ("cat",)),
    "status": ("look", ()),
    "metrics": ("look", ()),
    "stop": ("scheduler.cancel", ()),
    "pair": ("url", ()),
    "score": ("_numbers", ()),
    "attack": ("attack_store.attacked", ()),
    "export": ("keyed", ()),
    "report": ("_numbers", ()),
}


@pytest.mark.parametrize("bug", BUGS, ids=["KeyError", "ValueError", "AttributeError"])
@pytest.mark.parametrize("name", NAMES)
def test_a_bug_of_ours_is_logged_and_never_a_refusal(
    finished: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str, bug: Callable[[], Any]
) -> None:
    place, values = PLANTS[name]
    module = "attack_endpoint" if name == "attack" else "endpoints"
    monkeypatch.setattr(f"balign.ui.api.{module}.{place}", lambda *args, **options: bug())
    with pytest.raises(gr.Error) as answered:
        getattr(endpoints, name)(*(values or (finished.id,)))
    assert answered.value.message == BUG
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert name in record.getMessage()


def test_no_report_yet_is_told(new_run: New) -> None:
    run = new_run()
    telemetry.append(run.path / "telemetry.jsonl", telemetry.Phase("load", 0, 1, 0.0))
    for call in (endpoints.pair, endpoints.score, endpoints.report):
        with pytest.raises(gr.Error, match="no report yet"):
            call(run.id)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studio]:
    """A public studio of its own process, with runs that need no model."""
    monkeypatch.setenv("BALIGN_PUBLIC", "1")
    server = Studio(tmp_path, pause=0.05, steps=12)
    monkeypatch.setenv("BALIGN_RUNS", str(tmp_path / "elsewhere"))  # the line goes on in the server alone
    yield server
    server.kill()
    server.end_runs()
    assert "Traceback" not in server.log()


@pytest.mark.slow
def test_a_queued_run_of_a_client_outlives_a_restart(served: Studio) -> None:
    client = Client(served.url, verbose=False)
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {f"/{name}" for name in NAMES}
    first = client.predict("cat", api_name="/start")
    second = client.predict(erase="cat", owner_secret=first["owner_secret"], api_name="/start")
    assert visitors.valid(first["owner_secret"]) == second["owner_secret"]
    assert (first["place"], second["place"]) == (0, 1)
    served.kill()
    served.start()
    client = Client(served.url, verbose=False)
    wait_for(lambda: client.predict(second["run"], api_name="/status")["state"] == "done", 240)
    assert client.predict(first["run"], api_name="/status")["state"] == "done"

    pair = client.predict(second["run"], "kept", 1, api_name="/pair")
    assert httpx.get(served.url + pair["before"]).content.startswith(b"\x89PNG")
    for words, call in (
        ("There is no run", lambda: client.predict("../../etc", api_name="/status")),
        ("somebody else's", lambda: client.predict(second["run"], api_name="/export")),
    ):
        with pytest.raises(AppError, match=words):
            call()
    given = client.predict(second["run"], "weights", first["owner_secret"], api_name="/export")
    assert httpx.get(served.url + given["url"]).status_code == 200
    assert httpx.get(served.url + given["url"].split("?")[0]).status_code == 404


@pytest.mark.parametrize(("number", "traced"), [(errno.ENOSPC, False), (errno.EIO, True)])
def test_a_full_disk_is_one_line_of_the_log(number: int, traced: bool, caplog: pytest.LogCaptureFixture) -> None:
    def refuses() -> None:
        raise OSError(number, "it is full")

    with pytest.raises(gr.Error, match=r"^The disk refused: it is full\.$"):
        in_a_sentence(refuses)()
    (record,) = caplog.records
    assert bool(record.exc_info) is traced
