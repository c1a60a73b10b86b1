"""The paper's Tables 1 and 3 for a model that draws classes, from the rows of grids over its classes.

    balign compare benchmarks/grids/classes.toml          # each class erased, the other nine kept
    balign compare benchmarks/grids/nearest.toml          # and with the two nearest classes alone to learn to keep
    python -m benchmarks.classes runs/classes             # Table 1, and every class by itself
    python -m benchmarks.classes runs/nearest             # Table 3

UA is the share of the erased class's pictures that the judge does not take for it, RA the share of the others' pictures
that it takes for what they are, FID the distance of these pictures to the base model's own from other seeds, on the
judge's features. The mean and the standard deviation are over classes, each the mean over its seeds. The base's own row
has its RA and the FID of two of its draws, the floor.
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from balign.grid import rows as stored
from balign.grid.rows import Row, deviation
from balign.markup.formats import NONE
from benchmarks.results import table

MEASURES = ("UA", "RA", "FID")
BASE = "base model"
NARROW = ", two nearest"
"""How the title of a class ends whose retain set is the two nearest classes."""


class ClassScores(NamedTuple):
    """What became of one class, by one method: means over seeds; None where nothing was counted."""

    method: str
    retain: str
    name: str
    values: tuple[float | None, ...]


def scores(rows: Iterable[Row]) -> list[ClassScores]:
    """Every class by every method and retain set, the base's own first."""
    cells: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if row["done"]:
            name, narrow = row["concept"].removesuffix(NARROW), row["concept"].endswith(NARROW)
            for method in (BASE, row["method"]):
                cells.setdefault((method, NARROW[2:] if narrow else "balanced", name), []).append(row)
    found = [ClassScores(*key, _means(each, key[0] == BASE)) for key, each in cells.items()]
    return sorted(found, key=lambda each: each.method != BASE)


def _means(rows: Sequence[Row], base: bool) -> tuple[float | None, ...]:
    def mean(measure: Callable[[Row], float | None]) -> float | None:
        known = [value for row in rows if (value := measure(row)) is not None]
        return fmean(known) if known else None

    if base:
        return (
            None,
            mean(lambda row: row["groups"]["kept"]["recognised_before"]),
            mean(lambda row: _fid(row, "fid_floor")),
        )
    return mean(lambda row: row["ua"]), mean(lambda row: row["groups"]["kept"]["recognised"]), mean(_fid)


def _fid(row: Row, name: str = "fid") -> float | None:
    """On the scorer's features, which come before those of Inception."""
    return next((float(each[name]) for each in row["distances"].values()), None)


def summary(found: Sequence[ClassScores]) -> str:
    """A line a method and retain set: mean and standard deviation over classes."""
    groups: dict[tuple[str, str], list[ClassScores]] = {}
    for each in found:
        groups.setdefault((each.method, each.retain), []).append(each)
    lines = [
        [method, retain, str(len(each)), *(_spread([one.values[k] for one in each]) for k in range(len(MEASURES)))]
        for (method, retain), each in groups.items()
    ]
    return table(("method", "retain set", "classes", *MEASURES), lines)


def by_class(found: Sequence[ClassScores]) -> str:
    """A line a class of each method and retain set."""
    lines = [[each.name, each.method, each.retain, *map(_number, each.values)] for each in found]
    return table(("class", "method", "retain set", *MEASURES), lines)


def _spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return NONE
    return _number(fmean(known)) + (f" \N{PLUS-MINUS SIGN} {_number(deviation(known))}" if len(known) > 1 else "")


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of grids")
    for folder in parser.parse_args().folders:
        found = scores(stored.read(folder))
        print(f"{folder.name}\n\n{summary(found)}\n{by_class(found)}")


if __name__ == "__main__":
    main()
