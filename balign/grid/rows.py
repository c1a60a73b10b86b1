"""What became of each cell, as one row: scores with intervals, attacks, time, memory, size, ledger."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from balign.atomic import write
from balign.grid.cells import attacked, done
from balign.grid.grid_file import GridCell
from balign.measure.recovery import ATTACKS
from balign.measure.report import Group
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.tryout.attack_store import AttackResult
from balign.runs.weights import ERASED
from balign.telemetry import PHASES, Phase, Record

ROWS, TABLE = "rows.jsonl", "rows.csv"
Row = dict[str, Any]


def rows(root: Path, cells: Sequence[GridCell]) -> list[Row]:
    """A row for each cell in their order; that of one which is not done says only where it stands."""
    return [_row(root, cell) for cell in cells]


def save(root: Path, found: Sequence[Row]) -> None:
    """Write them as json lines, and flat as csv."""
    write(root / ROWS, "".join(json.dumps(row) + "\n" for row in found))
    flat = [_flat(row) for row in found]
    text = io.StringIO()
    table = csv.DictWriter(text, list(dict.fromkeys(name for row in flat for name in row)))
    table.writeheader()
    table.writerows(flat)
    write(root / TABLE, text.getvalue())


def read(folder: Path) -> list[Row]:
    """The rows that were written into this folder. Raises OSError if there are none."""
    return [json.loads(line) for line in (folder / ROWS).read_text(encoding="utf-8").splitlines()]


def _row(root: Path, cell: GridCell) -> Row:
    path = root / cell.id
    run = Run(path.absolute()) if (path / "config.json").exists() else None
    try:
        report = run.report() if run else None
    except Refusal:  # unreadable: a row that says only where it stands
        report = None
    if run is None or report is None or not done(run, cell):
        return cell.place() | {"done": False}
    records = run.telemetry()[0]
    attack = attacked(run, cell.attack) if cell.attack else None
    return cell.place() | {
        "done": True,
        "eval_seeds": cell.config.eval_seeds,
        **{name: getattr(report, name) for name in ("ua", "ira", "cra", "steps", "memory_gb")},
        "groups": {name: _group(group) for name, _, group in report.named()},
        "seconds": {"run": report.seconds, **phase_seconds(records), "attack": attack.seconds if attack else 0.0},
        "stored": (path / ERASED).stat().st_size,
        "ledger": report.ledger._asdict(),
        "distances": {each.features: each.model_dump(exclude={"features"}) for each in report.distances},
        **_attacks(attack),
    }


def _group(group: Group) -> Row:
    """A group's scores; `error` is the standard error of its change over prompts, `redrawn` its deviation when the same
    prompts are drawn with other seeds."""
    change, pairs = group.alignment_change, group.images
    drawn: dict[str, list[float]] = {}
    for pair in pairs:
        if pair.alignment_before is not None and pair.alignment_after is not None:
            drawn.setdefault(pair.prompt, []).append(pair.alignment_after - pair.alignment_before)
    means = [sum(each) / len(each) for each in drawn.values()]
    seeds = min(map(len, drawn.values()), default=0)
    again = [sum(each[k] for each in drawn.values()) / len(drawn) for k in range(seeds)]
    return {
        "n": group.n,
        "prompts": group.prompts,
        "recognised_before": group.accuracy_before,
        "recognised": group.accuracy_after,
        "recognised_interval": group.accuracy_after_interval,
        "change": change.mean,
        "change_interval": None if change.low is None else (change.low, change.high),
        "p": change.p,
        "error": deviation(means) / len(means) ** 0.5 if len(means) > 1 else None,
        "redrawn": deviation(again) if len(again) > 1 else None,
    }


def deviation(values: Sequence[float]) -> float:
    """The sample's standard deviation; two values at least."""
    mean = sum(values) / len(values)
    return float((sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5)


def phase_seconds(records: Sequence[Record]) -> dict[str, float]:
    """The seconds of each phase, over all sessions."""
    spent, last = dict.fromkeys(PHASES[:-1], 0.0), None
    for record in records:
        if isinstance(record, Phase) and record.name in spent:
            same = last is not None and last.name == record.name and last.seconds <= record.seconds
            spent[record.name] += record.seconds - (last.seconds if same and last else 0.0)
            last = record
    return {name: round(seconds, 3) for name, seconds in spent.items()}


def _attacks(result: AttackResult | None) -> Row:
    """Each point of each attack: how many of how many pictures show the concept, of every model and by both judges."""
    if result is None:
        return {}
    points = []
    for attack in result.rows():
        subjects = list(dict.fromkeys(curve.subject for curve in attack.curves))
        for budget, found in zip(attack.budgets, attack.points(subjects), strict=True):
            shares: Row = {"attack": attack.title, "budget": budget}
            for subject, point in zip(subjects, found, strict=True):
                if point is not None:
                    shares |= {subject: point.share}
                    shares |= {f"{subject}_second": point.second_share} if point.second_share else {}
            points.append(shares)
    return {"moved": result.moved, "moved_share": result.moved_share, "verdict": result.verdict, "attacks": points}


def brought_back(row: Row, subject: str = "erased") -> dict[str, tuple[int, int]]:
    """For each attack, the most pictures that it brought back at any budget: so many of so many."""
    most: dict[str, tuple[int, int]] = {}
    for point in row.get("attacks", ()):
        if subject in point and point["attack"] != ATTACKS["name"].title:  # which is none
            shown, n = point[subject]
            title = str(point["attack"])
            if title not in most or shown / n > most[title][0] / most[title][1]:
                most[title] = (shown, n)
    return most


def _flat(row: Row) -> Row:
    """One level, without lists: nested names are joined; of each attack the highest share of every model."""
    flat: Row = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": each for inner, each in _flat(dict(value)).items()}
        elif name.endswith("_interval") and value is not None:
            flat |= {f"{name}.low": value[0], f"{name}.high": value[1]}
        elif name == "attacks":
            for subject in ("erased", "base", "control"):
                shares = brought_back(row, subject)
                flat |= {f"{title}.{subject}": shown / n for title, (shown, n) in shares.items()}
        else:
            flat[name] = value
    return flat
