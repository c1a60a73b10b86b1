"""A training run and thirty visitors on one machine: what they cost each other, and whether the queue is fair.

    python -m benchmarks.load                                # 30 visitors for 300 s
    python -m benchmarks.load --clients 10 --seconds 40      # to see that it works

A real server in a temporary folder. First `cat` is erased from the bundled model with nobody there. Then the same is
begun with another seed and more steps than there will be time for; it trains alone for a while, then with visitors
(`visitors.py`: each browses, asks /status, /metrics, /pair and /score, and thinks in between), then alone again. Both
quiet times are what the loaded one is held against, so that a machine whose speed drifts is seen. At last, while that
run still has the machine, clients ask for small runs one after another; it is stopped, and they begin in that order.

The visitors' own work is done by the same processors, as it would not be in life. They run at a lower priority.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from gradio_client import Client

from balign.host.processes import STARTER, end
from balign.runs.folder import Run, list_runs
from balign.telemetry import Phase, Step
from benchmarks.served import ROOT, connected, environment, studio

SLOWER, WAIT = 1.15, 1.0
"""What is claimed: the run's step under load against alone, and the 95th percentile of seconds until a status."""
SMALL = {"steps": 2, "n_forget": 4, "n_retain": 4, "n_eval": 1, "sampling_steps": 2, "preview_every": 0}
WARM = 3
"""Steps that do not count, while a run gets going."""
PATIENCE = 1800.0
"""Seconds to wait for whatever a run is to do next."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--clients", type=int, default=30)
    options.add_argument("--seconds", type=float, default=300, help="how long the visitors are there")
    options.add_argument("--quiet", type=float, default=60, help="seconds alone before and after")
    options.add_argument("--think", type=float, nargs=2, default=(2.0, 5.0), help="seconds between two calls")
    options.add_argument("--nice", type=int, default=10, help="priority of the visitors' own work; 0 is the run's")
    options.add_argument("--line", type=int, default=5, help="runs that wait in the queue")
    options.add_argument("--steps", type=int, default=100, help="steps of the run that is finished first")
    options.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="settings other than the defaults")
    asked = options.parse_args()
    asked.settings = dict(pair.split("=", 1) for pair in asked.set)
    with tempfile.TemporaryDirectory() as name, studio(Path(name)) as (url, server):
        os.environ["BALIGN_RUNS"] = str(Path(name) / "runs")
        client = connected(url)
        try:
            finished = _alone(client, asked)
            good = [_loaded(client, url, server.pid, finished, asked), _queue_fair(url, asked.line)]
        finally:
            for run in list_runs():
                end(run)
    sys.exit(0 if all(good) else 1)


def _begin(client: Client, seed: int, settings: Mapping[str, Any], **more: int) -> Run:
    """Ask for a run as any program would; the run's folder, since it is on this machine."""
    told = client.predict("cat", settings={**settings, **more, "seed": seed}, api_name="/start")
    return Run.open(told["run"])


def _alone(client: Client, asked: argparse.Namespace) -> Run:
    """A run that nobody watches, to its end: what a step costs, and what visitors will ask about."""
    run = _begin(client, 0, asked.settings, steps=asked.steps)
    _until(run, lambda: _last(run) == "done")
    print(f"a run of its own: {_told(_steps(run))}", flush=True)
    return run


def _loaded(client: Client, url: str, server: int, finished: Run, asked: argparse.Namespace) -> bool:
    """Train alone, with visitors, and alone again; print what a step took and what the visitors found."""
    rough = statistics.mean(step.seconds for step in _steps(finished))
    steps = math.ceil(2 * (asked.seconds + 2 * asked.quiet) / rough)
    run = _begin(client, 1, asked.settings, steps=steps)
    command = [sys.executable, "-m", "benchmarks.visitors", url, run.id, finished.id]
    command += ["--clients", str(asked.clients), "--seconds", str(asked.seconds), "--think", *map(str, asked.think)]
    command += ["--nice", str(asked.nice)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=environment(), stdin=pipe, stdout=pipe, text=True) as visitors:
        assert visitors.stdin
        assert visitors.stdout
        if visitors.stdout.readline() != "ready\n":
            raise SystemExit("The visitors did not come.")
        _until(run, lambda: len(_steps(run)) >= WARM)
        before = _watched(run, server, lambda: time.sleep(asked.quiet))
        visitors.stdin.write("begin\n")
        visitors.stdin.flush()
        answers: list[str] = []
        during = _watched(run, server, lambda: answers.append(visitors.stdout.readline()))
    after = _watched(run, server, lambda: time.sleep(asked.quiet))
    alone = statistics.mean(step.seconds for step in before.steps + after.steps)
    slower = statistics.mean(step.seconds for step in during.steps) / alone
    for name, window in (("alone before", before), ("with visitors", during), ("alone after", after)):
        print(f"{name:<14} {_told(window.steps)}; the server took {window.share:.1f} % of a core")
    print(f"slower by {slower:.3f}   (at most {SLOWER})")
    return _calls(json.loads(answers[0])) and slower <= SLOWER


class Window(NamedTuple):
    """What happened in the meantime: the steps of the run, and the server's part of one core in percent."""

    steps: list[Step]
    share: float


def _watched(run: Run, server: int, meanwhile: Callable[[], object]) -> Window:
    """Note what the run and the server do while something else goes on; the run must train all the time."""
    process, first = psutil.Process(server), len(_steps(run))
    used, began = sum(process.cpu_times()[:2]), time.monotonic()
    meanwhile()
    share = 100 * (sum(process.cpu_times()[:2]) - used) / (time.monotonic() - began)
    if _last(run) != "unlearn":
        raise SystemExit(f"The run was not training all the time; its last word was {_last(run)!r}.")
    return Window(_steps(run)[first + 1 :], share)  # the one that was under way at the start is left out


def _calls(calls: list[tuple[str, float, str | None]]) -> bool:
    """Print how long the visitors waited for what, and whether all went well."""
    print(f"{'call':<10}{'calls':>7}{'p50 ms':>9}{'p95 ms':>9}{'errors':>8}")
    for name in sorted({name for name, _, _ in calls}):
        mine = [(seconds, error) for called, seconds, error in calls if called == name]
        median, p95 = (1000 * _percentile([seconds for seconds, _ in mine], share) for share in (0.5, 0.95))
        print(f"{name:<10}{len(mine):>7}{median:>9.0f}{p95:>9.0f}{sum(error is not None for _, error in mine):>8}")
    wrong = [f"{name}: {error}" for name, _, error in calls if error is not None]
    print(*sorted(set(wrong))[:5], sep="\n", end="\n" if wrong else "")
    waited = _percentile([seconds for name, seconds, _ in calls if name == "status"], 0.95)
    print(
        f"{len(wrong)} errors in {len(calls):,} calls   (0); status p95 {waited:.3f} s   (less than {WAIT})", flush=True
    )
    return not wrong and waited < WAIT


def _queue_fair(url: str, count: int) -> bool:
    """Let clients ask for small runs while another has the machine, stop that one, and see who begins when."""
    clients = [connected(url) for _ in range(count)]
    runs = [_begin(client, seed, SMALL) for seed, client in enumerate(clients)]
    places = [client.predict(run.id, api_name="/status")["place"] for client, run in zip(clients, runs, strict=True)]
    busy = next(run for run in list_runs() if run.running())
    clients[0].predict(busy.id, False, api_name="/stop")
    for run in runs:
        _until(run, lambda run=run: _last(run) == "done")
    started = [(run.path / STARTER).stat().st_mtime for run in runs]
    ended = [(run.path / "telemetry.jsonl").stat().st_mtime for run in runs]
    fair = places == list(range(1, count + 1)) and started == sorted(started)
    one = all(end <= start for end, start in zip(ended, started[1:], strict=False))
    begun = ", ".join(f"{begin - started[0]:.1f}" for begin in started)
    print(f"asked for in turn: places {places}, begun at {begun} s")
    print(f"begun in the order they were asked for: {fair}; one at a time: {one}", flush=True)
    return fair and one


def _steps(run: Run) -> list[Step]:
    return [record for record in run.telemetry()[0] if isinstance(record, Step)]


def _last(run: Run) -> str:
    """The last phase the run spoke of."""
    return next((record.name for record in reversed(run.telemetry()[0]) if isinstance(record, Phase)), "")


def _until(run: Run, come: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not come():
        if _last(run) in ("failed", "stopped") or time.monotonic() > end:
            raise SystemExit(f"The run did not go on; its last word was {_last(run)!r}.")
        time.sleep(0.5)


def _told(steps: list[Step]) -> str:
    spent = [step.seconds for step in steps]
    return f"{len(spent):>4} steps, mean {statistics.mean(spent):.3f} s, median {statistics.median(spent):.3f} s"


def _percentile(values: list[float], share: float) -> float:
    return sorted(values)[math.ceil(share * len(values)) - 1]


if __name__ == "__main__":
    main()
