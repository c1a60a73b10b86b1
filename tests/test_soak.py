"""A short soak of a real server: it is used, misused and killed, and every breach of a promise is counted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OPTIONS = {"minutes": 1, "visitors": 3, "think": 0.1, "pause": 3, "bound": 120}


@pytest.mark.slow
def test_a_minute_of_a_soak_breaches_nothing() -> None:
    command = [sys.executable, "-m", "benchmarks.soak"]
    command += [f"--{name}={value}" for name, value in OPTIONS.items()]
    given = os.environ | {"OMP_NUM_THREADS": "1"}
    soak = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=600)
    assert soak.returncode == 0, soak.stdout + soak.stderr
    counts = dict(line.rsplit(maxsplit=2)[:2] for line in soak.stdout.splitlines()[1:])
    for what in ("start", "with another's run", "(processes: run)"):
        assert int(counts[what].replace(",", "")) > 0, soak.stdout
