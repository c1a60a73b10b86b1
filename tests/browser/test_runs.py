"""The Runs tab in a real Chromium: search, name, open, compare runs and methods, download, reproduce, delete."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from balign.runs.config import RunConfig
from balign.runs.folder import Run
from tests.browser.conftest import PATIENCE, SMALL, Studio
from tests.browser.test_studio import EVIL, erase, field

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)
TINY = SMALL | {
    "steps": "4",
    "n_eval": "2",
    "sampling_steps": "2",
    "preview_every": "0",
    "batch_forget": "4",
    "batch_retain": "4",
}
"""For runs that are only compared, and made anew: what they learn is all the same."""
Open = Callable[..., Page]
Serve = Callable[..., Studio]


def runs_tab(page: Page) -> None:
    page.get_by_role("tab", name="Runs").click()
    page.wait_for_selector("#part-run-list .card, #part-run-list .nothing")


def card(page: Page, run_id: str) -> Locator:
    return page.locator(f".card:has(input[value='{run_id}'])")


def select(page: Page, *run_ids: str) -> None:
    for run_id in run_ids:
        card(page, run_id).locator("input.choose").check()


def finished(page: Page) -> str:
    """Erase with what stands in the form and wait for the end."""
    name = erase(page)
    page.wait_for_selector(".verdict")
    return name


def reproduce(page: Page, run_id: str, folder: Path) -> str:
    """Download a run's zip and upload it again; the id of the new run."""
    with page.expect_download() as download:
        card(page, run_id).get_by_text("Everything as zip").click()
    path = folder / "run.zip"
    download.value.save_as(path)
    page.locator("input[type=file]").last.set_input_files(path)
    link = page.locator("#part-runs-say a")
    expect(link).to_have_text("watch it")
    return (link.get_attribute("href") or "").removeprefix("?run=")


def test_find_name_open_and_take_over(studio: Serve, tab: Open) -> None:
    server = studio(pause=0)
    page = tab(server.url)
    runs_tab(page)
    expect(page.locator("#part-run-list")).to_contain_text("No runs of your own yet")
    mine = finished_after_tab(page)
    from_a_terminal = Run.create(RunConfig.parse({"erase": ["dog"], "keep": ["horse"], "seed": 5}), server.runs)
    runs_tab(page)
    expect(page.locator(".card:not(.example)")).to_have_count(2)
    expect(card(page, from_a_terminal.id)).to_contain_text("Not started")

    select(page, from_a_terminal.id)
    page.locator("#runs-label input, #runs-label textarea").fill(EVIL[:60])
    page.click("#runs-rename")
    expect(card(page, from_a_terminal.id).locator("h3 a")).to_have_text(EVIL[:60])
    search = page.locator("#runs-search input, #runs-search textarea")
    search.fill("horse")
    expect(page.locator(".card:not(.example)")).to_have_count(1)
    search.fill("")
    expect(page.locator(".card:not(.example)")).to_have_count(2)
    expect(card(page, from_a_terminal.id).locator("input.choose")).to_be_checked()

    page.click("#runs-use")
    expect(field(page, "erase")).to_have_value("dog")
    expect(field(page, "keep")).to_have_value("horse")
    runs_tab(page)
    card(page, mine).locator("h3 a").click()
    page.wait_for_selector(".verdict")


def finished_after_tab(page: Page) -> str:
    page.get_by_role("tab", name="Erase").click()
    return finished(page)


def test_deleting_asks_first(studio: Serve, tab: Open) -> None:
    server = studio(pause=0)
    page = tab(server.url)
    name = finished(page)
    other = Run.create(RunConfig.parse({"erase": ["dog"]}), server.runs)
    runs_tab(page)
    page.click("#runs-delete")
    expect(page.locator("#part-runs-say")).to_contain_text("No run is selected")
    select(page, name)
    page.click("#runs-delete")
    expect(page.locator("#part-runs-question")).to_contain_text("Delete this run with all files (cat)?")
    page.click("#runs-keep")
    expect(page.locator("#runs-really")).to_have_count(0)
    assert (server.runs / name).is_dir()
    page.click("#runs-delete")
    page.click("#runs-really")
    expect(page.locator(".card:not(.example)")).to_have_count(1)
    assert [path.name for path in server.runs.glob("[0-9]*")] == [other.id]
    page.get_by_role("tab", name="Erase").click()
    expect(page.locator(".welcome")).to_be_visible()  # the run that was on the page is gone


def test_methods_end_on_one_plot_and_in_one_table(studio: Serve, tab: Open) -> None:
    page = tab(studio(pause=0.02, steps=8).url)
    name = finished(page)
    runs_tab(page)
    select(page, name)
    page.locator("#runs-methods button").first.click()
    page.locator("#runs-others").get_by_label("ESD", exact=True).check()
    page.locator("#runs-others").get_by_label(re.compile("the paper")).check()
    page.click("#runs-start")
    table = page.get_by_role("region", name="Runs side by side")
    expect(table.locator("tbody tr")).to_have_count(3)
    expect(page.locator(".comparison .chart:first-child path.dots")).to_have_count(3)
    expect(table.locator("tbody")).to_contain_text("worse than run 1")
    expect(page.locator(".comparison > p").first).to_contain_text("the runs differ only in the method")
    expect(card(page, name).locator("input.choose")).to_be_checked()  # though two came above it
    expect(page.locator(".card .chip.done")).to_have_count(3)


def test_download_and_reproduce(studio: Serve, tab: Open, tmp_path: Path) -> None:
    page = tab(studio(pause=0).url)
    name = finished(page)
    runs_tab(page)
    again = reproduce(page, name, tmp_path)
    expect(card(page, again).locator(".reproduced")).to_have_text(
        f"The weights are those of {name}, bit for bit.", use_inner_text=True
    )
    (tmp_path / "evil.zip").write_bytes(b"PK" + b"x" * 1_000)
    page.locator("input[type=file]").last.set_input_files(tmp_path / "evil.zip")
    expect(page.locator("#part-runs-say")).to_contain_text("This is not a bundle")


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_sticks_out(studio: Serve, tab: Open, width: int) -> None:
    server = studio(pause=0)
    runs = [finished(tab(server.url)) for _ in range(2)]
    for scheme in ("light", "dark"):
        page = tab(server.url, viewport={"width": width, "height": 900}, color_scheme=scheme)
        runs_tab(page)
        select(page, *runs)
        page.click("#runs-compare")
        page.wait_for_selector(".comparison table")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.slow
def test_with_the_bundled_model_weights_come_out_bit_for_bit(studio: Serve, tab: Open, tmp_path: Path) -> None:
    page = tab(studio(real=True).url)
    for name, value in TINY.items():
        field(page, name).fill(value)
    first = finished(page)
    runs_tab(page)
    select(page, first)
    page.locator("#runs-methods button").first.click()
    page.locator("#runs-others").get_by_label("Plain sum of gradients", exact=True).check()
    page.click("#runs-start")
    expect(page.locator(".comparison .chart:first-child path.dots")).to_have_count(2)
    expect(page.locator(".comparison > p").first).to_contain_text("the runs differ only in the method")
    expect(page.locator(".card .chip.done")).to_have_count(2)
    again = reproduce(page, first, tmp_path)
    expect(card(page, again).locator(".reproduced")).to_have_text(
        f"The weights are those of {first}, bit for bit.", use_inner_text=True
    )
