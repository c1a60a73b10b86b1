"""A whole grid: plan it, do what is left of it, write its rows."""

from pathlib import Path
from typing import NamedTuple

from balign.grid import cells as doing
from balign.grid import cluster, rows
from balign.grid.cells import OnEnd
from balign.grid.grid_file import Grid, GridCell
from balign.grid.rows import Row


class GridOutcome(NamedTuple):
    """What became of a grid."""

    rows: list[Row]
    elsewhere: list[GridCell]
    """Cells that another process is at work on."""


def do(grid: Grid, root: Path, workers: int | None, ray: str | None, on_end: OnEnd) -> GridOutcome:
    """Do what is left of the grid, here or on a Ray cluster, and write its rows into its folder.

    workers: how many cells at once; None for one a device, 0 only writes the rows. Raises Refusal for a grid that
    cannot be done.
    """
    cells = grid.cells()
    doing.write_plan(root, grid, cells)
    elsewhere: list[GridCell] = []
    try:
        if ray is not None:
            cluster.work(root, cells, grid.threads, ray, on_end)
        elif workers != 0:
            elsewhere = doing.work(root, cells, grid.threads, doing.slots(cells, grid.threads, workers), on_end)
    finally:
        found = rows.rows(root, cells)
        rows.save(root, found)
    return GridOutcome(found, elsewhere)
