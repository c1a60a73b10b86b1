"""Room on the disk of a public instance: what is too old goes, and nothing begins where there is none left.

It knows sizes and dates of folders; on a machine of one's own it does nothing.
"""

import logging
import os
import shutil
import time
from collections.abc import Collection
from pathlib import Path

from balign.host import limits, visitors
from balign.refusal import Refusal
from balign.runs.folder import Run, list_runs, runs_root

log = logging.getLogger(__name__)
SIGNS = ("config.json", "telemetry.jsonl", "report.json", "label", "tries", "strength", "probes", "votes")
"""The files and folders whose dates say when a run was last worked on."""


def sweep(spared: Collection[Run], now: float | None = None) -> list[str]:
    """Delete visitors' runs that nothing was written into for too long, but for those spared; their ids."""
    if not limits.public():
        return []
    oldest = (time.time() if now is None else now) - 3600 * limits.LIMITS.hours
    gone = []
    for run in list_runs():
        if run in spared or run.running() or not visitors.of_a_visitor(run) or _touched(run) >= oldest:
            continue
        try:
            run.delete()
            gone.append(run.id)
        except (OSError, ValueError) as error:  # it is tried again at the next sweep
            log.warning("a run that expired could not be deleted: %s", error)
    return gone


def check() -> None:
    """ValueError of one sentence if a new run would find no room."""
    if not limits.public():
        return
    root = runs_root()
    root.mkdir(parents=True, exist_ok=True)
    held = sum(size(run.path) for run in list_runs())
    if held > limits.LIMITS.all_bytes or shutil.disk_usage(root).free < limits.LIMITS.free_bytes:
        raise Refusal("There is no room for another run at the moment; delete one, or come back later.")


def check_growth(run: Run, more: int) -> None:
    """ValueError of one sentence if so many bytes more would be too many for one run of a visitor."""
    if limits.public() and size(run.path) + more > limits.LIMITS.run_bytes:
        raise Refusal("This run has as many files as a shared instance keeps; take its weights to another machine.")


def size(folder: Path) -> int:
    """Bytes in a folder. A file that goes away meanwhile counts nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except FileNotFoundError:
                continue
    return total


def _touched(run: Run) -> float:
    dates = []
    for name in SIGNS:
        try:
            dates.append((run.path / name).stat().st_mtime)
        except OSError:
            continue
    return max(dates, default=0.0)
