"""A studio that is used, misused and killed for an hour: nothing is lost, nobody gets in, nothing grows without end.

    python -m benchmarks.soak --minutes 60

A real server in public mode in a temporary folder, on a small disk of its own if one can be mounted. Visitors do what
visitors do, and what they must not; meanwhile servers and runs are killed, the disk fills, folders are damaged. Every
count is printed; any breach ends it with 1. README.md says what is held.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from balign.atomic import write
from balign.host import processes, visitors
from balign.runs.config import RunConfig
from balign.runs.folder import Run
from benchmarks.served import address, free_port, start
from benchmarks.soak_checks import Watch, World, log_is_short, moving, nothing_lost, uploads_gone
from benchmarks.soak_misuse import Stranger
from benchmarks.soak_serve import AGE, LOOK

DISK = 96_000_000  # bytes of the disk that is filled
LEAVING = 60.0  # seconds that visitors may take to leave
UNCLAIMED = "20200101-000000-damaged"
DEEP = "[" * 100_000
DAMAGES: dict[str, Callable[[Path], object]] = {
    "config": lambda run: (run / "config.json").write_text('{"erase": 7'),
    "queued": lambda run: [(run / "config.json").write_text(DEEP), (run / "queued").write_text('[1, "run"]')],
    "report": lambda run: (run / "report.json").write_text(DEEP),
    "numbers": lambda run: (run / "report.json").write_text('{"groups": {}, "ua": 1' + "0" * 400 + "}"),
    "telemetry": lambda run: (run / "telemetry.jsonl").write_text(DEEP + '\n{"kind": "phase", "name": 1}\n'),
    "ticket": lambda run: (run / "queued").write_text(DEEP),
    "note": lambda run: (run / "reproduces.json").write_text('{"weights": "x", "run": "y", "versions": ' + DEEP + "}"),
    "label": lambda run: (run / "label").write_bytes(b"\xff\x1b[2J" * 999),
    "folders": lambda run: [*map(os.mkdir, (run / name for name in ("telemetry.jsonl", "report.json", "label")))],
    "shut": lambda run: run.chmod(0),
}
"""What is wrong with the folders that are planted."""


class Host:
    """The server: begun, killed, and begun again at the same address."""

    def __init__(self, folder: Path, world: World) -> None:
        self.folder, self.world, self.port, self.starts = folder, world, free_port(), 0
        world.url = address(self.port)
        disk = folder / "disk"
        self.environment = {
            "BALIGN_RUNS": str(world.root), "BALIGN_CACHE": str(folder / "cache"), "BALIGN_PUBLIC": "1",
            "GRADIO_TEMP_DIR": str(disk / "uploads"), "TMPDIR": str(disk), "FAKE_PAUSE": "0.02", "FAKE_STEPS": "10",
            "FAKE_JOURNAL": str(folder / "journal"), "SOAK_SESSIONS": str(folder / "sessions"), "HF_HUB_OFFLINE": "1",
        }  # fmt: skip

    def serve(self, port: int) -> subprocess.Popen[bytes]:
        """A server's process. Root may enter any folder, so that it is begun without that right."""
        command = [sys.executable, "-m", "benchmarks.soak_serve", str(port)]
        if os.geteuid() == 0 and (drop := shutil.which("setpriv")):
            command = [drop, "--bounding-set=-dac_override,-dac_read_search", *command]
        self.starts += 1
        return start(command, port, self.folder, **self.environment)

    def begin(self) -> None:
        self.process = self.serve(self.port)
        self.world.pid = self.process.pid
        self.world.epoch += 1
        self.world.up.set()

    def end(self, how: signal.Signals) -> None:
        self.world.up.clear()
        self.world.epoch += 1
        self.process.send_signal(how)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.world.book.breach("the server does not end", how.name)
            self.process.kill()
            self.process.wait()


class Chaos(threading.Thread):
    """What goes wrong on the machine, one after another, until the visitors leave."""

    def __init__(self, world: World, host: Host, watch: Watch, seed: int, pause: float, mounted: bool) -> None:
        super().__init__(daemon=True)
        self.world, self.host, self.watch, self.chance, self.pause = world, host, watch, random.Random(seed), pause
        self.all = [self.kill_server, self.kill_runs, self.damage, self.second_server, self.end_server]
        self.all += [self.fill_disk] if mounted else []

    def run(self) -> None:
        bag = [self.damage]
        while not self.world.over.wait(self.chance.uniform(0.5, 1.5) * self.pause):
            bag = bag or self.chance.sample(self.all, len(self.all))
            deed = bag.pop()
            self.world.book.happened(deed.__name__.replace("_", " "))
            deed()

    def kill_server(self) -> None:
        self.host.end(signal.SIGKILL)
        self.host.begin()

    def end_server(self) -> None:
        self.host.end(signal.SIGTERM)
        self.host.begin()

    def kill_runs(self) -> None:
        for number, (_, run) in list(self.watch.working.items()):
            if run in self.world.runs:
                self.world.runs[run].excused = True
            with open(self.watch.journal, "a") as file:
                file.write(f"killed run {run} {number}\n")
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)

    def fill_disk(self) -> None:
        self.world.full = True
        self.world.excuse()
        fill = self.world.root.parent / "fill"
        with suppress(OSError), open(fill, "wb", buffering=0) as file:
            while file.write(b"\0" * 1_000_000):
                pass
        self.world.over.wait(3)
        self.world.excuse()
        fill.unlink()
        self.world.over.wait(2)
        self.world.excuse()
        self.world.full = False

    def damage(self) -> None:
        """Plant folders of a visitor's that are damaged, in place of those of the last time."""
        undamage(self.world.root)
        for kind in DAMAGES:
            run = Run(self.world.root / f"{UNCLAIMED}-{kind}")
            with suppress(OSError):  # the disk may be full of runs
                run.path.mkdir()
                write(run.path / "config.json", RunConfig.parse({"erase": ["cat"]}).to_json())
                visitors.sign(run, visitors.Visitor(self.chance.choice(list(self.world.secrets.values()))))
                DAMAGES[kind](run.path)

    def second_server(self) -> None:
        other = self.host.serve(free_port())
        self.world.over.wait(4)
        other.kill()
        other.wait()


def undamage(root: Path) -> None:
    for folder in root.glob(f"{UNCLAIMED}-*"):
        folder.chmod(0o700)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount a small disk of its own at the folder; whether that was possible."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=700", "balign-soak", str(folder)]
    mounted = bool(shutil.which("mount")) and subprocess.run(command, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--minutes", type=float, default=60)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--visitors", type=int, default=6)
    options.add_argument("--think", type=float, default=0.3, help="mean seconds between two things a visitor does")
    options.add_argument("--pause", type=float, default=8, help="mean seconds between two things that go wrong")
    options.add_argument("--bound", type=float, default=180, help="seconds in which all runs must end afterwards")
    asked = options.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, small_disk(Path(name) / "disk") as mounted:
        good = soak(Path(name), mounted, asked)
    sys.exit(0 if good else 1)


def soak(folder: Path, mounted: bool, asked: argparse.Namespace) -> bool:
    """All of it; whether nothing was breached."""
    world = World(folder / "disk" / "runs")
    os.environ["BALIGN_RUNS"], os.environ["BALIGN_PUBLIC"] = str(world.root), "1"
    host, watch = Host(folder, world), Watch(world, folder / "journal", folder / "sessions")
    people = [Stranger(world, number, asked.seed, asked.think) for number in range(asked.visitors)]
    chaos = Chaos(world, host, watch, asked.seed, asked.pause, mounted)
    try:
        host.begin()
        for thread in (watch, *people, chaos):
            thread.start()
        end = time.monotonic() + 60 * asked.minutes
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 1))
            for visitor in people:
                visitor.begins = left > 6 * asked.minutes  # a tenth of the time for what is queued
        world.over.set()
        until = time.monotonic() + LEAVING
        for thread in (chaos, *people):
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                stack = traceback.format_stack(sys._current_frames()[thread.ident or 0])
                world.book.breach("a thread does not end", f"{thread.name}: {''.join(stack[3:])}")
        undamage(world.root)
        judge(world, watch, host, asked.bound)
    finally:
        world.over.set()
        if chaos.is_alive():
            chaos.join(60)
        host.end(signal.SIGKILL)
        for run in world.root.iterdir() if world.root.is_dir() else ():
            processes.end(Run(run))
        if not mounted:
            print("No disk could be mounted here, so that the full disk was left out.")
        print(world.book.table(), flush=True)
    return not world.book.breaches


def judge(world: World, watch: Watch, host: Host, bound: float) -> None:
    """Let the runs come to an end, and hold everything against what must be."""
    began = time.monotonic()
    while (going := moving(world)) and time.monotonic() < began + bound:
        time.sleep(0.5)
    for run in going:
        world.book.breach("a run does not end", run)
    world.book.done["(seconds until all runs had ended)"] = round(time.monotonic() - began)
    time.sleep(max(0.0, AGE + 2 * LOOK - (time.monotonic() - began)))
    watch.ended.set()
    watch.join()
    watch.look()
    watch.bounds()
    nothing_lost(world)
    uploads_gone(world, host.folder / "disk" / "uploads", AGE + 2 * LOOK)
    log_is_short(world, host.folder / "server.log", host.starts)


if __name__ == "__main__":
    main()
