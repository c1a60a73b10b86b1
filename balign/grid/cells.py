"""Do the cells of a grid: each in a process of its own, one a device, whatever was done before and is done elsewhere.

A cell is a run's folder. Who works on it holds its lock, as with any run, so that any number of processes, here or on
other machines that share the folder, do a grid together; killed ones leave what the next one goes on with.
"""

import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection
from pathlib import Path
from typing import Any, NamedTuple

from balign.atomic import write
from balign.grid.grid_file import Grid, GridCell
from balign.plain_file import read_plain
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.tryout.attack_store import AttackRequest, AttackResult
from balign.runs.tryout.store import DrawingFailed
from balign.telemetry import Phase

ATTACKED = "attacked.json"
"""In a cell's folder: the attack request that is finished, and where its result lies."""
PLAN = "plan.json"
PRELOADED = [
    *("balign.runs.engine.execute", "balign.attack.attacker", "open_clip", "transformers.models.clip.modeling_clip"),
    *("diffusers.models.unets.unet_2d_condition", "diffusers.models.autoencoders.autoencoder_kl"),
]
"""What every process of a cell needs, imported once: a cell's process is a fork of that one."""

OnEnd = Callable[[GridCell, str], None]
"""Called with a cell and why it is not done; empty if it is."""


def write_plan(root: Path, grid: Grid, cells: Sequence[GridCell]) -> None:
    """What the grid consists of, beside its cells, for who makes tables of it."""
    root.mkdir(parents=True, exist_ok=True)
    planned = [cell.place() | {"config": _told(cell.config), "attack": _told(cell.attack)} for cell in cells]
    plan = {"name": grid.name, "against": grid.compared_with, "threads": grid.threads, "cells": planned}
    write(root / PLAN, json.dumps(plan, indent=1) + "\n")


def _told(values: Any) -> Any:
    return values.model_dump(mode="json", exclude_defaults=True) if values is not None else None


def opened(root: Path, cell: GridCell) -> Run:
    """The cell's folder, made if it is not there. Raises Refusal if there is one of other settings."""
    folder = root / cell.id
    if not (folder / "config.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / "config.json", cell.config.to_json())
    run = Run.open(folder.absolute(), root)
    if run.config != cell.config:
        raise Refusal(f"Cell {cell.id} was begun with other defaults; delete its folder, or name another grid.")
    return run


def done(run: Run, cell: GridCell) -> bool:
    """Whether the run is finished, and attacked as the grid says."""
    return _finished(run) and (cell.attack is None or attacked(run, cell.attack) is not None)


def _finished(run: Run) -> bool:
    last = run.last_phase()
    return last is not None and last.name == "done"


def attacked(run: Run, request: AttackRequest) -> AttackResult | None:
    """The result of this request, if it is finished."""
    try:
        noted = json.loads(read_plain(run.path / ATTACKED))
        return (
            AttackResult.read(run.path / noted["folder"] / "attack.json")
            if noted["request"] == _told(request)
            else None
        )
    except FileNotFoundError:
        return None


def do(root: Path, cell: GridCell, still: Callable[[], None] = lambda: None) -> str:
    """Do a cell's run, or the rest of it, and the attacks on it; why it is not done, or nothing if it is.

    ``still`` is called after every event and may end the process.
    """
    from balign.attack import attacker
    from balign.runs.engine import execute

    try:
        run = opened(root, cell)
        last: object = None
        for event in execute.run(run):
            still()
            last = event
        if not _finished(run):
            return last.message if isinstance(last, Phase) else "It ended early."
        if cell.attack is not None and attacked(run, cell.attack) is None:
            result = attacker.attack(run, cell.attack, lambda *_: still())
            write(run.path / ATTACKED, json.dumps({"request": _told(cell.attack), "folder": result.folder}) + "\n")
        return ""
    except (Refusal, DrawingFailed, OSError) as error:
        return str(error)


class Slot(NamedTuple):
    """Where one process works: the graphics card that it sees, if any."""

    card: str | None = None


def slots(cells: Sequence[GridCell], threads: int, workers: int | None) -> list[Slot]:
    """One for each graphics card, or as many as the processor has room for; or as many as asked for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    most = max(1, cores // threads)
    if any(cell.config.device != "cpu" for cell in cells):
        import torch

        if torch.cuda.is_available():
            seen = os.environ.get("CUDA_VISIBLE_DEVICES")
            cards = seen.split(",") if seen else [str(k) for k in range(torch.cuda.device_count())]
            return [Slot(cards[k % len(cards)]) for k in range(len(cards) if workers is None else workers)]
        most = 1 if torch.backends.mps.is_available() else most
    return [Slot()] * (most if workers is None else workers)


def work(root: Path, cells: Sequence[GridCell], threads: int, places: Sequence[Slot], on_end: OnEnd) -> list[GridCell]:
    """Do the cells, as many at once as there are places; those left that another process is at work on.

    A cell that fails is left for another time.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    left, free = list(cells), list(places)
    active: dict[Any, tuple[GridCell, Slot, Any, connection.Connection]] = {}
    try:
        while True:
            for cell in _takeable(root, left, len(free), on_end):
                ours, theirs = context.Pipe(duplex=False)
                slot = free.pop()
                environment = dict(os.environ) | ({"CUDA_VISIBLE_DEVICES": slot.card} if slot.card else {})
                process = context.Process(target=_process, args=(root, cell, threads, environment, theirs))
                process.start()
                theirs.close()
                active[process.sentinel] = (cell, slot, process, ours)
            if not active:
                return left
            for ended in connection.wait(list(active)):
                cell, slot, process, ours = active.pop(ended)
                process.join()
                free.append(slot)
                why = _said(ours) if process.exitcode == 0 else f"Its process ended with {process.exitcode}."
                if why and opened(root, cell).running():  # another process was a moment faster
                    left.append(cell)
                else:
                    on_end(cell, why)
    finally:
        for _, _, process, _ in active.values():
            process.terminate()


def _takeable(root: Path, left: list[GridCell], most: int, on_end: OnEnd) -> Iterator[GridCell]:
    """Up to so many cells that nobody is at work on; they, and those that are done, are left no longer."""
    for cell in list(left):
        if most == 0:
            return
        try:
            run = opened(root, cell)
        except (Refusal, OSError) as error:
            left.remove(cell)
            on_end(cell, str(error))
            continue
        if done(run, cell):
            left.remove(cell)
            on_end(cell, "")
        elif not run.running():
            left.remove(cell)
            most -= 1
            yield cell


def _said(pipe: connection.Connection) -> str:
    with pipe:
        return str(pipe.recv())


def _process(
    root: Path, cell: GridCell, threads: int, environment: dict[str, str], answer: connection.Connection
) -> None:
    """Do one cell in a process of its own, which ends when its parent does."""
    os.environ |= environment  # the process that this one is a fork of has an older one
    import torch

    torch.set_num_threads(threads)
    parent = multiprocessing.parent_process()

    def still() -> None:
        if parent is not None and not parent.is_alive():
            sys.exit(1)

    try:
        answer.send(do(root, cell, still))
    except KeyboardInterrupt:
        sys.exit(130)
