"""The effect of erasing, over concepts, methods and training seeds: what was forgotten and what was kept.

    python -m benchmarks.erase                                          # the default method, four concepts, three seeds
    python -m benchmarks.erase --methods balign rgd grad_diff esd --concepts cat

Every run is a folder under --out and is found by its config: a finished run is read, an interrupted one is continued.
All methods get the same data, seeds and sampling, and with `--set steps=100` the same number of steps. The seeds of one
concept and method are pooled image by image. Intervals are over prompts (BCa bootstrap), because images of one prompt
are not independent; the spread over training seeds stands beside them.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from balign.measure.intervals import Change, change
from balign.measure.report import GROUPS, Pair, RunReport
from balign.method.objectives import DEFAULT_METHOD
from balign.runs.config import RunConfig
from balign.runs.engine.execute import run
from balign.runs.folder import Run, list_runs


def finished(config: RunConfig, out: Path) -> RunReport:
    """The report of this config's run in `out`; the run is made or continued first if it has none."""
    known = next((known for known in list_runs(out) if known.config == config), None)
    folder = known or Run.create(config, out)
    if folder.report() is None:
        for _ in run(folder):
            pass
    report = folder.report()
    if report is None:
        last = folder.telemetry()[0][-1]
        raise SystemExit(f"The run {folder.path} did not finish: {getattr(last, 'message', '')}")
    return report


def shown(recognised: dict[str, bool], kinds: set[str]) -> float | None:
    """1 where the scorer recognised the label of the erased kind on an image, 0 where not, None where it has none."""
    seen = [right for kind, right in recognised.items() if kind in kinds]
    return float(all(seen)) if seen else None


def erased_kinds(images: Sequence[Pair], concept: str) -> set[str]:
    """The kinds (object, style, background) in which every erased image is labelled with the concept."""
    return {kind for kind in images[0].labels if all(image.labels.get(kind) == concept for image in images)}


def row(concept: str, reports: list[RunReport]) -> dict[str, Any]:
    """One line of the table from the runs of one concept and method."""
    kinds = erased_kinds(reports[0].groups["erased"].images, concept)
    line: dict[str, Any] = {"ua": [r.ua for r in reports], "seconds": [r.seconds for r in reports]}
    for name in GROUPS:
        images = [image for r in reports for image in r.groups[name].images]
        judged = [(i.prompt, shown(i.recognised_before, kinds), shown(i.recognised_after, kinds)) for i in images]
        judged = [(prompt, b, a) for prompt, b, a in judged if b is not None and a is not None]
        prompts, before, after = zip(*judged, strict=True) if judged else ((), (), ())
        line[name] = {
            "n": len(images),
            "before": sum(before) / len(before) if before else None,
            "after": sum(after) / len(after) if after else None,
            "accuracy": change(before, after, prompts),
            "alignment": change(
                [i.alignment_before for i in images], [i.alignment_after for i in images], [i.prompt for i in images]
            ),
        }
    line["violations"] = [
        sum(getattr(r.ledger, f"{side}_violations") for r in reports) / max(1, sum(r.ledger.steps for r in reports))
        for side in ("forget", "retain")
    ]
    return line


def between(value: Change, scale: float = 1.0, digits: int = 3) -> str:
    """A mean with its interval, as text."""
    if value.mean is None:
        return "none"
    if value.low is None or value.high is None:
        return f"{scale * value.mean:+.{digits}f}"
    return f"{scale * value.mean:+.{digits}f} [{scale * value.low:+.{digits}f}, {scale * value.high:+.{digits}f}]"


def printed(concept: str, method: str, line: dict[str, Any]) -> str:
    ua = line["ua"]
    cells = [concept, method, f"{100 * sum(ua) / len(ua):.0f} ({', '.join(f'{100 * v:.0f}' for v in ua)})"]
    cells.append(f"{100 * line['erased']['before']:.0f}")
    for name in ("kept", "neighbours"):
        group = line[name]
        cells.append(f"{100 * group['before']:.1f} → {100 * group['after']:.1f}")
        cells += [between(group["accuracy"], 100, 1), between(group["alignment"])]
    cells.append(" / ".join(f"{100 * share:.0f}" for share in line["violations"]))
    cells.append(f"{sum(line['seconds']) / len(line['seconds']):.0f}")
    return f"| {' | '.join(cells)} |"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--concepts", nargs="+", default=["cat", "pizza", "guitar", "flat"])
    options.add_argument("--methods", nargs="+", default=[DEFAULT_METHOD])
    options.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options.add_argument("--out", type=Path, default=Path("runs/benchmark"))
    options.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="settings other than the defaults")
    chosen = options.parse_args()
    settings = dict(pair.split("=", 1) for pair in chosen.set)
    heads = ["concept", "method", "UA % (by seed)", "shown before %"]
    for name in ("kept", "neighbours"):
        heads += [f"{name} %", "points [95 %]", "alignment [95 %]"]
    heads += ["steps that raise forget / retain loss %", "s"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for concept in chosen.concepts:
        for method in chosen.methods:
            values = {"erase": [concept], "method": method, **settings}
            configs = [RunConfig.parse(values | {"seed": seed}) for seed in chosen.seeds]
            line = row(concept, [finished(config, chosen.out) for config in configs])
            print(printed(concept, method, line), flush=True)


if __name__ == "__main__":
    main()
