"""Do the cells of a grid on a Ray cluster whose machines share the grid's folder: a task a cell, one device a task."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from balign.grid import cells as doing
from balign.grid.cells import OnEnd
from balign.grid.grid_file import GridCell
from balign.refusal import Refusal
from balign.runs.folder import Run

RETRIES = 5
"""How often the task of a machine that went away is begun elsewhere."""
POLL = 1.0
"""Seconds between two looks at a cell that another process is at work on."""


def work(root: Path, cells: Sequence[GridCell], threads: int, address: str, on_end: OnEnd) -> None:
    """Do the cells; a task of a machine that goes away is begun again on another, and goes on where it was.

    Raises Refusal if Ray is not installed, and ConnectionError if there is no cluster at the address.
    """
    try:
        import ray
    except ImportError:
        raise Refusal("--ray needs Ray, which is not installed; `pip install ray` adds it.") from None
    ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    try:
        cards = ray.cluster_resources().get("GPU", 0) >= 1
        environment = {name: value for name, value in os.environ.items() if name.startswith("BALIGN_")}
        tasks = {}
        for cell in cells:
            task = ray.remote(
                num_cpus=threads,
                num_gpus=int(cards and cell.config.device in ("auto", "cuda")),
                max_calls=1,  # a process of its own for each cell, as anywhere
                max_retries=RETRIES,
            )(_task)
            tasks[task.remote(root, cell, threads, environment)] = cell
        while tasks:
            for ended in ray.wait(list(tasks))[0]:
                cell = tasks.pop(ended)
                try:
                    on_end(cell, ray.get(ended))
                except ray.exceptions.RayError as error:
                    on_end(cell, f"Its task was lost: {type(error).__name__}.")
    finally:
        ray.shutdown()


def _task(root: Path, cell: GridCell, threads: int, environment: dict[str, str]) -> str:
    """One cell on whichever machine. While the process of a lost machine still holds it, this one waits."""
    import torch

    os.environ |= environment
    torch.set_num_threads(threads)
    run: Run = doing.opened(root, cell)
    while run.running():
        time.sleep(POLL)
    return "" if doing.done(run, cell) else doing.do(root, cell)
