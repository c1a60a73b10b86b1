"""Which requests the server answers: hosts, origins, routes, sizes, uploads, and what a failed one costs."""

import errno
import json
import logging
from collections.abc import Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from balign.markup.render import render
from balign.ui import doors
from balign.ui.frontpage import Frontpage
from tests.ui.served import serving

OPEN = ("/", "/config", "/files/some-run/report.html", "/gradio_api/queue/join", "/gradio_api/mcp/", "/assets/x.js")
OPEN += (
    "/gradio_api/call/start",
    "/gradio_api/call/start/e1",
    "/gradio_api/call/v2/start",
    "/gradio_api/call/v2/start/e1",
)
SHUT = (
    "/monitoring",
    "/monitoring/summary",
    "/gradio_api/deep_link?session_hash=x",
    "/gradio_api/process_recording",
    "/gradio_api/proxy=http://169.254.169.254/",
    "/gradio_api/component_server",
    "/gradio_api/vibe-code",
    "/gradio_api/run/start",
    "/gradio_api/dev/reload",
    "/docs",
    "/openapi.json",
)
FOREIGN = (
    "x.localhost:7860", "localhost.", "evil.example", "mybox", "rebound.test:7860", "127.0.0.1:x", "[::1", "::1",
    "evil.test@127.0.0.1:7860", "localhost/@x", "localhost?x", "localhost#x", "[::1%25lo]", "[fe80::1%evil.test]",
    "127.0.0.1:", "localhost:0", "localhost:080", "localhost:65536", "127.1", "[v1.x]", "a, localhost", "",
)  # fmt: skip


async def _echo(request: Request) -> PlainTextResponse:
    if request.query_params.get("fail") == "lib":
        raise_in_a_library()
    if request.query_params.get("fail") == "disk":
        raise OSError(int(request.query_params["errno"]), "told by the machine")
    return PlainTextResponse(f"{len(await request.body())}")


def raise_in_a_library() -> None:
    json.loads("{")


@pytest.fixture
def client() -> Iterator[TestClient]:
    methods = ["GET", "POST", "PUT", "DELETE", "OPTIONS"]
    layers = [Middleware(doors.Doors), Middleware(Frontpage)]
    app = Starlette(routes=[Route("/{path:path}", _echo, methods=methods)], middleware=layers)
    with TestClient(app, base_url="http://127.0.0.1:7860") as client:
        yield client


@pytest.mark.parametrize("path", OPEN)
def test_what_the_page_uses_is_there(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("path", SHUT)
def test_other_routes_are_not(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == client.post(path).status_code == 404


@pytest.mark.parametrize("host", ["127.0.0.1:7860", "localhost", "LOCALHOST:80", "[::1]:7860", "192.168.1.5:7860"])
def test_this_machine_by_its_names_and_addresses(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", FOREIGN)
def test_another_name_is_refused(client: TestClient, host: str) -> None:
    answer = client.get("/config", headers={"host": host})
    assert answer.status_code == 403
    assert "is not known here" in answer.json()["error"]


def test_a_listed_name_is_taken(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALIGN_HOSTS", "mybox, Lab.example")
    assert client.get("/", headers={"host": "mybox:7860"}).status_code == 200
    assert client.get("/", headers={"host": "lab.example"}).status_code == 200
    proxied = {"origin": "https://lab.example", "sec-fetch-site": "same-origin"}  # and the Host is the inner address
    assert client.post("/gradio_api/queue/join", headers=proxied).status_code == 200


def test_another_port_of_a_listed_name_is_another_page(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALIGN_HOSTS", "mybox, Lab.example:8443")
    path = "/gradio_api/queue/join"
    for host in ("mybox:7860", "127.0.0.1:7860"):
        for origin, status in (
            ("http://mybox:8888", 403),
            ("http://lab.example", 403),
            ("https://lab.example:8444", 403),
            ("https://LAB.example:8443", 200),
            ("http://mybox", 200),
        ):
            assert client.post(path, headers={"host": host, "origin": origin}).status_code == status
    for host, status in (("lab.example:8443", 200), ("lab.example", 200), ("sub.lab.example", 403), ("mybox.", 403)):
        assert client.get("/config", headers={"host": host}).status_code == status


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:8888"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
    ],
)
def test_another_web_page_is_refused(client: TestClient, method: str, headers: dict[str, str]) -> None:
    assert client.request(method, "/gradio_api/queue/join", headers=headers).status_code == 403


@pytest.mark.parametrize("public", [False, True])
def test_a_preflight_passes_the_same_doors(public: bool) -> None:
    with serving(BALIGN_PUBLIC=str(int(public))) as server:
        for headers in ({"origin": "http://evil.example"}, {"origin": "null"}, {"host": "evil.example"}):
            asked = {"origin": server, "access-control-request-method": "POST"} | headers
            for path in ("/gradio_api/queue/join", "/gradio_api/mcp/"):
                answer = httpx.request("OPTIONS", server + path, headers=asked)
                assert answer.status_code == (200 if public else 403)
                assert "content-security-policy" in answer.headers
            assert httpx.request("OPTIONS", f"{server}/monitoring", headers=asked).status_code == 404
        own = {"origin": server, "access-control-request-method": "POST"}
        assert httpx.request("OPTIONS", f"{server}/config", headers=own).status_code == 200


def test_the_own_page_programs_and_links_are_not(client: TestClient) -> None:
    own = {"origin": "http://127.0.0.1:7860", "sec-fetch-site": "same-origin"}
    assert client.post("/gradio_api/queue/join", headers=own).status_code == 200
    assert client.post("/gradio_api/queue/join").status_code == 200
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client.get("/?run=abc", headers=link).status_code == 200
    assert client.post("/", headers=link).status_code == 403


@pytest.mark.usefixtures("public")
def test_a_public_instance_has_any_name(client: TestClient) -> None:
    headers = {"host": "someone-space.hf.space", "origin": "https://someone-space.hf.space"}
    assert client.post("/gradio_api/queue/join", headers=headers).status_code == 200


def test_with_a_password_a_public_one_refuses_other_pages_too(
    client: TestClient, public: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}
    other = {"origin": "http://evil.example"}
    client.auth = ("me", "secret")
    assert client.post("/gradio_api/queue/join", headers=other).status_code == 200
    assert client.get("/", headers=page).status_code == 200
    monkeypatch.setenv("BALIGN_PASSWORD", "secret")
    assert client.post("/gradio_api/queue/join", headers=other).status_code == 403
    assert client.get("/", headers=page).status_code == 403
    assert client.get("/").status_code == 200
    monkeypatch.setenv("SPACE_ID", "someone/space")  # the hub frames it
    assert client.get("/", headers=page).status_code == 200
    assert client.post("/", headers=page).status_code == 403


def test_a_body_is_bounded_whatever_it_says(client: TestClient) -> None:
    path = "/gradio_api/queue/join"
    assert client.post(path, content=b"x" * doors.MAX_BODY).text == str(doors.MAX_BODY)
    assert client.post(path, content=b"x" * (doors.MAX_BODY + 1)).status_code == 413
    chunks = (b"x" * 100_000 for _ in range(11))  # sent without a length
    assert client.post(path, content=chunks).status_code == 413
    assert client.post(path, headers={"content-length": "-5"}, content=b"").status_code == 413


def test_what_cannot_be_read_costs_one_line(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    answer = client.get("/?fail=lib")
    assert answer.status_code == 400
    (record,) = [record for record in caplog.records if record.name == doors.__name__]
    assert record.levelno == logging.WARNING
    assert record.exc_info is None


def test_a_bug_of_ours_is_one_wherever_it_surfaces(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: Request) -> PlainTextResponse:
        return PlainTextResponse(render("markup/no-such-template.html"))

    app = Starlette(routes=[Route("/", broken)], middleware=[Middleware(doors.Doors)])
    with TestClient(app, base_url="http://127.0.0.1:7860") as client:
        answer = client.get("/")
    assert (answer.status_code, "in balign itself" in answer.json()["error"]) == (500, True)
    assert [record.exc_info is not None for record in caplog.records if record.name == doors.__name__] == [True]


@pytest.mark.parametrize(
    ("number", "status", "words"),
    [(errno.ENOSPC, 507, "disk is full"), (errno.EDQUOT, 507, "disk is full")]
    + [(n, 503, "come back later") for n in (errno.EMFILE, errno.ENFILE, errno.EIO, errno.EROFS, errno.EACCES)]
    + [(errno.ENAMETOOLONG, 400, "cannot be read")],
)
def test_what_the_machine_cannot_do_is_named(
    client: TestClient, caplog: pytest.LogCaptureFixture, number: int, status: int, words: str
) -> None:
    answer = client.post(f"/?fail=disk&errno={number}")
    assert answer.status_code == status
    assert words in answer.json()["error"]
    (record,) = [record for record in caplog.records if record.name == doors.__name__]
    assert ("told by the machine" in record.getMessage()) == (status != 400)


def test_every_answer_says_what_it_may_do(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("/", "/monitoring"):
        headers = client.get(path).headers
        assert "frame-ancestors 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "SAMEORIGIN"
    monkeypatch.setenv("SPACE_ID", "someone/space")
    headers = client.get("/").headers
    assert "https://huggingface.co" in headers["content-security-policy"]
    assert "x-frame-options" not in headers
