"""Serve the studio for a browser test: `python serve.py PORT`, with runs faked unless REAL_RUNS is set."""

import os
import sys
from pathlib import Path

from balign.host import processes
from balign.ui.studio import launch

if not os.environ.get("REAL_RUNS"):
    processes.COMMAND = (sys.executable, str(Path(__file__).parents[1] / "host" / "fake_run.py"))
launch("127.0.0.1", int(sys.argv[1]))
