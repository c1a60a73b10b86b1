"""A run of the bundled model on a shared instance: watched from elsewhere, stopped, resumed, orphaned, and tried.

One session of its owner, with a stranger who has the link looking on; the run really trains.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Error, Page, expect
from safetensors.numpy import load_file

from balign.models.catalogue import find, locate
from balign.runs.folder import Run
from balign.runs.tryout import store
from balign.telemetry import Preview
from tests.browser.conftest import PATIENCE, Studio
from tests.browser.test_flows import loaded, records, settings, steps, stopped, title
from tests.browser.test_studio import CURVE, curve, erase, run_id

pytestmark = [pytest.mark.browser, pytest.mark.slow]
expect.set_options(timeout=PATIENCE)
Open = Callable[..., Page]
Serve = Callable[..., Studio]
STEPS = 24
"""Enough for two more pages to be opened while it goes on."""
PREVIEWS = 6
GROWN = "(d) => document.querySelector('.chart path.line.erased').getAttribute('d').length > d.length"


def reloaded(page: Page) -> None:
    """Reload a page that may be reloading by itself, as gradio's does when it finds that its server is a new one."""
    for patience in (1_000, 2_000, 0):
        try:
            page.reload()
            return
        except Error:
            if not patience:
                raise
            page.wait_for_timeout(patience)


def test_a_shared_run_is_watched_resumed_outlives_the_server_and_is_tried(
    studio: Serve, tab: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BALIGN_PUBLIC", "1")
    server = studio(real=True)
    page = tab(server.url)
    settings(page, steps=str(STEPS), preview_every=str(PREVIEWS), n_eval="2", sampling_steps="2")
    run = Run.open(erase(page), server.runs)

    early = curve(page)
    page.reload()
    page.wait_for_selector(CURVE, state="attached")
    assert run_id(page) == run.id
    assert len(curve(page)) >= len(early)  # found again
    page.wait_for_function(GROWN, arg=curve(page))  # and going on
    stranger = tab(f"{server.url}?run={run.id}")
    stranger.wait_for_selector(CURVE, state="attached")
    stranger.wait_for_function(GROWN, arg=curve(stranger))
    watches_only(stranger)

    stopped(page)
    taken = steps(run)
    assert taken == list(range(1, len(taken) + 1))
    assert 0 < len(taken) < STEPS
    expect(title(stranger)).to_have_text("Stopped")
    watches_only(stranger)
    page.click("#resume")
    expect(title(page)).to_have_text("Unlearning")
    second = page.context.new_page()
    second.goto(server.url)  # without the run's link: the browser knows which it was, and whose
    expect(second.locator("#stop")).to_be_visible()
    assert steps(run)[: len(taken)] == taken

    assert run.report() is not None  # of the part, until there is one of the whole
    server.kill()
    server.start()
    for each in (page, second, stranger):
        reloaded(each)
        each.wait_for_selector(CURVE, state="attached")
    for each in (page, second, stranger):
        expect(each.locator(".verdict h2")).not_to_contain_text(f"of {STEPS} steps")  # as it was of the part
        expect(each.locator(".verdict h2")).to_contain_text("cat")
        expect(each.locator(".pair")).to_have_count(6)
        assert run_id(each) == run.id or each is second
    assert steps(run) == list(range(1, STEPS + 1)), "a step is missing or was told twice"
    assert [preview.step for preview in records(run, Preview)] == list(range(0, STEPS + 1, PREVIEWS))
    report = run.report()
    assert report is not None
    assert report.steps == STEPS
    watches_only(stranger)
    second.close()

    strengthened(page, server, run)
    exported(page, stranger, server, run, tmp_path)


def watches_only(stranger: Page) -> None:
    """Nothing with which the run could be changed, nor its weights."""
    for button in ("#stop", "#resume", "#discard", "#compare-now", ".menu a[href*='safetensors']"):
        expect(stranger.locator(button)).to_have_count(0)


def strengthened(page: Page, server: Studio, run: Run) -> None:
    """Draw the strengths and move the slider; at 0 it shows the base model's pictures, byte for byte."""
    page.get_by_role("tab", name="Try", exact=True).click()
    page.click("#try-frames")
    slider = page.locator("section.strength input[type=range]")
    now = page.locator("section.strength .now span[data-frame]:not([hidden]) > b").first
    expect(slider).to_have_attribute("max", str(len(store.STRENGTHS) - 1))  # all of them are drawn
    expect(now).to_have_text("1.00")
    slider.focus()
    shown = "section.strength figure.frame img:not([hidden])"
    seen = {}
    for key, amount in (("Home", "0.00"), ("End", "1.50"), *[("ArrowLeft", "")] * 2):
        page.keyboard.press(key)
        if amount:
            expect(now).to_have_text(amount)
        loaded(page, shown)
        address = page.locator(shown).first.get_attribute("src") or ""
        seen[now.inner_text()] = page.request.get(server.url + address).body()
    assert list(seen) == ["0.00", "1.50", "1.25", "1.00"]
    assert len(set(seen.values())) > 1

    report, drawn = run.report(), store.strength(run)
    assert report is not None
    assert drawn is not None
    known = {(pair.prompt, pair.seed): pair for group in report.groups.values() for pair in group.images}
    for k, prompt in enumerate(drawn.prompts):
        pair = known[prompt.prompt, prompt.seed]
        for frame, side in ((store.STRENGTHS.index(0.0), "before"), (store.STRENGTHS.index(1.0), "after")):
            drawn = (run.path / "strength" / f"{frame}-{k}.png").read_bytes()
            assert drawn == (run.path / getattr(pair, side)).read_bytes()
    assert seen["0.00"] == (run.path / "strength" / "0-0.png").read_bytes()


def exported(page: Page, stranger: Page, server: Studio, run: Run, folder: Path) -> None:
    """The owner downloads the weights at half the strength; who has the link only does not."""
    slider = page.locator("section.strength input[type=range]")
    slider.focus()
    for key in ("Home", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    expect(slider).to_have_attribute("aria-valuetext", "0.50")
    page.click("#try-export")
    link = page.locator("#part-exports a")
    expect(link).to_have_text("strength-0.50.safetensors")
    with page.expect_download() as download:
        link.click()
    download.value.save_as(folder / "half.safetensors")
    half, full = load_file(folder / "half.safetensors"), load_file(run.path / "erased.safetensors")
    base = {}
    for part in (Path(locate(find(run.config.model))) / "unet").glob("*.safetensors"):
        base |= load_file(part)
    assert half.keys() == full.keys()
    for name in full:
        assert np.allclose(half[name], (base[name].astype(np.float32) + full[name]) / 2, rtol=1e-6, atol=1e-7), name
    assert any(not np.array_equal(half[name], full[name]) for name in full)
    address = (link.get_attribute("href") or "").split("?")[0]
    assert address == f"files/{run.id}/exports/strength-0.50.safetensors"
    assert stranger.request.get(server.url + address).status == 404
    stranger.get_by_role("tab", name="Try", exact=True).click()
    expect(stranger.locator("#part-try-about")).to_contain_text("somebody else's")
    expect(stranger.locator("#try-export")).to_have_count(0)
