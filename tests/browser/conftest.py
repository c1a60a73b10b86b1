"""A real Chromium and a real server. Without Chromium the tests are skipped, but fail where it was promised."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 1000 * int(os.environ.get("BALIGN_BROWSER_PATIENCE", "240"))
"""Milliseconds to wait for anything; a busy machine is slow."""
SMALL = {
    "steps": "12",
    "n_forget": "8",
    "n_retain": "8",
    "n_eval": "4",
    "sampling_steps": "4",
    "preview_every": "4",
}
"""What a run of the bundled model is set to, in the page's own boxes, to take half a minute."""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = os.environ.get("BALIGN_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        required = os.environ.get("CI") == "true" or os.environ.get("BALIGN_REQUIRE_BROWSER") == "1"
        (pytest.fail if required else pytest.skip)("Chromium was not found; install it or set BALIGN_CHROMIUM.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Studio:
    """A server process that can be killed and started again on the same port."""

    def __init__(
        self,
        folder: Path,
        real: bool = False,
        pause: float = 0.1,
        steps: int = 30,
        script: Path | None = None,
        **more: str,
    ) -> None:
        """more: the server's environment beside that of the tests."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url, self.folder = f"http://127.0.0.1:{self.port}/", folder
        self.runs, self.script = folder / "runs", script or Path(__file__).with_name("serve.py")
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self.environment = os.environ | {
            "PYTHONPATH": path,
            "BALIGN_RUNS": str(self.runs),
            "FAKE_PAUSE": str(pause),
            "FAKE_STEPS": str(steps),
            "REAL_RUNS": "1" if real else "",
            **more,
        }
        self.start()

    def start(self) -> None:
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(self.script), str(self.port)],
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + PATIENCE / 1000
        while True:
            try:
                urllib.request.urlopen(self.url, timeout=10).close()
                return
            except urllib.error.HTTPError as error:
                if error.code == 401:  # it is there, and has a password
                    return
            except OSError:
                assert self.process.poll() is None, self.log()
                assert time.monotonic() < end, "the page was never served"
                time.sleep(0.2)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    def end_runs(self) -> None:
        """End the processes of runs that this server started and that are still going."""
        for path in self.runs.glob("*/pid"):
            os.kill(int(path.read_text().split()[0]), signal.SIGKILL)


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Callable[..., Studio]]:
    """``studio(real=False, pause=0.1, steps=30)``: a server of its own, for this test."""
    made: list[Studio] = []

    def start(**options: object) -> Studio:
        made.append(Studio(tmp_path, **options))  # type: ignore[arg-type]
        return made[-1]

    yield start
    for server in made:
        server.kill()
        server.end_runs()
        assert "Traceback" not in server.log(), server.log()


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """``tab(url)``: a page in a browser of its own, in which no error and no request elsewhere may be seen.

    script: what its pages run before anything else.
    """
    opened, complaints = [], []

    def open_tab(url: str, script: str = "", **options: object) -> Page:
        context = chromium.new_context(**options)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        context.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
        context.on("request", lambda request: None if own(request.url) else complaints.append(request.url))
        if script:
            context.add_init_script(script)
        page = context.new_page()
        page.goto(url)
        page.wait_for_selector("#erase")
        opened.append(context)
        return page

    yield open_tab
    for context in opened:
        context.close()
    assert complaints == []


def own(url: str) -> bool:
    """Whether a request stays on this machine."""
    return url.startswith(("http://127.0.0.1:", "data:", "blob:"))
