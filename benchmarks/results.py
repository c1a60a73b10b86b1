"""The page of results, made from the rows of finished grids.

    python -m benchmarks.results runs/GRID...    # take these grids' plan, rows and cost, then write the page
    python -m benchmarks.results                 # only the page, docs/results.md, from benchmarks/results/

`balign compare GRID.toml` makes a grid's folder. Nothing on the page is written by hand, but for a file `reading.md`
beside a grid's rows, which says in plain words what they show.
"""

import argparse
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from balign.grid import rows as stored
from balign.grid import summary
from balign.grid.cells import PLAN
from balign.grid.rows import Row
from balign.grid.summary import Difference, Line, PictureShare
from balign.markup.formats import NONE, counted, decimal, duration, gigabytes, p_value, percent, percents, signed
from balign.measure.intervals import Change

ROOT = Path(__file__).parents[1]
RESULTS, PAGE = ROOT / "benchmarks" / "results", ROOT / "docs" / "results.md"
READING = "reading.md"
HEAD = """# Results

Made by `python -m benchmarks.results` from the rows in [benchmarks/results](../benchmarks/results); how they came
about is said in [grid.md](grid.md). Shares count pictures, with their 95 % Wilson interval, which knows nothing of how
runs differ. Changes of alignment and differences between methods are means over cells (a cell is one run) with a 95 %
bootstrap interval over concepts, or over seeds where there is one concept. Differences are paired cell by cell; p is
that of a sign-flip test, corrected by Holm's method for all differences of the grid.
"""


def take(folder: Path, results: Path = RESULTS) -> Path:
    """Copy a grid's plan and rows to where results are kept, and what they cost; the folder they are in then."""
    plan = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    kept = results / plan["name"]
    kept.mkdir(parents=True, exist_ok=True)
    for name in (PLAN, stored.ROWS):
        shutil.copyfile(folder / name, kept / name)
    (kept / "cost.json").write_text(json.dumps(cost(stored.read(kept)), indent=1) + "\n", encoding="utf-8")
    return kept


def cost(rows: Iterable[Row]) -> dict[str, float]:
    """How many cells are done, and the seconds that their runs and attacks took."""
    done = [row for row in rows if row["done"]]
    seconds = {part: round(sum(row["seconds"][part] for row in done), 1) for part in ("run", "attack")}
    return {"cells": len(done), "run_seconds": seconds["run"], "attack_seconds": seconds["attack"]}


def page(results: Path = RESULTS) -> str:
    """The whole page, a section for each grid in this folder."""
    return "\n".join([HEAD, *(section(path.parent) for path in sorted(results.glob(f"*/{PLAN}")))])


def section(folder: Path) -> str:
    """One grid: what it was, and its tables."""
    plan, rows = json.loads((folder / PLAN).read_text(encoding="utf-8")), stored.read(folder)
    spent, lines = cost(rows), summary.lines(rows)
    reading = folder / READING
    parts = [
        f"## {plan['name']}\n",
        f"{_crossed(plan['cells'])}: {counted(len(rows), 'cell')}, of which {spent['cells']} are done "
        f"({duration(spent['run_seconds'])} of runs, {duration(spent['attack_seconds']) or 'none'} of attacks).\n",
        *([reading.read_text(encoding="utf-8")] if reading.is_file() else []),
    ]
    for model, variant in dict.fromkeys((line.model, line.variant) for line in lines):
        own = [line for line in lines if (line.model, line.variant) == (model, variant)]
        parts += [f"### {', '.join(filter(None, (model, variant)))}\n", _scores(own), _attacks(own), _spread(own)]
    parts.append(_differences(summary.differences(rows, plan["against"]), plan["against"]))
    return "\n".join(filter(None, parts))


def _crossed(cells: Sequence[dict[str, Any]]) -> str:
    counts = ((name, len({cell[name] for cell in cells})) for name in ("method", "model", "concept", "seed", "variant"))
    return " \N{MULTIPLICATION SIGN} ".join(
        counted(number, name) for name, number in counts if name != "variant" or number > 1
    )


def _scores(lines: Sequence[Line]) -> str:
    heads = ("method", "cells", "no longer recognised (UA)")
    heads += ("kept: recognised", "kept: alignment", "neighbours: recognised", "neighbours: alignment")
    heads += ("steps that raise the retain loss: predicted, measured", "seconds", "memory", "stored")
    return table(
        heads,
        [
            [
                line.method,
                str(len(line.rows)),
                _rate(line.unlearned),
                *(cell for group in summary.KEPT for cell in (_rate(line.recognised(group)), _change(line, group))),
                _rises(line),
                decimal(line.mean(summary.seconds), ",.1f"),
                gigabytes(line.mean(summary.memory_gb) or 0),
                f"{(line.mean(summary.stored) or 0) / 1e6:,.1f} MB",
            ]
            for line in lines
        ],
    )


def _rises(line: Line) -> str:
    """How many steps raised the retain loss, over all cells."""
    total = {name: sum(row["ledger"][name] for row in line.rows) for name in line.rows[0]["ledger"]}
    predicted = f"{total['retain_violations']:,} of {total['steps']:,}"
    return f"{predicted}, {total['retain_rises']:,} of {total['measured']:,}" if total["steps"] else NONE


def _attacks(lines: Sequence[Line]) -> str:
    """What each attack brought back at its best budget, from the erased model, the control and the base."""
    titles = list(dict.fromkeys(title for line in lines for title in line.attacks()))
    if not titles:
        return ""
    named = [(line.method, line.attacks()) for line in lines]
    named += [(f"*{subject}*", rates) for subject in ("control", "base") if (rates := _all(lines, subject))]
    rows = [[name, *(_rate(rates.get(title)) for title in titles)] for name, rates in named]
    return "Brought back, at the best budget of each attack:\n\n" + table(["method", *titles], rows)


def _all(lines: Sequence[Line], subject: str) -> dict[str, PictureShare]:
    """What the attacks brought back from the base or the controls, each counted once a concept and seed."""
    cells = {(row["concept"], row["seed"]): row for line in lines for row in line.rows}
    return Line("", "", "", tuple(cells.values())).attacks(subject)


def _spread(lines: Sequence[Line]) -> str:
    """How far apart runs are that differ in their seed alone, and how far pictures alone would put them."""
    rows = []
    for line in lines:
        spreads = [line.spread(group) for group in summary.KEPT]
        if any(each.seeds is not None for each in spreads):
            rows.append([line.method, *(decimal(value, ".4f") for each in spreads for value in each)])
    heads = ["method"]
    for group in summary.KEPT:
        heads += [f"{group}: between seeds", f"{group}: prompts alone", f"{group}: noise of the same prompts alone"]
    if not rows:
        return ""
    words = "Standard deviation of a run's change of alignment: between training seeds (each with test pictures of its "
    return f"{words}own), and as much of it as the test pictures explain:\n\n{table(heads, rows)}"


def _differences(found: Sequence[Difference], against: str) -> str:
    if not found:
        return ""
    rows = [
        [
            ", ".join(filter(None, (each.method, each.model, each.variant))),
            each.measure,
            f"{signed(each.change.mean)} {_between(each.change)}",
            str(each.change.n),
            p_value(each.change.p),
            p_value(each.p),
        ]
        for each in found
    ]
    heads = ("method", "measure", "difference, 95 %", "n", "p", "Holm")
    return f"### Against {against}\n\n{table(heads, rows)}"


def _rate(rate: PictureShare | None) -> str:
    return f"{percent(rate.rate)} ({percents(rate.low, rate.high)}; n {rate.n:,})" if rate else NONE


def _change(line: Line, group: str) -> str:
    change = line.alignment(group)
    return f"{decimal(change.mean, '+.4f')} {_between(change)}"


def _between(change: Change) -> str:
    return f"[{decimal(change.low, '+.4f')}, {decimal(change.high, '+.4f')}]" if change.low is not None else ""


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first column is words, the others are numbers."""
    lines = [heads, ["---", *["--:"] * (len(heads) - 1)], *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |\n" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, help="folders of finished grids")
    for folder in parser.parse_args().folders:
        take(folder)
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
