"""What the page weighs and how soon it can be used, in a real Chromium.

    python -m benchmarks.weight

A first visit with an empty cache: all bytes on the wire, headers too, and requests, until five seconds after the form
is there. A reload: the same with what the browser kept. The same visit at 400 kbit/s and 150 ms: seconds until
something is painted and until the Erase button is there. Watching: requests a second while a (fake) run works. The
server has answered once before, so that what it compresses is as small as it gets.
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import FLAGS, Studio

BYTES, SECONDS, RATE = 300_000, 7.0, 0.7
"""What is claimed: bytes of a first visit, seconds until it is usable on a slow line, requests a second."""
SLOW = {"offline": False, "latency": 150, "downloadThroughput": 50_000, "uploadThroughput": 50_000}
WATCHED, SETTLED = 30, 5
"""Seconds in which requests are counted, and after the form is there until all has come."""


class Wire:
    """What a page fetches."""

    def __init__(self, page: Page, slow: bool = False) -> None:
        self.bytes = self.requests = 0
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        if slow:
            session.send("Network.emulateNetworkConditions", SLOW)
        session.on("Network.requestWillBeSent", lambda event: self._asked(event["request"]["url"]))
        session.on("Network.loadingFinished", lambda event: self._came(event["encodedDataLength"]))

    def _asked(self, url: str) -> None:
        self.requests += url.startswith("http")

    def _came(self, count: float) -> None:
        self.bytes += int(count)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--chromium", default=shutil.which("chromium"))
    path = options.parse_args().chromium
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as name:
        server = Studio(Path(name), pause=0.5, steps=400)
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            good = [_visits(browser, server.url), _slow(browser, server.url), _watching(browser, server.url)]
        finally:
            server.kill()
            server.end_runs()
    sys.exit(0 if all(good) else 1)


def _visits(browser: Browser, url: str) -> bool:
    for attempt in range(2):
        page = browser.new_page()
        wire = Wire(page)
        page.goto(url)
        page.wait_for_selector("#erase")
        page.wait_for_timeout(1000 * SETTLED)
        if not attempt:
            page.wait_for_timeout(20_000)  # what is compressed in the background
    print(f"first visit   {wire.bytes:,} bytes in {wire.requests} requests   (at most {BYTES:,})")
    first, wire.bytes, wire.requests = wire.bytes, 0, 0
    page.reload()
    page.wait_for_selector("#erase")
    page.wait_for_timeout(1000 * SETTLED)
    print(f"reload        {wire.bytes:,} bytes in {wire.requests} requests", flush=True)
    return first <= BYTES


def _slow(browser: Browser, url: str) -> bool:
    page = browser.new_page()
    Wire(page, slow=True)
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_selector("#erase")
    usable = time.perf_counter() - began
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000
    print(
        f"at 400 kbit/s painted after {painted:.1f} s, usable after {usable:.1f} s   (at most {SECONDS:.0f})",
        flush=True,
    )
    return usable <= SECONDS


def _watching(browser: Browser, url: str) -> bool:
    page = browser.new_page()
    page.goto(url)
    page.click("#erase")
    page.wait_for_selector(".chart path.line", state="attached")
    wire = Wire(page)
    page.wait_for_timeout(1000 * WATCHED)
    rate = wire.requests / WATCHED
    print(f"watching      {rate:.2f} requests a second, {wire.bytes / WATCHED:,.0f} bytes   (at most {RATE})")
    return rate <= RATE


if __name__ == "__main__":
    main()
