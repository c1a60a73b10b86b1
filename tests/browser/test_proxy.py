"""Behind a real nginx under a sub-path; in a browser that keeps nothing; with a server that is started anew."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

from balign.runs.folder import Run
from tests.browser.conftest import PATIENCE, Studio
from tests.browser.nginx import Nginx

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)
CURVE = ".chart path.line.erased[d*='L']"
FORGETFUL = """for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window, name, {
  configurable: true,
  get() { throw new DOMException("Access is denied for this document.", "SecurityError"); },
});"""
"""What a browser does in a frame of another site whose storage it blocks."""


@pytest.fixture
def proxied(tmp_path: Path) -> Iterator[Callable[[Studio], Nginx]]:
    """``proxied(server)``: nginx in front of it."""
    made: list[Nginx] = []

    def start(server: Studio) -> Nginx:
        made.append(Nginx(tmp_path / "nginx", server.port))
        return made[-1]

    yield start
    for each in made:
        each.stop()


def erase(page: Page) -> str:
    page.click("#erase")
    page.wait_for_selector(CURVE, state="attached")
    page.wait_for_function("new URL(location).searchParams.get('run')")
    return page.evaluate("new URL(location).searchParams.get('run')")


def test_under_a_sub_path_and_through_a_restart(
    studio: Callable[..., Studio], tab: Callable[..., Page], proxied: Callable[[Studio], Nginx]
) -> None:
    server = studio(pause=1.0)
    nginx = proxied(server)
    page = tab(f"{nginx.url}/bare")  # without its last slash and without a header of the prefix
    assert urlsplit(page.url).path == "/bare/"
    name = erase(page)
    assert urlsplit(page.url).path == "/bare/"

    server.kill()
    server.start()
    page.wait_for_selector(".pair")  # without a reload by hand
    assert urlsplit(page.url).query == f"run={name}"
    expect(page.locator(".verdict h2")).to_contain_text("cat")
    assert page.evaluate("document.querySelector('.pair img').naturalWidth") == 64

    other = tab(f"{nginx.url}/balign/?run={name}")
    other.wait_for_selector(".pair")
    report = other.locator(".verdict .menu a", has_text="Report").get_attribute("href") or ""
    assert httpx.get(f"{nginx.url}/balign/{report}").status_code == 200
    assert httpx.get(f"{nginx.url}/balign/config").json()["root"] == f"{nginx.url}/balign"  # for programs
    failed = [line for line in nginx.requests().splitlines() if '" 404 ' in line]
    assert not [line for line in failed if "GET /balign/" in line or "GET /bare/" in line]


def test_a_browser_that_keeps_nothing_gets_a_link_that_owns_its_run(
    studio: Callable[..., Studio], tab: Callable[..., Page], proxied: Callable[[Studio], Nginx]
) -> None:
    server = studio(pause=2.0, steps=200, BALIGN_PUBLIC="1")  # it goes on until the test ends
    nginx = proxied(server)
    page = tab(f"{nginx.url}/balign/", script=FORGETFUL)
    name = erase(page)
    said = page.locator(".forgetful")
    expect(said).to_contain_text("This browser forgets")
    link = said.locator("a").get_attribute("href") or ""
    secret = urlsplit(link).fragment.removeprefix("owner=")
    assert len(secret) == 43

    page.reload()
    expect(page.locator("#stop")).to_be_visible()  # it is still theirs
    watcher = tab(f"{nginx.url}/balign/?run={name}")
    watcher.wait_for_selector(CURVE, state="attached")
    expect(watcher.locator("#stop")).to_have_count(0)
    expect(watcher.locator(".forgetful")).to_have_count(0)
    owner = tab(link, script="window.confirm = (words) => words.includes('its runs yours')")  # one that keeps it
    expect(owner.locator("#stop")).to_be_visible()
    assert "owner" not in owner.url
    owner.reload()
    expect(owner.locator("#stop")).to_be_visible()
    assert secret not in nginx.requests()
    assert secret not in server.log()
    assert not any(secret in path.read_text(errors="replace") for path in Run.open(name, server.runs).path.glob("*.*"))
