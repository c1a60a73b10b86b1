"""axe-core on every view of the studio and on a report, in light and in dark: it must find nothing.

What it cannot judge (whether words are clear, whether an order makes sense) is not judged here.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from playwright.sync_api import Page

from tests.browser import views
from tests.browser.conftest import Studio

pytestmark = pytest.mark.browser
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
RUN = """(rules) => axe
  .run(document.querySelector("dialog[open]") || document, { resultTypes: ["violations"], ...rules })
  .then((found) => found.violations)"""
RULES: dict[str, Any] = {
    "light": {},
    "dark": {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}},
}
"""The two themes differ in nothing but colours, so that in the dark only the rules on colours are asked again."""


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[views.Runs]:
    with views.prepared(tmp_path / "runs") as made:
        yield made


def findings(page: Page, view: str, scheme: str) -> list[str]:
    """One line for every element that breaks a rule."""
    views.theme(page, scheme)
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text("utf-8"))
    found: list[dict[str, Any]] = page.evaluate(RUN, RULES[scheme])
    return [
        f"{view}, {scheme}: {rule['impact']} {rule['id']} at {node['target']}: {node['html'][:300]}\n"
        f"    {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]


def all_findings(walks: Sequence[views.Walk], url: str, tab: Callable[..., Page], runs: views.Runs) -> list[str]:
    found: list[str] = []
    for walk in walks:
        for view, page in walk(tab(f"{url}?run="), url, runs):
            views.settle(page)
            for scheme in ("light", "dark"):
                found += findings(page, view, scheme)
    return found


def test_every_view(studio: Callable[..., Studio], tab: Callable[..., Page], runs: views.Runs) -> None:
    found = all_findings(views.OWN, studio(pause=0).url, tab, runs)
    assert not found, "\n".join(found)


def test_every_view_of_a_public_instance(
    studio: Callable[..., Studio], tab: Callable[..., Page], runs: views.Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BALIGN_PUBLIC", "1")
    found = all_findings(views.PUBLIC, studio(pause=0).url, tab, runs)
    assert not found, "\n".join(found)
