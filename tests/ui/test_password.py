"""The optional password: page, files, endpoints, tools and uploads of a real server, and what wrong ones cost."""

import base64
import logging
import os
from collections.abc import Callable, Iterator

import gradio_client
import httpx
import pytest

from balign.host import rates
from balign.refusal import Refusal
from balign.ui import password
from balign.ui.studio import header
from tests.ui.served import client_at, serving, tool

SECRET = "späte Zeit: 7"
PATHS = ("/", "/config", "/files/x/report.html", "/gradio_api/info", "/gradio_api/mcp/", "/gradio_api/queue/data", "/x")


def basic(text: str, user: str = "me") -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(f'{user}:{text}'.encode()).decode()}"}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving(BALIGN_PASSWORD=SECRET, BALIGN_PUBLIC="1") as address:
        yield address


@pytest.fixture(autouse=True)
def _locked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALIGN_PASSWORD", SECRET)
    monkeypatch.setenv("BALIGN_PUBLIC", "1")
    monkeypatch.setattr(password, "WRONG", rates.Rate())


def test_nothing_is_there_without_it(server: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for headers in ({}, basic("wrong"), {"authorization": "Bearer x"}):
        for path in PATHS[:-1]:
            answer = httpx.get(server + path, headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Basic realm=")
        assert httpx.get(server + PATHS[-1], headers=headers).status_code == 404
    assert httpx.post(f"{server}/gradio_api/upload", files={"files": b"x"}).status_code == 401
    with httpx.Client() as nobody:
        assert tool(nobody, server, "status", run="x").status_code == 401
    assert SECRET not in caplog.text


@pytest.mark.parametrize("user", ["me", "", "anybody: else"[:7]])
def test_with_it_everything_is(server: str, user: str) -> None:
    right = basic(SECRET, user)
    page = httpx.get(server, headers=right)
    assert page.status_code == 200
    assert SECRET not in page.text
    client = gradio_client.Client(server, headers=right, verbose=False)
    with pytest.raises(Exception, match="There is no run 'x'"):
        client.predict("x", api_name="/status")
    with httpx.Client(headers=right) as known:
        assert "There is no run 'x'" in tool(known, server, "status", run="x").text
        assert known.get(f"{server}/files/x/report.html").status_code == 404
        assert known.post(f"{server}/gradio_api/upload", files={"files": b"x"}).status_code == 200


def test_another_page_may_not_use_what_the_browser_knows(server: str) -> None:
    for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
        assert httpx.post(f"{server}/gradio_api/queue/join", headers=basic(SECRET) | headers).status_code == 403


@pytest.mark.parametrize("origin", ["http://evil.example", "null", ""])
def test_a_preflight_is_no_way_past_it(server: str, origin: str) -> None:
    asked = {"origin": origin or server, "access-control-request-method": "POST"}
    for path, status in (("/config", 403 if origin else 401), ("/monitoring", 404)):
        answer = httpx.request("OPTIONS", server + path, headers=asked)
        assert answer.status_code == status
        assert "access-control-allow-origin" not in answer.headers


def test_a_password_need_not_be_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALIGN_PASSWORD", os.fsdecode(b"sp\xe4te"))
    right = f"Basic {base64.b64encode(b'me:sp' + bytes([0xE4]) + b'te').decode()}"
    assert password.refusal("/", right, "1.2.3.4") == (0, "")
    assert password.refusal("/", basic("späte")["authorization"], "1.2.3.4")[0] == 401


def test_an_address_that_guesses_is_not_listened_to(server: str, limit: Callable[..., None]) -> None:
    limit(passwords=3)
    with client_at("127.0.0.21") as guesser, client_at("127.0.0.22") as other:
        told = [guesser.get(f"{server}/config", headers=basic(str(k))).status_code for k in range(5)]
        assert told == [401, 401, 401, 429, 429]
        assert guesser.get(f"{server}/config", headers=basic(SECRET)).status_code == 429
        assert other.get(f"{server}/config", headers=basic(SECRET)).status_code == 200
        assert guesser.get(f"{server}/config").status_code == 401


RIGHT = basic(SECRET)["authorization"]
WRONG = (
    "",
    "Basic",
    "Basic x",
    "Basic é",
    "Basic " + "=" * 9,
    "Digest x",
    "Basic bWU6",
    basic(SECRET + " ")["authorization"],
)


@pytest.mark.parametrize("given", [*WRONG, RIGHT.replace("Basic", "Bearer"), RIGHT + "!", RIGHT[:-4]])
def test_what_is_not_the_password_is_wrong(given: str) -> None:
    assert password.refusal("/", given, "8.8.8.8")[0] == 401
    with pytest.raises(Refusal):
        password.WRONG.check([rates.Charge("8.8.8.8", 1)])


def test_without_one_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALIGN_PASSWORD", "")
    assert password.refusal("/", None, "") == (0, "")
    assert not password.needed()


def test_the_head_says_who_may_do_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALIGN_PUBLIC", "0")
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
    words = " ".join(header().split())
    assert "Whoever can reach it and has its password sees every run and may do everything." in words
    assert SECRET not in words
