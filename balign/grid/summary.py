"""A grid's rows in a line a method: means with intervals over concepts and seeds, and against a named method.

Cells are clustered by concept, since two seeds of one concept are no two concepts; with one concept, each cell counts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from balign.grid.rows import Row, brought_back, deviation
from balign.measure.intervals import Change, change, wilson
from balign.measure.report import GroupName

Measure = Callable[[Row], float | None]
KEPT: tuple[GroupName, ...] = ("kept", "neighbours")


def _score(group: str, name: str) -> Measure:
    return lambda row: row["groups"].get(group, {}).get(name)


def _attack(title: str) -> Measure:
    def share(row: Row) -> float | None:
        shown, n = brought_back(row).get(title, (0, 0))
        return shown / n if n else None

    return share


def seconds(row: Row) -> float:
    """Of the run, without attacks."""
    return float(row["seconds"]["run"])


def memory_gb(row: Row) -> float:
    return float(row["memory_gb"])


def stored(row: Row) -> float:
    """Bytes of the changed weights."""
    return float(row["stored"])


UA = "erased, no longer recognised"
MEASURES: dict[str, Measure] = {
    UA: lambda row: row["ua"],
    **{f"{group}, recognised": _score(group, "recognised") for group in KEPT},
    **{f"{group}, alignment": _score(group, "change") for group in KEPT},
}
"""What methods are compared in, beside the attacks."""


def measures(rows: Sequence[Row]) -> dict[str, Measure]:
    """The measures of these rows: the scores, then what each attack brought back at its best."""
    titles = dict.fromkeys(title for row in rows for title in brought_back(row))
    return MEASURES | {title: _attack(title) for title in titles}


class PictureShare(NamedTuple):
    """So many of n pictures of all cells, with the 95 % Wilson interval."""

    rate: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Line:
    """All cells of a method on one model, in one variant."""

    method: str
    model: str
    variant: str
    rows: tuple[Row, ...]

    @property
    def unlearned(self) -> PictureShare | None:
        return _rate([(row["ua"], row["groups"]["erased"]["n"]) for row in self.rows if "erased" in row["groups"]])

    def recognised(self, group: str) -> PictureShare | None:
        known = [row["groups"][group] for row in self.rows if group in row["groups"]]
        return _rate([(each["recognised"], each["n"]) for each in known])

    def alignment(self, group: str) -> Change:
        """The mean change of alignment over the cells; of a single one, over its prompts."""
        if len(self.rows) == 1 and group in self.rows[0]["groups"]:
            only = self.rows[0]["groups"][group]
            low, high = only["change_interval"] or (None, None)
            return Change(only["change"], low, high, only["p"], only["prompts"])
        return paired(self.rows, None, _score(group, "change"))

    def attacks(self, subject: str = "erased") -> dict[str, PictureShare]:
        """What each attack brought back at its best budget, over all cells; of the erased model, control or base."""
        found: dict[str, list[tuple[int, int]]] = {}
        for row in self.rows:
            for title, share in brought_back(row, subject).items():
                found.setdefault(title, []).append(share)
        rates = {title: _rate([(shown / n, n) for shown, n in shares]) for title, shares in found.items()}
        return {title: rate for title, rate in rates.items() if rate}

    def mean(self, measure: Measure) -> float | None:
        known = [value for row in self.rows if (value := measure(row)) is not None]
        return sum(known) / len(known) if known else None

    def spread(self, group: str) -> "Spread":
        """How far apart the changes of alignment of its cells are."""
        by_concept: dict[str, list[float]] = {}
        for row in self.rows:
            if (value := _score(group, "change")(row)) is not None:
                by_concept.setdefault(row["concept"], []).append(value)
        several = [deviation(values) for values in by_concept.values() if len(values) > 1]
        errors, again = (
            [value for row in self.rows if (value := _score(group, name)(row)) is not None]
            for name in ("error", "redrawn")
        )
        return Spread(*map(_root_mean_square, (several, errors, again)))


class Spread(NamedTuple):
    """Standard deviations of a cell's change of alignment; None where nothing tells."""

    seeds: float | None
    """Between runs of one concept that differ in their seed, and so in training, test prompts and noise."""
    prompts: float | None
    """What the choice of test prompts explains of it: the standard error over prompts."""
    noise: float | None
    """What the noise explains that the same prompts are drawn from."""


class Difference(NamedTuple):
    """What a method changes against the named one in a measure, with Holm's p over all differences of the table."""

    measure: str
    method: str
    model: str
    variant: str
    change: Change
    p: float | None


def lines(rows: Sequence[Row]) -> list[Line]:
    """A line for each method, model and variant that has a cell that is done."""
    found: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        if row["done"]:
            found.setdefault((row["method"], row["model"], row["variant"]), []).append(row)
    return [Line(*key, rows=tuple(each)) for key, each in found.items()]


def differences(rows: Sequence[Row], against: str) -> list[Difference]:
    """Every other method's paired difference from the named one, cell by cell, in every measure."""
    grouped, found = lines(rows), []
    known = measures(rows)
    for line in grouped:
        first = [other for other in grouped if (other.method, *_where(other)) == (against, *_where(line))]
        if line.method == against or not first:
            continue
        for name, measure in known.items():
            moved = paired(line.rows, first[0].rows, measure)
            if moved.n:
                found.append((name, line, moved))
    adjusted = holm([moved.p for _, _, moved in found])
    return [
        Difference(name, line.method, line.model, line.variant, moved, p)
        for (name, line, moved), p in zip(found, adjusted, strict=True)
    ]


def paired(ours: Sequence[Row], theirs: Sequence[Row] | None, measure: Measure) -> Change:
    """The mean of a measure over cells, or of its difference from the same cells of another method, by concept."""
    base = None if theirs is None else {(row["concept"], row["seed"]): measure(row) for row in theirs}
    pairs = [(row, measure(row), 0.0 if base is None else base.get((row["concept"], row["seed"]))) for row in ours]
    known = [(row, after, before) for row, after, before in pairs if after is not None and before is not None]
    several = len({row["concept"] for row, _, _ in known}) > 1
    clusters = [row["concept"] if several else row["seed"] for row, _, _ in known]
    return change([before for _, _, before in known], [after for _, after, _ in known], clusters)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """The p-values corrected for their number (Holm 1979); None stays None and does not count."""
    order = sorted((p, k) for k, p in enumerate(values) if p is not None)
    adjusted: list[float | None] = [None] * len(values)
    highest = 0.0
    for place, (p, k) in enumerate(order):
        highest = max(highest, min(1.0, p * (len(order) - place)))
        adjusted[k] = highest
    return adjusted


def _where(line: Line) -> tuple[str, str]:
    return line.model, line.variant


def _rate(shares: Sequence[tuple[float | None, int]]) -> PictureShare | None:
    counted = [(share, n) for share, n in shares if share is not None and n]
    n = sum(each for _, each in counted)
    if not n:
        return None
    hits = round(sum(share * each for share, each in counted))
    return PictureShare(hits / n, *wilson(hits, n), n)


def _root_mean_square(values: Sequence[float]) -> float | None:
    return (sum(value**2 for value in values) / len(values)) ** 0.5 if values else None
