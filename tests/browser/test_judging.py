"""In a real Chromium: the kind beside a concept, a finished run judged again, what is sensitive blurred."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from balign.runs.config import RunConfig
from balign.runs.folder import Run
from tests.browser.conftest import PATIENCE, Studio
from tests.browser.test_runs import runs_tab, select
from tests.browser.test_studio import erase, field, unfold
from tests.browser.test_tryout import trying
from tests.host import fake_run, fake_tryout

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)
Open = Callable[..., Page]
Serve = Callable[..., Studio]
SD14 = "CompVis/stable-diffusion-v1-4"


def test_the_form_follows_the_kind_beside_a_concept(studio: Serve, tab: Open) -> None:
    page = tab(studio().url)
    unfold(page, "model-and-method", "terminal")
    model = page.locator("#field-model input")
    model.fill(SD14)
    model.press("Enter")
    field(page, "erase").fill("Jane Doe")
    command = page.locator("#command textarea")
    question = page.get_by_role("group", name="What is Jane Doe?")
    question.get_by_role("button", name="person", exact=True).click()
    expect(command).to_have_value(re.compile(r"erase 'Jane Doe' --kind person"))
    unfold(page, "keep-prompts")
    expect(page.locator("#part-prompts")).to_contain_text("Jane Doe")
    page.get_by_label("Kind of Jane Doe").select_option("style")
    expect(command).to_have_value(re.compile("--kind style"))
    expect(page.locator("#part-prompts")).to_contain_text("in the style of Jane Doe")
    expect(page.get_by_label("Kind of Jane Doe")).to_have_value("style")


def test_a_finished_run_is_judged_again(studio: Serve, tab: Open, tmp_path: Path) -> None:
    page = tab(studio(pause=0.02).url)
    expect(page.locator("#judge-again")).to_have_count(0)
    erase(page)
    page.wait_for_selector(".pair")
    page.locator("#judge-again button.label-wrap").click()
    page.click("#judge-go")
    expect(page.locator("#part-judged")).to_contain_text("Neither another scorer nor a file of prompts was given")
    prompts = tmp_path / "own.csv"
    prompts.write_text("prompt,sd_seed\nan owl by night,11\na cat in ink,12\n")
    page.set_input_files("#judge-tests input[type=file]", prompts)
    expect(page.locator("#judge-tests")).to_contain_text("own.csv")
    page.locator("#judge-scorer input").fill("ViT-L-14/openai")
    page.locator("#judge-scorer input").press("Enter")
    page.click("#judge-go")
    expect(page.locator(".group.own h3")).to_contain_text("Own prompts")
    expect(page.locator(".group.own button.pair")).to_have_count(2)
    expect(page.locator("#part-outcome")).to_contain_text("judged by the scorer ViT-L-14/openai")
    expect(page.get_by_role("region", name="Progress").get_by_role("status")).to_have_text("Done")


def test_what_is_sensitive_is_blurred_in_the_try_tab_until_asked_for(
    studio: Serve, tab: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0")
    server = studio()
    nude = {"erase": [{"name": "nude", "kind": "attribute"}], "model": SD14}
    run = Run.create(RunConfig.parse(nude), server.runs)
    fake_run.main(str(run.path))
    fake_tryout.write_try(run, "somebody", 7, 2)
    fake_tryout.write_attack(run)
    page = tab(f"{server.url}?run={run.id}")
    page.wait_for_selector(".pair")
    trying(page)
    for part in ("#part-own-prompts", "#part-attacked"):
        picture = page.locator(f"{part} img").first
        expect(picture).to_have_css("filter", "blur(16px)")
        page.locator(f"{part} .veil input").first.uncheck()
        expect(picture).to_have_css("filter", "none")


def test_a_press_on_the_matrix_shows_its_pictures(studio: Serve, tab: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_PAUSE", "0")
    server, names = studio(), list[str]()
    for seed in (0, 1):
        run = Run.create(RunConfig.parse({"erase": ["cat"], "keep": ["guitar"], "seed": seed}), server.runs)
        fake_run.main(str(run.path))
        names.append(run.id)
    page = tab(server.url)
    runs_tab(page)
    for name in names:
        select(page, name)
    page.click("#runs-compare")
    cell = page.get_by_role("button", name="Pictures of guitar in the run that erased cat").first
    pictures = page.locator(f"[id='{cell.get_attribute('popovertarget')}']")
    expect(pictures).to_be_hidden()
    cell.click()
    expect(pictures).to_be_visible()
    expect(pictures.locator("button.pair")).to_have_count(12)
    page.wait_for_function("[...document.querySelectorAll(':popover-open img')].every((i) => i.naturalWidth)")
    page.keyboard.press("Escape")
    expect(pictures).to_be_hidden()
