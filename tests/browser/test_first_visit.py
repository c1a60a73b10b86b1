"""A first visit: something to play with before anything is pressed, and a page from which a layperson answers rightly.

It is the finished example that ships, on a server that has no run.
"""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE, Studio

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)
Open = Callable[..., Page]
Serve = Callable[..., Studio]
SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 800}}
SENTENCES = {
    "Is this my run, or an example?": (".progress strong", "A finished example"),
    "Is it finished?": (".progress .phases", "Save"),
    "Is the cat still in there, when it is asked for?": (".verdict h2", "cat: no longer drawn when asked by name"),
    "How many pictures still show one?": (".verdict h2 + p", "100\u00a0% of its pictures before, 0\u00a0% after"),
    "Did anything else change?": (".verdict p:has(b.kept)", "as good as before"),
    "And what is close to a cat?": (".verdict p:has(b.neighbours)", "no harm is seen"),
    "Can it be brought back?": (".verdict .attacked", "not brought back by these attacks"),
    "How do I get it, or show it to somebody?": (".verdict .menu summary", "Download and share"),
    "Where do I see what was tried to bring it back?": ("#next-attack-it", "See what brings it back"),
    "How do I have one of my own?": ("#next-another", "Erase something yourself"),
}
"""What a layperson asks of a finished run, where the page answers, and with which words."""


@pytest.mark.parametrize("size", SIZES)
def test_there_is_something_to_play_with_before_anything_is_pressed(size: str, studio: Serve, tab: Open) -> None:
    page = tab(studio().url, viewport=SIZES[size])
    wipe = page.locator(".wipe")
    expect(wipe.locator("img").first).to_be_in_viewport(ratio=0.9)
    page.wait_for_function("[...document.querySelectorAll('.wipe img')].every((image) => image.naturalWidth === 396)")
    cut = "(wipe) => wipe.style.getPropertyValue('--cut')"
    wipe.locator("input").focus()
    page.keyboard.press("ArrowLeft")
    assert wipe.evaluate(cut) == "49%"
    box = wipe.locator(".stage").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 9)
    assert wipe.evaluate(cut) == "25%"
    mine = page.locator(".ways .first")
    if size == "phone":
        mine.click()
        expect(page.locator("#field-erase input, #field-erase textarea").first).to_be_focused()
    else:
        expect(mine).not_to_be_visible()  # the form stands beside the pictures
        expect(page.locator("#field-erase")).to_be_in_viewport()


@pytest.mark.parametrize("size", SIZES)
def test_a_layperson_finds_every_answer_in_the_first_screen(size: str, studio: Serve, tab: Open) -> None:
    page = tab(studio().url, viewport=SIZES[size])
    page.get_by_role("link", name="See all of this example").click()
    for question, (where, words) in SENTENCES.items():
        answer = page.locator(where).first
        expect(answer, question).to_contain_text(words)
        top = answer.evaluate("(part) => part.getBoundingClientRect().top + scrollY")
        assert top < SIZES[size]["height"], f"{question} {where} stands at {top:.0f}"
    expect(page.locator("#resume, #discard, #stop, #compare-now, #next-go-on, #next-duel")).to_have_count(0)


def test_an_example_is_open_and_unchangeable_on_a_public_instance(studio: Serve, tab: Open) -> None:
    server = studio(BALIGN_PUBLIC="1")
    page = tab(f"{server.url}?run=example-cat")
    expect(page.locator(".verdict h2")).to_contain_text("cat")
    page.get_by_role("tab", name="Try", exact=True).click()
    expect(page.locator("section.strength input[type=range]")).to_be_visible()
    expect(page.locator(".probing table")).to_be_visible()
    expect(page.locator(".attacking").first).to_be_visible()
    expect(page.locator(".group.own").first).to_be_visible()
    expect(page.locator("#try-draw, #try-probe, #try-frames, #try-attack, #vote-start")).to_have_count(0)
    page.get_by_role("tab", name="Runs").click()
    page.locator("input[value='example-cat']").check()
    page.click("#runs-delete")
    expect(page.locator("#part-runs-say")).to_contain_text("is a finished example, to be looked at and not changed")
