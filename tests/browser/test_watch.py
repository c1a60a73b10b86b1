"""Before and during a run in a real Chromium: words to keep, a file, the estimate, the slider, the heat map."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE, Studio
from tests.browser.test_studio import EVIL, erase, field, unfold

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)
Open = Callable[..., Page]
Serve = Callable[..., Studio]


def test_close_words_are_one_press_away(studio: Serve, tab: Open) -> None:
    page = tab(studio(pause=0).url)
    unfold(page, "terminal")
    chip = page.locator(".assist .chip", has_text="dog").first
    chip.press("Enter")
    expect(chip).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#command textarea")).to_have_value("python -m balign erase cat --keep dog")
    chip.click()
    expect(page.locator("#command textarea")).to_have_value("python -m balign erase cat")
    field(page, "erase").fill("pizza")
    expect(page.locator(".assist .chip", has_text="burger").first).to_be_visible()


def test_odd_lists_are_remarked_on_while_typing(studio: Serve, tab: Open) -> None:
    page = tab(studio(pause=0).url)
    field(page, "keep").fill("a golden cat")
    expect(page.locator("#field-keep #mistake")).to_contain_text("names 'cat', which is to be erased")
    field(page, "keep").fill(EVIL)
    expect(page.locator(".remarks")).to_contain_text("The model knows no word of '<img")
    assert page.locator("img[src='x']").count() == 0
    field(page, "keep").fill("")
    unfold(page, "keep-prompts")
    expect(page.locator(".prompts .key.erased").first).to_contain_text("cat")
    expect(page.locator(".estimate")).to_contain_text("The time is a guess")


def test_a_list_from_a_file(studio: Serve, tab: Open, tmp_path: Path) -> None:
    page = tab(studio(pause=0).url)
    unfold(page, "own-files")
    (tmp_path / "keep.txt").write_text("dog\na golden owl\n")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "keep.txt")
    expect(field(page, "keep")).to_have_value("dog\na golden owl")
    expect(page.locator("#part-keep-added")).to_contain_text("2 prompts were added")
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\x00")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "bad.txt")
    expect(page.locator("#part-keep-added")).to_contain_text("begins like UTF-16 or UTF-32 and is not")


def test_the_slider_stays_where_it_was_put(studio: Serve, tab: Open) -> None:
    page = tab(studio(pause=0.2, steps=40).url)
    erase(page)
    shown = page.locator(".frames li.shown")
    page.wait_for_function("document.querySelectorAll('.frames li').length >= 3")
    page.locator(".previews .slider").focus()
    page.keyboard.press("Home")
    expect(shown).to_have_attribute("data-step", "0")
    page.keyboard.press("ArrowRight")
    expect(shown).to_have_attribute("data-step", "5")
    page.wait_for_selector(".pair")
    assert page.locator(".frames li").count() == 9
    expect(shown).to_have_attribute("data-step", "5")
    expect(page.locator(".previews .slider")).to_have_attribute("aria-valuetext", "step 5")
    page.keyboard.press("End")
    expect(shown).to_have_attribute("data-step", "40")
    expect(page.locator(".heat td.against, .heat td.along")).to_have_count(6 + 3 * 4)  # kinds of weight, then noise
