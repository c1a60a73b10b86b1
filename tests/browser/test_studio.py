"""A visitor's way through the studio in a real Chromium, with a run that needs no model."""

import itertools
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from balign.runs.folder import Run
from balign.telemetry import Step
from balign.ui import form_fields
from tests.browser.conftest import PATIENCE, Studio

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)
Open = Callable[..., Page]
Serve = Callable[..., Studio]

EVIL = "<img src=x onerror=alert(1)>{{7*7}}${alert(1)}"
CURVE = ".chart path.line.erased[d*='L']"


def run_id(page: Page) -> str:
    return parse_qs(urlsplit(page.url).query).get("run", [""])[0]


def erase(page: Page) -> str:
    """Press Erase, wait for the first curve, return the run's id."""
    page.click("#erase")
    page.wait_for_selector(CURVE, state="attached")
    page.wait_for_function("new URL(location).searchParams.get('run')")
    return run_id(page)


def unfold(page: Page, *ids: str) -> None:
    """Open what is folded, from the outside in."""
    for name in ids:
        button = page.locator(f"#{name} > button.label-wrap")
        button.wait_for()
        if button.get_attribute("aria-expanded") != "true":
            button.click()
            expect(button).to_have_attribute("aria-expanded", "true")


def field(page: Page, name: str) -> Locator:
    """The box in which a field of the form is typed, taken out of what it is folded into."""
    unfold(page, *form_fields.FOLDS.get(name, "").split())
    return page.locator(f"#field-{name}").locator("input, textarea")


def curve(page: Page) -> str:
    return page.locator(".chart path.line.erased").first.get_attribute("d") or ""


def test_erase_watch_reload_and_compare(studio: Serve, tab: Open) -> None:
    server = studio(pause=0.25)
    page = tab(server.url)
    expect(page.locator(".welcome")).to_be_visible()
    name = erase(page)
    expect(page.locator("#stop")).to_be_visible()
    expect(page.locator("#erase")).to_be_disabled()

    page.evaluate("document.querySelector('.chart svg').mark = 1")
    early = curve(page)
    page.wait_for_function(
        "(d) => document.querySelector('.chart path.line.erased').getAttribute('d') !== d", arg=early
    )
    assert page.evaluate("document.querySelector('.chart svg').mark") == 1, "the chart was mounted anew"

    page.reload()
    page.wait_for_selector(CURVE, state="attached")
    assert run_id(page) == name
    plain = tab(f"{server.url}?run={name}")
    plain.wait_for_selector(CURVE, state="attached")

    page.wait_for_selector(".pair")
    assert page.locator(".pair").count() == 36
    pair = page.locator("button.pair").first
    assert [pair.get_attribute(name) for name in ("data-was", "data-now")] == ["0.313", "0.123"]
    expect(page.locator(".verdict h2")).to_contain_text("cat: no longer drawn when asked by name")
    expect(page.locator("#stop")).to_have_count(0)
    expect(page.locator("#erase")).to_be_enabled()
    wide = page.evaluate("[...document.querySelectorAll('.pair img')].slice(0, 4).map((i) => i.naturalWidth)")
    assert wide == [64, 64, 64, 64]

    page.locator(".pair").first.click()
    dialog = page.locator("#compare")
    expect(dialog).to_be_visible()
    page.keyboard.press("ArrowLeft")
    assert dialog.evaluate("(d) => d.style.getPropertyValue('--cut')") == "49%"
    page.keyboard.press("d")
    assert dialog.get_attribute("data-view") == "difference"
    page.keyboard.press("n")
    expect(dialog.locator(".what")).to_contain_text("drawing number 1")
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()


def test_the_server_may_die_but_the_run_goes_on(studio: Serve, tab: Open) -> None:
    server = studio(pause=0.4)
    page = tab(server.url)
    name = erase(page)
    server.kill()
    server.start()
    again = tab(f"{server.url}?run={name}")
    again.wait_for_selector(CURVE, state="attached")
    again.wait_for_selector(".verdict")
    page.reload()
    page.wait_for_selector(".verdict")
    assert run_id(page) == name


def test_stop_compares_and_resume_goes_on(studio: Serve, tab: Open) -> None:
    server = studio(pause=0.7, steps=16)  # the page, which asks every 1.5 s, sees it compare
    page = tab(server.url)
    run = Run.open(erase(page), server.runs)
    page.wait_for_selector(CURVE, state="attached")
    page.click("#stop")
    expect(page.locator(".dock .progress strong").first).to_have_text("Stopped: comparing what there is")
    expect(page.locator(".dock .progress strong").first).to_have_text("Stopped")
    expect(page.locator(".verdict h2")).to_contain_text("of 16 steps, no longer drawn")
    expect(page.locator("#compare-now")).to_have_count(0)
    bar = page.locator(".dock .bar").first
    before = int(bar.get_attribute("aria-valuenow") or 0)
    assert 0 < before < 90
    page.click("#resume")
    expect(page.locator("#stop")).to_be_visible()
    seen = [int(bar.get_attribute("aria-valuenow") or 0) for _ in range(20) if page.wait_for_timeout(100) is None]
    assert min(seen) >= before
    assert seen == sorted(seen)
    expect(page.locator(".verdict h2")).to_contain_text("cat: no longer drawn when asked by name")
    assert [record.step for record in run.telemetry()[0] if isinstance(record, Step)] == list(range(1, 17))


def test_discard_asks_first_and_leaves_nothing(studio: Serve, tab: Open) -> None:
    server = studio(pause=0.1)
    page = tab(server.url)
    run = Run.open(erase(page), server.runs)
    page.wait_for_selector(CURVE, state="attached")
    expect(page.locator("#discard")).to_have_count(0)
    page.click("#stop")
    page.click("#discard")
    question = page.locator("#part-discard-question")
    expect(question).to_contain_text("Discard this run's weights and checkpoint")
    expect(question).to_contain_text("of 30 steps")
    page.click("#discard-keep")
    expect(question).not_to_be_visible()
    assert (run.path / "erased.safetensors").is_file()
    page.click("#discard")
    page.click("#discard-really")
    expect(question).not_to_be_visible()
    expect(page.locator("#resume")).to_have_text("Start again")
    expect(page.locator("#discard")).to_have_count(0)
    expect(page.locator(".dock .bar").first).to_have_attribute("aria-valuenow", "0")
    expect(page.locator(CURVE)).to_have_count(0)
    expect(page.locator(".verdict")).to_have_count(0)
    assert not (run.path / "erased.safetensors").exists()
    page.click("#resume")
    expect(page.locator(".verdict h2")).to_contain_text("cat: no longer drawn when asked by name")


def test_markup_in_a_field_is_text(studio: Serve, tab: Open) -> None:
    server = studio(pause=0)
    for name in ("erase", "replace", "keep"):
        page = tab(f"{server.url}?run=")
        field(page, name).fill(EVIL)
        page.wait_for_selector("#mistake, .remarks p")
        assert page.locator("img[src='x']").count() == 0
        assert "Traceback" not in page.inner_text("body")


def test_a_bad_link_and_a_bad_number_are_sentences(studio: Serve, tab: Open) -> None:
    server = studio(pause=0)
    page = tab(f"{server.url}?run={EVIL}")
    expect(page.locator(".notice")).to_contain_text("not here any more")
    field(page, "seed").fill("-1")
    expect(page.locator("#mistake")).to_contain_text("'-1' is no seed")


def test_the_command_follows_the_form(studio: Serve, tab: Open) -> None:
    page = tab(studio(pause=0).url)
    field(page, "keep").fill("dog")
    unfold(page, "terminal")
    expect(page.locator("#command textarea")).to_have_value("python -m balign erase cat --keep dog")


def test_nothing_sticks_out(studio: Serve, tab: Open) -> None:
    server = studio(pause=0, steps=8)
    first = tab(server.url)
    erase(first)
    first.wait_for_selector(".verdict")
    for width, scheme in itertools.product((360, 1280, 2560), ("light", "dark")):
        page = tab(f"{server.url}?run=", viewport={"width": width, "height": 900}, color_scheme=scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.goto(first.url)
        page.wait_for_selector(".verdict")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.body.classList.contains('dark')") == (scheme == "dark")
        page.mouse.wheel(0, 900)
        expect(page.locator(".progress")).to_be_in_viewport()


def test_light_and_dark_are_remembered(studio: Serve, tab: Open) -> None:
    page = tab(studio(pause=0).url, color_scheme="light")
    page.click("button.theme")
    assert page.evaluate("document.body.classList.contains('dark')")
    page.reload()
    page.wait_for_selector("#erase")
    page.wait_for_function("document.body.classList.contains('dark')")
