"""The Try tab in a real Chromium: an own prompt, the strength slider, a blind vote, and nothing for a stranger."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE, Studio
from tests.browser.test_studio import EVIL, erase

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)
Open = Callable[..., Page]
Serve = Callable[..., Studio]


def finished(page: Page) -> str:
    """Erase, wait for the end, open the Try tab; the run's id."""
    name = erase(page)
    page.wait_for_selector(".pair")
    trying(page)
    expect(page.locator("#try-draw")).to_be_enabled()
    return name


def trying(page: Page) -> None:
    page.get_by_role("tab", name="Try", exact=True).click()


def test_an_own_prompt_the_slider_and_a_vote(studio: Serve, tab: Open) -> None:
    page = tab(studio(pause=0.01).url)
    expect(page.locator("#try-draw")).to_have_count(0)
    finished(page)
    page.locator("#try-prompt textarea, #try-prompt input").fill(EVIL)
    page.click("#try-draw")
    expect(page.locator(".group.own .pair")).to_have_count(4)
    expect(page.locator(".group.own h3")).to_contain_text(EVIL)
    assert page.locator("img[src='x']").count() == 0

    expect(page.locator("#try-frames")).to_be_enabled()
    page.click("#try-frames")
    now = page.locator("section.strength .now span[data-frame]:not([hidden]) > b").first
    expect(now).to_have_text("1.00")
    page.locator("section.strength input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    expect(now).to_have_text("1.25")
    page.keyboard.press("Home")
    expect(now).to_have_text("0.00")
    shown = page.locator("section.strength figure.frame img:not([hidden])")
    expect(shown).to_have_count(8)
    page.wait_for_function("[...document.querySelectorAll('.frame img:not([hidden])')].every((i) => i.naturalWidth)")

    expect(page.locator("#try-attack")).to_be_enabled()
    page.locator("#attack-which").get_by_label("Held-out synonyms").check()
    page.click("#try-attack")
    expect(page.locator(".attacking .said")).to_contain_text("brought back by textual inversion, 2 tokens")
    expect(page.locator(".attacking .chart")).to_have_count(2)
    page.wait_for_function("[...document.querySelectorAll('.drawn img')].some((i) => i.naturalWidth)")

    page.click("#vote-start")
    expect(page.locator(".sheets img")).to_have_count(2)
    page.click("#vote-a")
    expect(page.locator("#part-tally")).to_contain_text("1 vote on this run so far")
    page.click("#vote-end")
    expect(page.locator("#part-tally table")).to_be_visible()
    page.reload()
    trying(page)
    expect(page.locator(".attacking .said")).to_contain_text("brought back by textual inversion, 2 tokens")
    expect(page.locator("section.strength .now")).to_be_visible()


def test_who_has_the_link_watches_and_tries_nothing(studio: Serve, tab: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALIGN_PUBLIC", "1")
    server = studio(pause=0.01)
    page = tab(server.url)
    name = finished(page)
    page.locator("#try-prompt textarea, #try-prompt input").fill("an ink cat")
    page.click("#try-draw")
    expect(page.locator(".group.own .pair")).to_have_count(4)
    page.wait_for_function("[...document.querySelectorAll('.own img')].every((i) => i.naturalWidth)")

    stranger = tab(f"{server.url}?run={name}")
    stranger.wait_for_selector(".pair")
    trying(stranger)
    expect(stranger.locator("#part-try-about")).to_contain_text("This run is somebody else's")
    expect(stranger.locator("#try-draw")).to_have_count(0)
    assert "an ink cat" not in stranger.content()
    address = page.locator(".group.own img").first.get_attribute("src") or ""
    assert "?key=" in address
    assert stranger.request.get(server.url + address.split("?")[0]).status == 404
    assert stranger.request.get(server.url + address).status == 200
