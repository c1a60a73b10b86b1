"""The form in a real Chromium: words to choose, mistakes at their field, the keyboard alone, another language."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE, Studio
from tests.browser.test_studio import field, unfold

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)
Open = Callable[..., Page]
Serve = Callable[..., Studio]


def test_a_word_is_chosen_and_erased(studio: Serve, tab: Open) -> None:
    page = tab(studio(pause=0).url)
    box, near = field(page, "erase"), page.locator(".vocabulary .near button")
    expect(near).to_have_text(["penguin", "pizza", "watercolor", "blue"])
    near.first.click()
    expect(box).to_have_value("penguin")
    box.fill("pnguin")
    expect(near).to_have_text(["penguin"])
    expect(page.locator("#mistake")).to_contain_text("The model does not know 'pnguin'")
    box.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(box).to_have_value("penguin")
    expect(page.locator("#mistake")).to_have_count(0)

    page.get_by_text("All 122 words this model knows").click()
    page.locator(".vocabulary .find").fill("hous")
    expect(page.locator(".vocabulary .all button:visible")).to_have_text(["house"])
    page.locator(".vocabulary .all button:visible").click()
    expect(box).to_have_value("penguin, house")
    page.locator(".vocabulary .all button:visible").click()
    page.locator(".vocabulary .find").fill("cat")
    page.locator('.vocabulary .all button:text-is("cat")').click()
    page.locator(".vocabulary .find").fill("penguin")
    page.locator('.vocabulary .all button:text-is("penguin")').click()
    expect(box).to_have_value("cat")
    page.click("#erase")
    expect(page.locator(".verdict h2")).to_have_text("cat: no longer drawn when asked by name")


def test_a_mistake_is_told_at_its_field_and_nothing_begins(studio: Serve, tab: Open) -> None:
    server = studio(pause=0)
    page = tab(server.url)
    unfold(page, "terminal")
    field(page, "n_eval").fill("many")
    box, said = field(page, "n_eval"), page.locator("#field-n_eval #mistake")
    expect(said).to_have_text("'many'; a whole number is accepted.")
    expect(box).to_have_attribute("aria-invalid", "true")
    assert box.get_attribute("aria-describedby") == "mistake"
    expect(page.locator("#erase")).to_have_attribute("aria-disabled", "true")
    expect(page.locator("#command textarea")).to_have_value("")
    page.locator("#settings > button").click()
    expect(box).to_be_hidden()
    page.locator("#erase").click(force=True)
    expect(box).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("8")
    expect(page.locator("#erase")).to_have_attribute("aria-disabled", "false")
    expect(box).not_to_have_attribute("aria-invalid", "true")
    assert not list(server.runs.glob("[0-9]*"))


def test_from_arrival_to_a_download_by_the_keyboard_alone(studio: Serve, tab: Open) -> None:
    page = tab(studio(pause=0).url)
    expect(page.locator(".vocabulary .near button").first).to_be_visible()
    reach(page, "#field-erase textarea")
    page.keyboard.press("Control+A")
    page.keyboard.type("pizza")
    expect(page.locator(".understood .concept")).to_contain_text("pizza")
    page.keyboard.press("Enter")
    expect(page.locator(".verdict h2")).to_contain_text("pizza: no longer drawn")
    reach(page, ".menu > summary")
    page.keyboard.press("Enter")
    reach(page, ".menu a[download]")
    with page.expect_download():
        page.keyboard.press("Enter")


def reach(page: Page, what: str) -> None:
    """Press Tab until this has the focus, from wherever it is."""
    for _ in range(150):
        page.keyboard.press("Tab")
        if page.evaluate("(what) => document.activeElement.matches(what)", what):
            return
    pytest.fail(f"{what} is not reached")


def test_in_another_language(studio: Serve, tab: Open) -> None:
    page = tab(studio(pause=0).url, locale="de-AT")
    expect(page.locator("#erase")).to_have_text("L\u00f6schen")
    expect(page.locator("h1 + p")).to_contain_text("Ein Bildmodell")
    expect(page.locator(".progress strong").first).to_have_text("Bereit")
    assert page.evaluate("document.documentElement.lang") == "de"
    field(page, "steps").fill("9")
    expect(page.locator("#field-steps")).to_contain_text("Schritte")
    page.click("#erase")
    expect(page.locator(".menu > summary")).to_have_text("Herunterladen und teilen")
    page.click("#next-attack-it")
    expect(page.get_by_role("tab", name="Ausprobieren")).to_have_attribute("aria-selected", "true")
    expect(page.locator("#part-try-own")).to_contain_text("Ihr eigener Satz")
    page.get_by_role("tab", name="L\u00f6schen").click()
    page.locator("button.pair").first.click()
    expect(page.locator("#compare .next")).to_have_text(re.compile("N\u00e4chstes"))


def test_a_list_opens_again_after_escape_and_the_form_stays_beside_a_result(studio: Serve, tab: Open) -> None:
    page = tab(f"{studio().url}?run=example-cat", viewport={"width": 1280, "height": 800})
    page.wait_for_selector(".pair")
    page.evaluate("scrollTo(0, 1500)")
    expect(page.locator("#field-erase")).to_be_in_viewport()  # which stays in sight beside a long result
    page.locator("#model-and-method > button.label-wrap").click()
    box = page.locator("#field-model input")
    box.click()
    expect(box).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("Escape")
    expect(box).to_have_attribute("aria-expanded", "false")
    box.click()
    expect(box).to_have_attribute("aria-expanded", "true")
    page.set_viewport_size({"width": 1920, "height": 1080})
    assert page.locator(".group .pair").first.evaluate("(pair) => pair.clientWidth") > 220
