"""Whole sessions of a visitor on the bundled model: several flows after one another, on runs that really train.

What is asserted is what a visitor sees and what lies on the disk. Duels, bundles and a first erase to its end
have tests of their own (test_runs.py, test_bundled.py), and so has a run that several watch (test_shared_run.py).
"""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from balign.method.objectives import DEFAULT_METHOD
from balign.runs.config import RunConfig
from balign.runs.folder import Run
from balign.telemetry import Phase, Step
from tests.browser.conftest import PATIENCE, SMALL, Studio
from tests.browser.test_runs import card, runs_tab, select
from tests.browser.test_studio import erase, field, run_id

pytestmark = [pytest.mark.browser, pytest.mark.slow]
expect.set_options(timeout=PATIENCE)
Open = Callable[..., Page]
Serve = Callable[..., Studio]
LOADED = (
    "(where) => [...document.querySelectorAll(where)].every((image) => image.complete && image.naturalWidth === 64)"
)
LOOKS = """(dialog) => {
  const style = getComputedStyle(dialog.querySelector(".after"));
  const { clipPath, left, animationName, mixBlendMode } = style;
  return [clipPath !== "none", left !== "0px", animationName === "blink", mixBlendMode === "difference"];
}"""
"""Which of the four views the picture on top is drawn for."""
VIEWS = {"wipe": "Wipe", "side": "Side by side", "blink": "Blink", "difference": "Difference \u00d74"}


def settings(page: Page, **values: str) -> None:
    """Write the small numbers, and these, into their boxes."""
    for name, value in (SMALL | values).items():
        field(page, name).fill(value)


def records(run: Run, kind: type) -> list:  # type: ignore[type-arg]
    return [record for record in run.telemetry()[0] if isinstance(record, kind)]


def steps(run: Run) -> list[int]:
    return [step.step for step in records(run, Step)]


def title(page: Page) -> Locator:
    return page.locator(".dock .progress strong").first


def stopped(page: Page) -> None:
    page.click("#stop")
    expect(title(page)).to_have_text("Stopped")
    expect(page.locator("#stop")).to_have_count(0)


def loaded(page: Page, where: str) -> None:
    """Scroll through these pictures, which are fetched when they come into sight, until each is there."""
    for image in page.locator(where).all():
        image.scroll_into_view_if_needed()
    page.wait_for_function(LOADED, arg=where)


def test_defaults_then_two_concepts_stopped_compared_and_deleted(studio: Serve, tab: Open) -> None:
    server = studio(real=True)
    page = tab(server.url)
    first = untouched_defaults(page, server)

    field(page, "erase").fill("cat, pizza")
    field(page, "replace").fill("dog, cake")
    settings(page, steps="60")
    second = Run.open(erase(page), server.runs)
    assert second != first
    expect(page.locator(".frames li.shown img")).to_be_visible()
    stopped(page)
    taken = steps(second)
    assert taken == list(range(1, len(taken) + 1))
    assert 0 < len(taken) < 60
    assert [(c.name, c.replace_with) for c in second.config.erase] == [("cat", "dog"), ("pizza", "cake")]
    assert (second.config.steps, second.config.n_eval, second.config.preview_every) == (60, 4, 4)
    assert (second.path / "erased.safetensors").is_file()
    expect(page.locator("#resume")).to_be_visible()
    expect(page.locator("#discard")).to_be_visible()
    expect(page.locator("#compare-now")).to_have_count(0)  # it was compared already
    expect(page.locator(".verdict h2")).to_contain_text("cat, pizza")
    expect(page.locator(".verdict h2")).to_contain_text(f"after {len(taken)} of 60 steps")
    expect(page.locator(".groups")).to_contain_text("emoji")
    expect(page.locator(".pair")).to_have_count(12)
    loaded(page, ".pair img")
    report = second.report()
    assert report is not None
    assert report.steps == len(taken) == len(steps(second))
    prompts = " ".join(image.prompt for image in report.groups["erased"].images)
    assert "cat" in prompts
    assert "pizza" in prompts

    compare_a_pair(page)
    deleted(page, server, second, first)


def untouched_defaults(page: Page, server: Studio) -> Run:
    """Press Erase on a page nobody wrote anything into, see it draw what it will learn from, and stop it."""
    expect(page.locator(".welcome")).to_be_visible()
    page.click("#erase")
    expect(title(page)).to_have_text("Drawing pictures to learn from")
    expect(page.locator(".progress .detail").first).to_contain_text("picture")
    run = Run.open(run_id(page), server.runs)
    assert run.config == RunConfig.parse({"erase": ["cat"], "method": DEFAULT_METHOD})
    assert [record.message for record in records(run, Phase) if record.name == "check"][-1].endswith("bit for bit.")
    stopped(page)
    assert steps(run) == []
    assert not (run.path / "erased.safetensors").exists()
    expect(page.locator("#compare-now")).to_have_count(0)
    expect(page.locator("#erase")).to_be_enabled()
    return run


def compare_a_pair(page: Page) -> None:
    """The four views by key and by button, the wipe by arrows and pointer, the other pairs, and away with it."""
    prompts = [pair.get_attribute("data-prompt") for pair in page.locator(".pair").all()]
    page.locator(".pair").first.click()
    dialog = page.locator("#compare")
    expect(dialog).to_be_visible()
    page.wait_for_function(LOADED, arg="#compare .stage img")
    assert dialog.get_attribute("data-view") == "wipe"

    cut = "(d) => getComputedStyle(d.querySelector('.after')).clipPath"
    assert dialog.evaluate(cut) == "inset(0px 0px 0px 50%)"
    page.keyboard.press("ArrowLeft")
    assert dialog.evaluate(cut) == "inset(0px 0px 0px 49%)"
    box = dialog.locator(".stage").bounding_box()
    assert box
    page.mouse.click(box["x"] + box["width"] / 4, box["y"] + 5)
    assert dialog.evaluate("(d) => d.style.getPropertyValue('--cut')") == "25%"

    for ways in ("key", "button"):
        for place, (name, words) in reversed([*enumerate(VIEWS.items())]):
            button = dialog.locator(f"[data-show={name}]")
            assert (button.inner_text(), button.get_attribute("title")) == (words, f"key {name[0].upper()}")
            page.keyboard.press(name[0]) if ways == "key" else button.click()
            assert dialog.get_attribute("data-view") == name
            expect(button).to_have_attribute("aria-pressed", "true")
            assert dialog.evaluate(LOOKS) == [place == k for k in range(4)], name

    for key, at in (("n", 1), ("ArrowDown", 2), ("p", 1), ("ArrowUp", 0), ("p", len(prompts) - 1), ("n", 0)):
        page.keyboard.press(key)
        expect(dialog.locator(".what")).to_contain_text(f"{prompts[at]} · seed")
        page.wait_for_function(LOADED, arg="#compare .stage img")
    page.keyboard.press("Escape")
    expect(dialog).not_to_be_visible()


def deleted(page: Page, server: Studio, run: Run, other: Run) -> None:
    """Delete a real run in the Runs tab; the other stays."""
    runs_tab(page)
    expect(page.locator(".card:not(.example)")).to_have_count(2)
    expect(card(page, run.id)).to_contain_text("cat, pizza")
    select(page, run.id)
    page.click("#runs-delete")
    page.click("#runs-really")
    expect(page.locator(".card:not(.example)")).to_have_count(1)
    assert [path.name for path in server.runs.glob("[0-9]*")] == [other.id]
    expect(card(page, other.id)).to_contain_text("Stopped")
    page.get_by_role("tab", name="Erase", exact=True).click()
    expect(page.locator(".welcome")).to_be_visible()
