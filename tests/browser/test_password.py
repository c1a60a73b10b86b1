"""A studio with a password, in a browser that knows it and in one that does not."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Error, Page, expect

from tests.browser.conftest import PATIENCE, Studio
from tests.browser.test_studio import erase, field

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize("public", ["0", "1"])
def test_a_browser_asks_once_and_a_run_is_made(
    studio: Callable[..., Studio],
    tab: Callable[..., Page],
    chromium: Browser,
    monkeypatch: pytest.MonkeyPatch,
    public: str,
) -> None:
    monkeypatch.setenv("BALIGN_PUBLIC", public)
    monkeypatch.setenv("BALIGN_PASSWORD", "späte Zeit")
    server = studio(pause=0.02, steps=10)
    stranger = chromium.new_page()
    with pytest.raises(Error, match="ERR_INVALID_AUTH_CREDENTIALS"):
        stranger.goto(server.url)
    stranger.close()
    page = tab(server.url, http_credentials={"username": "me", "password": "späte Zeit"})
    field(page, "erase").fill("cat")
    erase(page)
    expect(page.locator("#part-outcome img").first).to_be_visible(timeout=PATIENCE)
    assert "späte Zeit" not in server.log()
