"""The same way with nothing faked: the bundled model, the default method and its own numbers, on fewer pictures."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE, Studio
from tests.browser.test_studio import CURVE, curve, erase, field, run_id

pytestmark = [pytest.mark.browser, pytest.mark.slow]
FEWER = {"n_forget": "24", "n_retain": "48", "n_eval": "4"}
"""Pictures; how many steps it takes, in which batches and how each is drawn is left to the defaults."""


def test_erase_a_cat(studio: Callable[..., Studio], tab: Callable[..., Page]) -> None:
    page = tab(studio(real=True).url)
    page.set_default_timeout(3 * PATIENCE)  # all pictures are drawn before the first step
    for name, value in FEWER.items():
        field(page, name).fill(value)
    run = erase(page)
    early = curve(page)
    page.wait_for_function(
        "(d) => document.querySelector('.chart path.line.erased').getAttribute('d') !== d", arg=early
    )
    page.reload()
    page.wait_for_selector(CURVE, state="attached")
    assert run_id(page) == run
    page.wait_for_selector(".pair")
    assert page.locator(".pair").count() == 12
    scores = [page.locator("button.pair").first.get_attribute(name) for name in ("data-was", "data-now")]
    assert all(0 <= float(score or "nan") <= 1 for score in scores)
    expect(page.locator(".verdict h2")).to_contain_text("cat: no longer drawn when asked by name")
    expect(page.locator(".groups")).to_contain_text("emoji")
    expect(page.locator(".frames .shown img")).to_be_visible()
