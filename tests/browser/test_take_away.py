"""A finished run is taken away in a real Chromium: a file is made and fetched, something is pushed, it goes on."""

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE, Studio
from tests.browser.test_studio import erase

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)
TOKEN = "hf_a-secret-of-this-test"


def test_a_file_a_push_and_some_more_steps(studio: Callable[..., Studio], tab: Callable[..., Page]) -> None:
    server = studio(pause=0.02, steps=30)
    page = tab(server.url)
    name = erase(page)
    page.get_by_text("Take it away").click()
    expect(page.locator(".taken")).to_contain_text("beside the base model")
    page.locator("#take-rank textarea").fill("4")
    page.click("#make-lora")
    link = page.locator(".taken a[download]")
    with page.expect_download() as download:
        link.click()
    assert download.value.suggested_filename == "lora-rank-4-strength-1.00.safetensors"

    page.locator("#push-name textarea").fill("nobody")
    page.locator("#push-token input").fill(TOKEN)
    page.click("#push")
    expect(page.locator("#part-take-state")).to_contain_text("accepted is owner/name")
    page.locator("#push-name textarea").fill("me/x")
    page.click("#push")
    expect(page.locator(".taken a[target]")).to_have_attribute("href", f"https://hub.example/me/x?{len(TOKEN)}")
    expect(page.locator("#push-token input")).to_have_value("")
    assert TOKEN not in page.content()
    assert TOKEN.encode() not in (server.folder / "server.log").read_bytes()
    assert TOKEN not in str(page.evaluate("JSON.stringify(localStorage)"))

    page.locator("#next-more textarea").fill("5")
    page.click("#next-go-on")
    expect(page).not_to_have_url(re.compile(name))
    expect(page.locator(".verdict h2")).to_contain_text("cat")
    configs = [json.loads(path.read_text()) for path in server.runs.glob("*/config.json")]
    assert sorted(config["steps"] or 0 for config in configs) == [0, 35]
