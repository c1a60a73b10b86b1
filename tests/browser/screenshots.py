"""Pictures of every view of the studio, to be looked at: `python -m tests.browser.screenshots OUT [--runs FOLDER]`.

Each is taken at several widths, in light and in dark, whole from top to bottom. FOLDER holds two finished runs, the
first of which may have tries, strengths and probes; without it the runs are fake. `--only NAME` takes some views.
"""

import argparse
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser import views
from tests.browser.conftest import FLAGS, PATIENCE, Studio

WIDTHS = (390, 1280, 1920)
MORE = {"first": (360, 2560), "results": (360, 2560), "report": (360,)}
HEIGHTS = {360: 740, 390: 844, 1280: 800, 1920: 1080, 2560: 1440}
SCHEMES = ("light", "dark")


def take(page: Page, view: str, out: Path) -> None:
    """One view at every width and in both themes. A dialog covers the page, so only what is in sight is taken then."""
    views.settle(page)
    for width in sorted((*WIDTHS, *MORE.get(view, ()))):
        page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
        for scheme in SCHEMES:
            views.theme(page, scheme)
            page.wait_for_timeout(150)
            path = out / f"{view}-{width}-{scheme}.png"
            page.screenshot(path=path, full_page=not view.startswith("compare"))
            wide = page.evaluate("document.documentElement.scrollWidth")
            print(path.name, f"STICKS OUT: {wide}" if wide > width else "", flush=True)


def shoot(browser: Browser, walks: Sequence[views.Walk], out: Path, real: Path | None, only: Sequence[str]) -> None:
    """Every view of these walks, on a server of their own."""
    with tempfile.TemporaryDirectory() as name, views.prepared(Path(name) / "runs", real) as runs:
        server = Studio(Path(name), pause=0)
        try:
            for walk in walks:
                page = browser.new_page(viewport={"width": 1280, "height": 800})
                page.set_default_timeout(PATIENCE)
                page.goto(f"{server.url}?run=")
                page.wait_for_selector("#erase")
                for view, shown in walk(page, server.url, runs):
                    if not only or any(view.startswith(part) for part in only):
                        take(shown, view, out)
                page.close()
        finally:
            server.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--runs", type=Path, help="a folder with two finished runs")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="views whose name begins so")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    path = os.environ.get("BALIGN_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        for walks, public in ((views.OWN, "0"), (views.PUBLIC, "1")):
            os.environ["BALIGN_PUBLIC"] = public
            shoot(browser, walks, given.out, given.runs, given.only)


if __name__ == "__main__":
    main()
