"""A comparison as a table for a paper, csv or LaTeX; runs that differ only in the seed as mean and deviation."""

import csv
import io
import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from balign.markup.formats import MINUS, decimal
from balign.measure.report import TESTED
from balign.runs.outcome.comparison import ComparedRun, settings

RATES = ("ua", "ira", "cra")
CHANGES = tuple(f"{name} alignment change" for name in TESTED)
COLUMNS = (*RATES, *CHANGES, "seconds")
SPECIAL = {each: f"\\{each}" for each in "&%$#_{}"} | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


class SeedGroup(NamedTuple):
    """Runs that differ only in the seed: their name, numbers in the comparison, and mean and deviation a column."""

    name: str
    numbers: tuple[int, ...]
    seeds: tuple[int, ...]
    values: dict[str, tuple[float, float] | None]


def values(row: ComparedRun) -> dict[str, float | None]:
    """The numbers of a run, by column."""
    report = row.report
    if report is None:
        return dict.fromkeys(COLUMNS)
    changes = (report.groups[name].change.mean if name in report.groups else None for name in TESTED)
    rates = {rate: getattr(report, rate) for rate in RATES}
    return rates | dict(zip(CHANGES, changes, strict=True)) | {"seconds": report.seconds}


def by_seed(rows: Sequence[ComparedRun]) -> list[SeedGroup]:
    """The groups of two or more finished runs that differ only in the seed."""
    members: dict[tuple[tuple[str, str], ...], list[int]] = {}
    for k, row in enumerate(rows):
        if row.report is not None:
            same = tuple(sorted((name, value) for name, value in settings(row.run.config).items() if name != "seed"))
            members.setdefault(same, []).append(k)
    return [_group(rows, places) for places in members.values() if len(places) > 1]


def _group(rows: Sequence[ComparedRun], places: Sequence[int]) -> SeedGroup:
    known = [values(rows[k]) for k in places]
    columns: dict[str, tuple[float, float] | None] = {}
    for column in COLUMNS:
        found = [each for one in known if (each := one[column]) is not None]
        columns[column] = (statistics.fmean(found), statistics.stdev(found)) if len(found) > 1 else None
    first = rows[places[0]]
    name = f"{', '.join(concept.name for concept in first.run.config.erase)}, {first.method}"
    return SeedGroup(name, tuple(k + 1 for k in places), tuple(rows[k].run.config.seed for k in places), columns)


def as_csv(rows: Sequence[ComparedRun]) -> str:
    """A line a run, then a line for the mean and one for the deviation of each group of seeds."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("run", "name", "method", "seed", *COLUMNS))
    for row in rows:
        writer.writerow((row.run.id, _cell(row.name), row.method, row.run.config.seed, *values(row).values()))
    for group in by_seed(rows):
        for which, word in enumerate(("mean", "sd")):
            numbers = (pair[which] if pair else None for pair in group.values.values())
            seeds = " ".join(map(str, group.seeds))
            writer.writerow((word, _cell(group.name), rows[group.numbers[0] - 1].method, seeds, *numbers))
    return text.getvalue()


def _cell(text: str) -> str:
    """Text that a spreadsheet would take for a formula is quoted."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text


def as_latex(rows: Sequence[ComparedRun]) -> str:
    """A booktabs table: groups of seeds as mean and deviation, runs that are in none by themselves."""
    groups = by_seed(rows)
    grouped = {number for group in groups for number in group.numbers}
    lines = [(f"{group.name} ({len(group.seeds)} seeds)", [_pair(value) for value in group.values.values()])
             for group in groups]  # fmt: skip
    for k, row in enumerate(rows, 1):
        if k not in grouped:
            lines.append((f"{row.name}, {row.method}", [_number(value) for value in values(row).values()]))
    heads = ("run", *(column.upper() if column in RATES else column for column in COLUMNS))
    body = "".join(f"{' & '.join((_escaped(name), *cells))} \\\\\n" for name, cells in lines)
    return (
        f"\\begin{{tabular}}{{l{'r' * len(COLUMNS)}}}\n\\toprule\n{' & '.join(heads)} \\\\\n\\midrule\n"
        f"{body}\\bottomrule\n\\end{{tabular}}\n"
    )


def _number(value: float | None) -> str:
    return "--" if value is None or not math.isfinite(value) else f"${_tex(value)}$"


def _pair(value: tuple[float, float] | None) -> str:
    return "--" if value is None else f"${_tex(value[0])} \\pm {_tex(value[1])}$"


def _tex(value: float) -> str:
    return decimal(value).replace(MINUS, "-")


def _escaped(text: str) -> str:
    return "".join(SPECIAL.get(each, each) for each in text.replace("\\", " "))


def plus_minus(value: tuple[float, float] | None) -> str:
    """Mean and deviation as text."""
    return decimal(None) if value is None else f"{decimal(value[0])} \N{PLUS-MINUS SIGN} {decimal(value[1])}"
