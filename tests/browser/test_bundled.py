"""The same way with nothing faked: the bundled model, few pictures and few steps, so that it takes a minute."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Studio
from tests.browser.test_studio import CURVE, curve, erase, field, run_id

pytestmark = [pytest.mark.browser, pytest.mark.slow]
SMALL = {
    "steps": "12",
    "n_forget": "8",
    "n_retain": "8",
    "n_eval": "4",
    "sampling_steps": "4",
    "preview_every": "4",
}


def test_erase_a_cat(studio: Callable[..., Studio], tab: Callable[..., Page]) -> None:
    page = tab(studio(real=True).url)
    page.get_by_text("Settings", exact=True).click()
    for name, value in SMALL.items():
        field(page, name).fill(value)
    name = erase(page)
    early = curve(page)
    page.wait_for_function(
        "(d) => document.querySelector('.chart path.line.erased').getAttribute('d') !== d", arg=early
    )
    page.reload()
    page.wait_for_selector(CURVE, state="attached")
    assert run_id(page) == name
    page.wait_for_selector(".pair")
    assert page.locator(".pair").count() == 12
    scores = page.locator(".pair .scores").first.inner_text().split()
    assert all(0 <= float(score) <= 1 for score in scores)
    expect(page.locator(".verdict h2")).to_contain_text("cat")
    expect(page.locator(".verdict")).to_contain_text("emoji")
    expect(page.locator(".frames .shown img")).to_be_visible()
