"""The studio of a soak: `python -m benchmarks.soak_serve PORT`, with runs that need no model and wider limits.

Everything comes from one machine, so what counts by the hour would end the soak in minutes; the rest is as it is. A
line of SOAK_SESSIONS a second says how many sessions gradio holds.
"""

import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from balign.host import housekeeping, limits, processes
from balign.ui import studio
from tests.host import fake_run

AGE = 8.0
"""Seconds after which an upload is deleted."""
LOOK = 2
"""Seconds, about, between two looks at how old they are."""


def main() -> None:
    limits.LIMITS = replace(limits.LIMITS, starts=10**6, drawings=10**6, free_bytes=4_000_000, all_bytes=10**9)
    limits.LIMITS = replace(limits.LIMITS, upload_seconds=AGE)
    housekeeping.ROUNDS = LOOK
    processes.COMMAND = (sys.executable, str(Path(fake_run.__file__)))
    build = studio.build

    def built() -> Any:
        page = build()
        threading.Thread(target=_count, args=[page], daemon=True).start()
        return page

    studio.build = built
    studio.launch("127.0.0.1", int(sys.argv[1]))


def _count(page: Any) -> None:
    while True:
        time.sleep(1)
        if hasattr(page, "state_holder"):
            with open(os.environ["SOAK_SESSIONS"], "a") as file:
                file.write(f"{len(page.state_holder.session_data)}\n")


if __name__ == "__main__":
    main()
