"""A finished run in a real Chromium: verdict, marks, files, charts, dialog, title, link, from one served page."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE, Studio
from tests.browser.test_studio import erase

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)
Open = Callable[..., Page]
Serve = Callable[..., Studio]


def test_a_finished_run_is_read_filtered_shared_and_left(studio: Serve, tab: Open) -> None:
    server = studio(pause=0.02, steps=30)
    page = tab(server.url)
    name = erase(page)
    expect(page.locator(".verdict h2")).to_have_text("cat: no longer drawn when asked by name")
    expect(page).to_have_title("\u2713 cat: no longer drawn when asked by name \u00b7 balign")
    marked(page)
    offered(page, server, name)
    charted(page)
    compared_closely(page)
    previewed(page, server, name)

    page.click("#next-attack-it")
    expect(page.locator("#try-attack")).to_be_in_viewport()
    page.get_by_role("tab", name="Erase").click()
    page.click("#next-duel")
    expect(page.locator(".comparison tbody").first).to_be_in_viewport()
    expect(page.locator(".comparison .entrants li")).to_have_count(3)
    expect(page.locator(".comparison a[download='comparison.csv']")).to_be_visible()


def marked(page: Page) -> None:
    """Failures come first and can be seen alone; what is fine is folded to four."""
    kept = page.locator(".group.kept")
    expect(kept.locator("button.pair:visible")).to_have_count(4)
    expect(kept.locator(".chip").first).to_have_text("no longer there")
    kept.get_by_text("Show all 12").click()
    expect(kept.locator("button.pair:visible")).to_have_count(12)
    page.locator(".failures").check()
    expect(page.locator(".groups button.pair:visible")).to_have_count(1)
    page.locator(".failures").uncheck()


def offered(page: Page, server: Studio, name: str) -> None:
    """Every file of the menu is there, and the menu goes away."""
    page.get_by_text("Download and share").click()
    links = page.locator(".menu a")
    for k in range(links.count()):
        address = links.nth(k).get_attribute("href") or ""
        assert page.request.get(server.url + address).ok, address
    steps = page.request.get(f"{server.url}files/{name}/steps.csv").text().splitlines()
    assert steps[0].startswith("step,forget_loss,retain_loss")
    assert len(steps) == 31
    page.keyboard.press("Escape")
    expect(links.first).not_to_be_visible()


def charted(page: Page) -> None:
    """Values by the arrow keys and by a tap, in all charts at once; zoom by a drag and back."""
    canvas = page.locator(".training-charts .canvas").first
    canvas.focus()
    page.keyboard.press("End")
    expect(page.locator("#tip")).to_contain_text(
        re.compile(r"^step 30: forget loss [\d.]+, retain loss [\d.]+, cosine")
    )
    expect(page.locator("#tip")).to_contain_text("promised to hurt")
    expect(page.locator(".canvas.read")).to_have_count(4)
    page.keyboard.press("Escape")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 40)
    page.mouse.up()
    expect(page.locator(".training-charts .xs span").first).to_have_text("15")
    page.get_by_role("button", name="Whole run").click()
    expect(page.locator(".training-charts .xs span").first).to_have_text("0")
    with page.expect_download() as download:
        page.locator("button.svg").first.click()
    assert download.value.suggested_filename.endswith(".svg")


def compared_closely(page: Page) -> None:
    """The dialog says where it is; without motion nothing blinks by itself."""
    page.emulate_media(reduced_motion="reduce")
    page.locator(".group.erased .pair").first.click()
    dialog = page.locator("#compare")
    expect(dialog.locator(".place")).to_contain_text("1 of ")
    expect(dialog.locator(".place")).to_contain_text("Erased")
    dialog.get_by_role("button", name="Next").click()
    expect(dialog.locator(".place")).to_contain_text("2 of ")
    dialog.locator("[data-show=blink]").click()
    after = "(d) => [getComputedStyle(d.querySelector('.after')).animationName, d.classList.contains('other')]"
    assert dialog.evaluate(after) == ["none", True]
    dialog.locator("[data-show=blink]").click()
    assert dialog.evaluate(after) == ["none", False]
    dialog.locator("[data-show=wipe]").click()
    page.keyboard.press("Escape")


def previewed(page: Page, server: Studio, name: str) -> None:
    """What a link to the run shows elsewhere, and how little a reload fetches."""
    html = page.request.get(f"{server.url}?run={name}").text()
    assert 'og:title" content="\u2713 cat: no longer drawn' in html
    assert "Gradio" not in "".join(re.findall(r"<meta[^>]*>", html))
    picture = re.search(r'og:image" content="([^"]+)"', html)
    assert picture
    assert page.request.get(picture[1]).headers["content-type"] == "image/png"


def test_a_hidden_tab_learns_the_end_and_tells_who_asked(studio: Serve, tab: Open) -> None:
    page = tab(studio(pause=0.2, steps=20).url)
    page.evaluate(
        """() => {
          window.told = [];
          window.Notification = class { constructor(title) { window.told.push(title); } };
          window.Notification.permission = "granted";
          window.Notification.requestPermission = async () => "granted";
        }"""
    )
    erase(page)
    expect(page).to_have_title(re.compile(r"^\d+\u00a0% \u00b7 cat \u00b7 balign"))
    page.locator("input.notify").check()
    page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true })")
    page.wait_for_function("window.told.length === 1")
    assert page.evaluate("window.told") == ["\u2713 cat: no longer drawn when asked by name \u00b7 balign"]
