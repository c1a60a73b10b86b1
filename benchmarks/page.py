"""How soon the page is there, and what one look at a long run costs the server and the wire.

    python -m benchmarks.page

Starting: `python app.py` until the page's html has been answered, against `python -c "import gradio"`; both in new
processes that take turns, after one of each that is not counted.

A look: a run of 2,000 steps lies in a temporary folder and goes on by one step before each tick of the page's timer.
The tick is asked of the real server as a browser asks it (one call to join the queue, one stream for the answer).
Time is from the call to the end of the answer; bytes are all that came back, bodies and headers. That the chart is the
same node of the page after an update is a test, in tests/browser/test_studio.py.

A keystroke: the form's values as somebody types a word to keep letter by letter, and what the server does
for each of them: chips, remarks, prompts, estimate and command. CPU time of this process, without gradio's own part.
"""

import argparse
import math
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from balign import telemetry
from balign.runs.config import RunConfig
from balign.runs.folder import Run
from benchmarks.served import environment, studio
from benchmarks.session import Session

RATIO, MILLISECONDS, BYTES, KEYSTROKE = 1.5, 100, 100_000, 20
"""What is claimed: start-up against the import, one look's time and size, and the time of a keystroke."""
MEASURED, PREVIEWED = 5, 25
"""Steps between two measured ones, and between two previews."""
BLOCKS = ("down_blocks.0", "down_blocks.1", "mid_block", "up_blocks.0")
PLACES = [f"{block} to_{part}" for block in BLOCKS for part in "qkv"]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--starts", type=int, default=5, help="starts of each kind")
    options.add_argument("--steps", type=int, default=2000, help="steps of the run that is looked at")
    options.add_argument("--ticks", type=int, default=50)
    asked = options.parse_args()
    good = [_starting(asked.starts), _looking(asked.steps, asked.ticks), _typing()]
    sys.exit(0 if all(good) else 1)


def _starting(repeats: int) -> bool:
    """Time both kinds in turn and print the ratio of their medians."""
    spent: dict[str, list[float]] = {"import gradio": [], "page": []}
    for _ in range(repeats + 1):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import gradio"], env=environment(), check=True)
        spent["import gradio"].append(time.perf_counter() - began)
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            with studio(Path(folder)):
                spent["page"].append(time.perf_counter() - began)
    imported, served = (statistics.median(times[1:]) for times in spent.values())
    for name, times in spent.items():
        print(f"{name:<14} {statistics.median(times[1:]):6.2f} s   {' '.join(f'{t:.2f}' for t in times[1:])}")
    print(f"page / import  {served / imported:6.2f}     (at most {RATIO})", flush=True)
    return served / imported <= RATIO


def _looking(steps: int, ticks: int) -> bool:
    """Take ticks of the page on a run that grows, and print how long they took and how much came back."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = _long_run(folder / "runs", steps + ticks, steps)
        with run.claim(), studio(folder) as (url, _), httpx.Client(base_url=url, timeout=60) as client:
            page = Ticker(client, run.id)
            first = page.tick()
            taken = []
            for step in range(steps + 1, steps + ticks + 1):
                _take(run, step, steps + ticks)
                taken.append(page.tick())
            whole = page.tick()
    spent = sorted(1000 * seconds for seconds, _ in taken)
    median, p95 = statistics.median(spent), spent[math.ceil(0.95 * len(spent)) - 1]
    size = max(count for _, count in taken)
    print(f"the page's first look at {steps:,} steps: {1000 * first[0]:.0f} ms, {first[1]:,} bytes")
    print(f"a look with one step more: median {median:.0f} ms, p95 {p95:.0f} ms   (at most {MILLISECONDS})")
    print(f"                           at most {size:,} bytes   (at most {BYTES:,})")
    print(f"a look at nothing new: {1000 * whole[0]:.0f} ms, {whole[1]:,} bytes")
    return p95 < MILLISECONDS and size < BYTES


def _typing() -> bool:
    """Ask for what is shown at each of many keystrokes, and print how long that took."""
    from balign.ui.erase_tab.keep_assistant import follow

    typed = [f"dog\nrabbit\n{'elephant'[:k]}" for k in (*range(9), *range(8, 0, -1))]
    spent = []
    for text in typed * 3:
        began = time.process_time()
        follow(None, {"erase": "cat, pizza", "keep": text, "model": "emoji", "method": "balign"})
        spent.append(1000 * (time.process_time() - began))
    median = statistics.median(spent[1:])  # the first one reads the lexicon
    print(f"a keystroke: median {median:.1f} ms   (at most {KEYSTROKE})")
    return median <= KEYSTROKE


class Ticker:
    """A page whose timer ticks."""

    def __init__(self, client: httpx.Client, run: str) -> None:
        self.session, self.data = Session(client), [{"run": run}, None]
        self.event = self.session.events("tick")[0]

    def tick(self) -> tuple[float, int]:
        """Seconds until all of the answer was there, and its bytes."""
        began = time.perf_counter()
        reply = self.session.ask(self.event, self.data)
        spent = time.perf_counter() - began
        if [outcome["success"] for outcome in reply.outcomes] != [True]:
            raise SystemExit(f"The tick was not answered: {reply.body[:500]!r}")
        answers = (reply.joined, reply.stream)
        heads = sum(len(name) + len(value) + 4 for answer in answers for name, value in answer.headers.raw)
        return spent, heads + sum(answer.num_bytes_downloaded for answer in answers)


def _long_run(root: Path, last: int, steps: int) -> Run:
    """A run that has taken so many steps, with previews and conflicts as a real one leaves them."""
    run = Run.create(RunConfig.parse({"erase": ["cat"], "steps": last}), root)
    for name in ("load", "check", "data"):
        telemetry.append(run.path / "telemetry.jsonl", telemetry.Phase(name, 1, 1, 1.0))
    for step in range(1, steps + 1):
        _take(run, step, last)
    return run


def _take(run: Run, step: int, last: int) -> None:
    """One more step, with what a run records of it."""
    file, noise, gone = run.path / "telemetry.jsonl", random.Random(step), 1 - math.exp(-3 * step / last)
    measured = step % MEASURED == 0
    change = (noise.gauss(-1e-4, 1e-4), noise.gauss(-1e-5, 1e-5))
    telemetry.append(
        file,
        telemetry.Step(
            step=step,
            forget_loss=1 - 0.9 * gone + noise.gauss(0, 0.05),
            retain_loss=0.16 + noise.gauss(0, 0.02),
            forget_norm=1.0,
            retain_norm=0.4,
            cosine=-0.35 + 0.3 * gone + noise.gauss(0, 0.12),
            projected=noise.random() < 0.4,
            kept_fraction=0.9,
            forget_change=change[0],
            retain_change=change[1],
            measured_forget_change=change[0] if measured else None,
            measured_retain_change=change[1] if measured else None,
            seconds=0.4,
        ),
    )
    if measured:
        telemetry.append(file, telemetry.Conflict(step, {place: noise.uniform(-1, 0.5) for place in PLACES}))
        for quarter in range(1, 5):
            fought = {block: noise.uniform(-1, 0.5) for block in BLOCKS}
            telemetry.append(file, telemetry.Conflict(step, fought, quarter))
    if step % PREVIEWED == 0:
        groups = {"erased": 0.31 - 0.2 * gone, "kept": 0.3, "neighbours": 0.29 + noise.gauss(0, 0.002)}
        margin = dict.fromkeys(groups, 0.02)
        telemetry.append(file, telemetry.Preview(step, f"previews/{step:05d}.png", groups, margin))
    telemetry.append(file, telemetry.Phase("unlearn", step, last, 0.4 * step))


if __name__ == "__main__":
    main()
