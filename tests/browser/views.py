"""Every view of the studio, reached as a visitor would, one after another, for whoever looks at each of them.

The runs they show are fake, or copies of real ones that are given. It judges nothing.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from playwright.sync_api import Page

from balign.runs.config import RunConfig
from balign.runs.folder import Run
from balign.runs.outcome import report_page
from tests.host import fake_run, fake_tryout

View = tuple[str, Page]
CONFIG = {"erase": ["cat"], "keep": ["dog", "rabbit"]}
STILL = "*, ::before, ::after { transition: none !important; animation: none !important; }"


class Runs(NamedTuple):
    """What is there to be seen."""

    done: Run
    other: Run
    """Finished too, by another method; nothing was tried with it."""
    working: Run
    failed: Run


@contextlib.contextmanager
def prepared(root: Path, real: Path | None = None) -> Iterator[Runs]:
    """Put runs into an empty root: the first two in the folder `real`, else fake ones, and what follows from them."""
    failed = _fake(root, {**CONFIG, "seed": 2}, FAKE_FAIL="evaluate")
    if real:
        done, other = (Run(shutil.copytree(path, root / path.name)) for path in sorted(real.iterdir())[:2])
    else:
        other = _fake(root, {**CONFIG, "method": "rgd"})
        done = _fake(root, CONFIG)
        fake_tryout.write_strengths(done)
        fake_tryout.write_probes(done)
        fake_tryout.write_attack(done, control="never-knew")
        fake_tryout.write_try(done, "an ink cat on a yellow background", 7, 4)
    (done.path / "report.html").write_text(report_page.page(done))  # as it is written now
    working = Run.create(done.config, root)
    shutil.copytree(done.path / "previews", working.path / "previews")
    with working.claim():  # this process stands for the run's
        lines = (done.path / "telemetry.jsonl").read_text().splitlines(keepends=True)
        (working.path / "telemetry.jsonl").write_text("".join(lines[: len(lines) * 6 // 10]))
        yield Runs(done, other, working, failed)


def _fake(root: Path, config: dict[str, object], **environment: str) -> Run:
    run = Run.create(RunConfig.parse(config), root)
    with (
        patch.dict(os.environ, {"FAKE_PAUSE": "0", "FAKE_STEPS": "80"} | environment),
        contextlib.suppress(RuntimeError),
    ):
        fake_run.main(str(run.path))
    return run


def settle(page: Page) -> None:
    """Wait until nothing moves and every picture that is shown is there."""
    page.add_style_tag(content=STILL)
    page.wait_for_timeout(400)  # what the page asked for when it was opened; gradio says nowhere that it has it all
    page.evaluate("document.querySelectorAll('img[loading]').forEach((i) => { i.loading = 'eager'; })")
    page.wait_for_function("[...document.images].every((i) => i.complete)")


def theme(page: Page, scheme: str) -> None:
    """As for a visitor whose system is light or dark."""
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.evaluate("(dark) => document.body.classList.toggle('dark', dark)", scheme == "dark")


def erasing(page: Page, url: str, runs: Runs) -> Iterator[View]:
    """The Erase tab, before, while and after."""
    yield "first", page
    page.locator(".vocabulary summary").click()
    for name in ("model-and-method", "settings", "expert-settings", "keep-prompts", "own-files", "terminal"):
        page.locator(f"#{name} > button.label-wrap").click()
    page.locator("#field-keep textarea").fill("dog\na gryphon")
    page.wait_for_selector(".remarks p")
    page.wait_for_selector(".prompts li")
    yield "form", page
    page.locator("#field-steps textarea").fill("many")
    page.wait_for_selector("#mistake")
    yield "mistake", page
    page.goto(f"{url}?run={runs.working.id}")
    page.wait_for_selector("#stop")
    page.wait_for_selector(".frames li.shown img")
    yield "working", page
    page.goto(f"{url}?run={runs.failed.id}")
    page.wait_for_selector(".progress.failed")
    page.wait_for_selector("#resume")
    yield "failed", page
    page.goto(f"{url}?run={runs.done.id}")
    page.wait_for_selector(".pair")
    page.locator("#judge-again button.label-wrap").click()
    yield "results", page
    page.get_by_text("Take it away").click()
    page.wait_for_selector("#push-name")
    yield "taken", page
    page.locator(".pair").first.click()
    for key, name in (("w", "wipe"), ("s", "side"), ("b", "blink"), ("d", "difference")):
        page.keyboard.press(key)
        page.wait_for_selector(f"#compare[data-view={name}]")
        yield f"compare-{name}", page
    page.keyboard.press("Escape")


def trying(page: Page, url: str, runs: Runs) -> Iterator[View]:
    """The Try tab, with nothing drawn and with everything."""
    page.get_by_role("tab", name="Try", exact=True).click()
    page.wait_for_selector("#part-try-about .nothing")
    yield "try-no-run", page
    _open_try(page, url, runs.other)
    yield "try-empty", page
    _open_try(page, url, runs.done)
    page.wait_for_selector("section.strength input[type=range]")
    page.locator("section.strength input[type=range]").focus()
    page.keyboard.press("ArrowLeft")
    yield "try", page
    page.click("#vote-start")
    page.wait_for_selector(".sheets img")
    yield "vote", page
    page.click("#vote-a")
    page.wait_for_function("document.querySelector('#part-tally').innerText.includes('1 vote')")
    page.click("#vote-end")
    page.wait_for_selector("#part-tally table")
    yield "tally", page


def _open_try(page: Page, url: str, run: Run) -> None:
    page.goto(f"{url}?run={run.id}")
    page.wait_for_selector(".verdict")
    page.get_by_role("tab", name="Try", exact=True).click()
    page.wait_for_selector("#try-draw")


def listed(page: Page, url: str, runs: Runs) -> Iterator[View]:
    """The Runs tab: the list, a comparison, methods being selected, the question before deleting."""
    page.get_by_role("tab", name="Runs").click()
    page.wait_for_selector("#part-run-list .card")
    yield "runs", page
    for run in (runs.done, runs.other):
        page.locator(f"input[value='{run.id}']").check()
    page.click("#runs-compare")
    page.wait_for_selector(".comparison table")
    page.locator("#runs-methods button").first.click()
    page.locator("#runs-others").get_by_label(re.compile("the paper")).check()
    yield "comparison", page
    page.click("#runs-delete")
    page.wait_for_selector("#runs-really")
    yield "delete", page


def shared(page: Page, url: str, runs: Runs) -> Iterator[View]:
    """A public instance: the banner, a visitor without runs, and a run of somebody else's."""
    page.wait_for_selector(".notice.shared")
    yield "public-first", page
    page.get_by_role("tab", name="Runs").click()
    page.wait_for_selector("#part-run-list .nothing")
    yield "public-runs", page
    page.goto(f"{url}?run={runs.done.id}")
    page.wait_for_selector(".verdict")
    yield "public-watched", page
    page.get_by_role("tab", name="Try", exact=True).click()
    page.wait_for_selector("#part-try-about .nothing")
    yield "public-try", page


def reported(page: Page, url: str, runs: Runs) -> Iterator[View]:
    """The report as its own page. It is served so that no script runs in it, so it is put into an empty page here."""
    page.goto("about:blank")
    page.set_content((runs.done.path / "report.html").read_text("utf-8"))
    yield "report", page


Walk = Callable[[Page, str, Runs], Iterator[View]]
OWN: tuple[Walk, ...] = (erasing, trying, listed, reported)
"""On a machine of one's own."""
PUBLIC: tuple[Walk, ...] = (shared,)
"""With BALIGN_PUBLIC=1."""
