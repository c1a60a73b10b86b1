"""What a thousand finished runs, a thousand visits and downloads that break off cost the server.

    python -m benchmarks.growth

N finished runs (copies of one that needed no model) lie in a temporary folder; a server with another root of one run
is measured the same way beside it. Idle: the share of a core in a minute in which nobody asks for anything. The Runs
tab and a start are asked for as a browser does, right after the server's start and again; the seconds are those of the
wall, and in brackets those of a core that the server took. Memory: its resident size after 10 and after N pages that
were opened and closed, after 10 and after N different runs were looked at, and after downloads that broke off.
"""

import argparse
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil

from balign.runs.config import RunConfig
from balign.runs.folder import Run
from benchmarks.served import address, free_port, start
from benchmarks.session import Session
from tests.host import fake_run

IDLE, OPENED, STARTED, RATIO = 0.01, 1.0, 1.0, 1.3
"""What is claimed at most: share of a core, seconds of the list, seconds of a start, growth of memory."""
SERVE = """
import sys
from balign.host import processes
from balign.ui import studio
processes.COMMAND = (sys.executable, sys.argv[2])
studio.launch("127.0.0.1", int(sys.argv[1]))
"""
WORDS = ("cat", "dog", "guitar", "tiger", "pizza", "car", "horse", "tree")
BROKEN_OFF = 60
WEIGHTS = 32_000_000
"""Bytes of the weights of each run, more than a connection holds on its way."""


class Studio(NamedTuple):
    """A server that is measured."""

    url: str
    process: psutil.Process
    client: httpx.Client
    runs: list[str]

    def core(self) -> float:
        """Seconds of a core that it has taken so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def memory(self) -> float:
        """Its resident size in MB."""
        return float(self.process.memory_info().rss) / 1e6

    def timed(self, work: Callable[[], object]) -> tuple[float, float]:
        """Seconds of the wall and of a core that something took."""
        began, spent = time.perf_counter(), self.core()
        work()
        return time.perf_counter() - began, self.core() - spent


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--runs", type=int, default=1_000)
    options.add_argument("--visits", type=int, default=1_000, help="pages opened and closed, and runs looked at")
    options.add_argument("--idle", type=float, default=60, help="seconds in which nobody asks for anything")
    options.add_argument("--steps", type=int, default=200, help="steps of each of the runs")
    options.add_argument("--public", action="store_true", help="as a shared instance, with quota and owners")
    asked = options.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as name:
        template = finished(Path(name) / "template", asked.steps)
        for count in (1, asked.runs):
            root = Path(name) / f"of-{count}" / "runs"
            copies(template, root, count)
            with serving(root, asked.public) as studio:
                print(f"{count:,} runs, {studio.memory():.0f} MB, {studio.process.num_fds()} open files", flush=True)
                good &= _costs(studio, asked.idle, asked.public)
                if count > 1:
                    good &= _memory(studio, asked.visits)
    sys.exit(0 if good else 1)


def finished(root: Path, steps: int) -> Run:
    """A run that has ended, as one that a server had started."""
    os.environ |= {"FAKE_PAUSE": "0", "FAKE_STEPS": str(steps)}
    run = Run.create(RunConfig.parse({"erase": ["cat"], "keep": ["a dog", "a red car"]}), root)
    fake_run.main(str(run.path))
    with open(run.path / "erased.safetensors", "ab") as file:
        file.truncate(WEIGHTS)
    (run.path / "starter").write_text("4194300 1.000")  # no process has this number now
    return run


def copies(run: Run, root: Path, count: int) -> None:
    """So many runs in the root; their pictures and weights are one file each under many names."""
    for number in range(count):
        folder = root / f"20260101-{number:06d}-{number:022d}"
        for parent, _, names in os.walk(run.path):
            target = folder / Path(parent).relative_to(run.path)
            target.mkdir(parents=True)
            for name in names:
                (os.link if name.endswith((".png", ".safetensors")) else shutil.copy2)(
                    Path(parent) / name, target / name
                )
        config = RunConfig.parse({"erase": [WORDS[number % len(WORDS)]], "keep": [f"number {number}"]})
        (folder / "config.json").write_text(config.to_json())


@contextmanager
def serving(root: Path, public: bool) -> Iterator[Studio]:
    """A server on this root, whose runs need no model."""
    port = free_port()
    more = {"BALIGN_RUNS": str(root), "BALIGN_PUBLIC": str(int(public)), "FAKE_PAUSE": "0", "FAKE_STEPS": "3"}
    server = start([sys.executable, "-c", SERVE, str(port), fake_run.__file__], port, root.parent, **more)
    try:
        with httpx.Client(base_url=address(port), timeout=120) as client:
            runs = sorted(os.listdir(root))
            yield Studio(address(port), psutil.Process(server.pid), client, [r for r in runs if r[0] != "."])
    finally:
        server.kill()
        server.wait()


def _costs(studio: Studio, seconds: float, public: bool) -> bool:
    """Time for the list, for a start, and for nothing at all."""
    page = Session(studio.client)
    tab, begin = page.events("select", "Runs")[0], page.endpoint("start")
    asks = [lambda: page.ask(tab, page.values(tab, {"run": ""}, {})), lambda: page.ask(begin, _form(page, begin))]
    names = ("Runs tab, first", "Runs tab, again", "search, first", "start", "start again")
    found = lambda: page.ask(tab, page.values(tab, {"run": ""}, {"Search": "number 7"}))  # noqa: E731
    good = True
    for name, ask in zip(names, (asks[0], asks[0], found, asks[1], asks[1]), strict=True):
        wall, core = studio.timed(ask)
        print(f"  {name:<16} {wall:6.2f} s  ({core:.2f})", flush=True)
        good &= wall <= (STARTED if "start" in name else OPENED * (3 if "search" in name else 1))
        time.sleep(3)  # a run that was started ends
    time.sleep(5)
    _, core = studio.timed(lambda: time.sleep(seconds))
    print(f"  idle             {100 * core / seconds:6.2f} % of a core  (at most {100 * IDLE:g})", flush=True)
    return good and core / seconds <= IDLE


def _form(page: Session, begin: dict[str, object]) -> list[object]:
    return ["cat", "", "", "emoji", "balign", {"n_eval": 3}, ""]


def _memory(studio: Studio, visits: int) -> bool:
    """How much memory and how many files are held after few and after many."""
    page = Session(studio.client)
    tick = page.events("tick")[0]
    runs = [run for run in studio.runs if run.startswith("20260101")]

    def looked(number: int) -> None:
        page.ask(tick, page.values(tick, {"run": runs[number % len(runs)]}, {}))

    good = _grown(studio, "pages", visits, lambda _: _visit(studio.client))
    good &= _grown(studio, "runs looked at", visits, looked)
    good &= _grown(studio, "zips broken off", BROKEN_OFF, lambda k: _break_off(studio, runs[k % len(runs)]))
    return good


def _grown(studio: Studio, what: str, most: int, use: Callable[[int], object]) -> bool:
    sizes = []
    for first, last in ((0, 10), (10, most)):
        for number in range(first, last):
            use(number)
        time.sleep(3)
        sizes.append(studio.memory())
    text = f"{sizes[0]:.0f} MB after 10, {sizes[1]:.0f} MB after {most:,}: {sizes[1] / sizes[0]:.2f}"
    print(f"  {what:<16} {text}  (at most {RATIO}), {studio.process.num_fds()} open files", flush=True)
    return sizes[1] <= RATIO * sizes[0]


def _visit(client: httpx.Client) -> None:
    """A page that is opened, looks at the list, and is closed."""
    page = Session(client)
    with client.stream("GET", f"{page.api}/heartbeat/{page.hash}") as life:
        next(life.iter_bytes())
        event = page.events("select", "Runs")[0]
        page.ask(event, page.values(event, {"run": ""}, {}))


def _break_off(studio: Studio, run: str) -> None:
    """Ask for a zip and go away while it is sent."""
    url = httpx.URL(studio.url)
    with socket.create_connection((url.host, url.port or 80)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.sendall(f"GET /files/{run}/bundle.zip HTTP/1.1\r\nHost: {url.host}:{url.port}\r\n\r\n".encode())
        connection.recv(1000)


if __name__ == "__main__":
    main()
