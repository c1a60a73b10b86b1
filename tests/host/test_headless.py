"""A server without a page: the host needs neither gradio nor templates, and takes a run from the queue to its end."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMPORTS = """
import sys, pkgutil, importlib
import balign.host
for module in pkgutil.iter_modules(balign.host.__path__):
    importlib.import_module(f"balign.host.{module.name}")
print(*sorted({name.split(".")[0] for name in sys.modules} & {"gradio", "jinja2", "torch", "diffusers", "starlette"}))
"""
RUNS = """
import os, sys, time
from balign.host import housekeeping, limits, listing, processes, scheduler, status, waitlist
from balign.runs.config import RunConfig
processes.COMMAND = (sys.executable, sys.argv[1])
first, second = scheduler.begin_all([RunConfig.parse({"erase": [name]}) for name in ("cat", "dog")])
seen = [status.state(second)]
until = time.monotonic() + 60
while status.state(second) != "done" and time.monotonic() < until:
    housekeeping.round_of(1)
    seen.append(status.state(second))
    time.sleep(0.02)
while processes.alive(second):
    time.sleep(0.02)
print(*dict.fromkeys([*seen, status.state(second)]))
print(*(entry.state for entry in listing.entries()), len(status.look(first).steps), processes._children)
"""


def python(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120).stdout


def test_the_host_imports_neither_a_page_nor_a_model() -> None:
    assert python(IMPORTS).split() == []


def test_a_run_goes_from_the_queue_to_its_end_with_the_host_alone() -> None:
    states, rest = python(RUNS, str(ROOT / "tests" / "host" / "fake_run.py")).splitlines()
    assert states.split()[0] == "queued"
    assert states.split()[-1] == "done"
    assert set(states.split()) <= {"queued", "starting", "running", "done"}
    assert rest == "done done 10 []"
