"""The page from memory: made once for each address, and never another one's."""

import re
from pathlib import Path

import gradio
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from balign.ui import frontpage

made: list[str] = []


def answer(request: Request) -> Response:
    made.append(str(request.url))
    told = f"{request.headers.get('x-forwarded-host', request.headers['host'])} {request.url.query}"
    response = PlainTextResponse(told, status_code=500 if request.headers.get("x-bad") else 200)
    if request.headers.get("x-login"):
        response.set_cookie("who", "me")
    return response


@pytest.fixture
def client() -> TestClient:
    made.clear()
    routes = [Route(path, answer) for path in ("/", "/config", "/files/x")]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(frontpage.Frontpage)]))


def test_it_is_made_once_for_everybody(client: TestClient) -> None:
    first = client.get("/", headers={"user-agent": "a", "cookie": "b=1", "x-forwarded-for": "1.2.3.4"})
    again = client.get("/?run=someone", headers={"accept-language": "de", "sec-fetch-mode": "navigate"})
    assert (again.status_code, again.text, again.headers) == (200, first.text, first.headers)
    assert len(made) == 1
    client.get("/config")
    assert len(made) == 2


@pytest.mark.parametrize("name", ["host", "x-forwarded-host", "x-forwarded-proto", "x-gradio-server", "x-unheard-of"])
def test_a_header_that_may_matter_makes_another_answer(client: TestClient, name: str) -> None:
    client.get("/", headers={name: "evil.example"})
    assert "evil" not in client.get("/").text
    assert len(made) == 2


@pytest.mark.parametrize("address", ["/?deep_link=x", "/?run=a&deep_link=x", "/?run=a;deep_link=x", "/files/x"])
def test_what_is_not_for_everybody_is_made_each_time(client: TestClient, address: str) -> None:
    assert [client.get(address).status_code for _ in range(2)] == [200, 200]
    assert len(made) == 2


@pytest.mark.parametrize("name", ["x-bad", "x-login"])
def test_neither_errors_nor_cookies_are_kept(client: TestClient, name: str) -> None:
    for _ in range(2):
        client.get("/", headers={name: "1"})
    assert len(made) == 2


def test_memory_has_an_end(client: TestClient) -> None:
    for number in range(3 * frontpage.KEPT):
        client.get("/", headers={"host": f"h{number}"})
    client.get("/", headers={"host": "h0"})
    assert len(made) == 3 * frontpage.KEPT + 1
    assert client.get("/", headers={"host": "h0"}).text == "h0 "
    assert len(made) == 3 * frontpage.KEPT + 1


def test_gradios_own_page_finds_its_server_and_is_else_as_it_was() -> None:
    raw = (Path(gradio.__file__).parent / "templates/frontend/index.html").read_text("utf-8")
    raw = raw.replace("{{ config.get('root', '') | toorjson }}", '"http://x/b"')
    page = frontpage._with_head(frontpage._found_here(raw), "<!--ours-->")
    assert "const root = window.gradio_config.root;" in page
    places = [page.index(each) for each in ("gradio_config = ", "balignForgets", "<script>window.gradio_api_info = ")]
    assert places == sorted(places)
    assert page.count("<!--ours--></head>") == page.count("<gradio-app") == 1
    assert page.count("&lt;") == raw.count("&lt;")


def test_style_sheets_that_were_asked_for_stand_in_the_next_page_and_are_not_asked_for_again() -> None:
    told = {
        "/": "<head></head><gradio-app></gradio-app>",
        "/assets/a-1.css": "a > b { color: red }",
        "/assets/b-1.css": "c { background: url(d.png) }",  # relative to where it lies
        "/assets/e-1.js": "f",
    }
    routes = [Route(path, lambda request: Response(told[request.url.path])) for path in told]
    client = TestClient(Starlette(routes=routes, middleware=[Middleware(frontpage.Frontpage)]))
    assert all(client.get(path).text for path in [*told][1:])
    page = client.get("/").text
    assert '<link rel="stylesheet" href="./assets/a-1.css" disabled><style>a > b { color: red }</style>' in page
    assert re.search(r'rel="preload" as="style"\s+href="./assets/b-1.css"', page)
    assert "d.png" not in page
    assert re.search(r'rel="modulepreload"\s+href="./assets/e-1.js"', page)
