"""Serve the studio for a browser test: `python serve.py PORT`, with runs faked unless REAL_RUNS is set."""

import os
import sys
from pathlib import Path

from balign.ui import worker
from balign.ui.layout import launch

if not os.environ.get("REAL_RUNS"):
    worker.COMMAND = (sys.executable, str(Path(__file__).parents[1] / "ui" / "fake_run.py"))
launch("127.0.0.1", int(sys.argv[1]))
