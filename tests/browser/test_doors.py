"""A hostile page in a real Chromium: from another port, a rebound name or `x.localhost`, it gets nothing done."""

import http.server
import threading
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page

from balign.runs.config import RunConfig
from balign.runs.folder import Run
from tests.browser.conftest import Studio

pytestmark = pytest.mark.browser
ATTACK = """async (base) => {
  const tell = async (what, work) => {
    try { const answer = await work(); return [what, answer.status, (await answer.text()).slice(0, 200)]; }
    catch (error) { return [what, 0, String(error)]; }
  };
  const form = () => {
    const data = new FormData();
    data.append("files", new Blob(["x".repeat(1000)]), "a.zip");
    return data;
  };
  const body = JSON.stringify({ data: ["cat"] });
  const json = { method: "POST", headers: { "Content-Type": "application/json" }, body };
  const blind = { method: "POST", headers: { "Content-Type": "text/plain" }, body, mode: "no-cors" };
  return Promise.all([
    tell("config", () => fetch(base + "config")),
    tell("list", () => fetch(base + "gradio_api/queue/join", json)),
    tell("start", () => fetch(base + "gradio_api/call/start", json)),
    tell("blind start", () => fetch(base + "gradio_api/call/start", blind)),
    tell("stop", () => fetch(base + "gradio_api/call/stop", json)),
    tell("upload", () => fetch(base + "gradio_api/upload", { method: "POST", body: form() })),
    tell("blind upload", () => fetch(base + "gradio_api/upload", { method: "POST", body: form(), mode: "no-cors" })),
    tell("mcp", () => fetch(base + "gradio_api/mcp/", json)),
    tell("deep link", () => fetch(base + "gradio_api/deep_link?session_hash=x")),
  ]);
}"""


@pytest.fixture
def evil() -> Iterator[str]:
    """The address of another local server, which serves one empty page."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>evil</title>")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context()
    yield context.new_page()
    context.close()


def attempts(page: Page, origin: str, base: str) -> dict[str, tuple[int, str]]:
    """What a page of this origin gets from the studio at this address: status and the start of each answer."""
    page.goto(origin)
    return {what: (status, text) for what, status, text in page.evaluate(ATTACK, base)}


def test_a_page_of_another_port_gets_nothing_done(page: Page, studio: Callable[..., Studio], evil: str) -> None:
    server = studio()
    run = Run.create(RunConfig.parse({"erase": ["cat"]}), server.runs)
    answers = attempts(page, evil, server.url)
    assert {what: status for what, (status, _) in answers.items() if status not in (0, 403, 404)} == {}
    assert not any(run.id in text for _, text in answers.values())
    assert [path.name for path in server.runs.glob("[0-9]*")] == [run.id]
    page.set_content(f'<iframe src="{server.url}"></iframe>')
    page.wait_for_timeout(1_000)
    assert all(frame.locator("#erase").count() == 0 for frame in page.frames)


@pytest.mark.parametrize("name", ["x.localhost", "localhost."])
def test_a_rebound_name_is_not_this_studio(page: Page, studio: Callable[..., Studio], name: str) -> None:
    """The page's own origin is then the studio's port under a strange name, so that the browser guards nothing."""
    server = studio()
    run = Run.create(RunConfig.parse({"erase": ["cat"]}), server.runs)
    strange = f"http://{name}:{server.port}/"
    answers = attempts(page, strange, strange)
    assert {what: status for what, (status, _) in answers.items() if status not in (0, 403, 404)} == {}
    assert not any(run.id in text for _, text in answers.values())
    assert [path.name for path in server.runs.glob("[0-9]*")] == [run.id]


def test_the_own_page_still_works(studio: Callable[..., Studio], tab: Callable[..., Page]) -> None:
    server = studio(steps=3)
    shown = tab(server.url)
    shown.click("#erase")
    shown.wait_for_selector(".verdict")
