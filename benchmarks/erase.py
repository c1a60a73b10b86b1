"""What erasing did, over concepts, methods and training seeds: forgotten, kept, and by how much.

    python -m benchmarks.erase                                          # the default method, four concepts, three seeds
    python -m benchmarks.erase --methods balign rgd grad_diff esd --concepts cat

Every run is a folder under --out and is found again by its config: what is already done there is read, not done again,
and what was interrupted goes on. All methods get the same data, seeds and sampling, and with `--set steps=100` the same
number of steps. The
three seeds of one concept and method are pooled image by image; intervals are over prompts (BCa bootstrap), because
pictures of one prompt are kin, and the spread over training seeds stands beside them.
"""

import argparse
from pathlib import Path
from typing import Any

from balign.measure.intervals import change
from balign.method.objectives import DEFAULT_METHOD
from balign.runs.config import RunConfig
from balign.runs.engine.execute import run
from balign.runs.folder import Run, list_runs

GROUPS = ("erased", "kept", "neighbours")


def finished(config: RunConfig, out: Path) -> dict[str, Any]:
    """The report of this config's run in `out`, made or finished first where it is not there yet."""
    known = next((found for found in list_runs(out) if found.config == config), None)
    folder = known or Run.create(config, out)
    if folder.report() is None:
        for _ in run(folder):
            pass
    report = folder.report()
    if report is None:
        last = folder.telemetry()[0][-1]
        raise SystemExit(f"The run {folder.path} did not finish: {getattr(last, 'message', '')}")
    return report


def shown(image: dict[str, Any], side: str, kinds: set[str]) -> float | None:
    """1 where the scorer recognised the label of the erased kind on this image, 0 where not, None where it has none."""
    seen = [right for kind, right in image[f"recognised_{side}"].items() if kind in kinds]
    return float(all(seen)) if seen else None


def erased_kinds(images: list[dict[str, Any]], concept: str) -> set[str]:
    """The kinds (object, style, background) in which every erased image is labelled with the concept."""
    return {kind for kind in images[0]["labels"] if all(image["labels"].get(kind) == concept for image in images)}


def row(concept: str, reports: list[dict[str, Any]]) -> dict[str, Any]:
    """One line of the table from the runs of one concept and method."""
    kinds = erased_kinds(reports[0]["groups"]["erased"]["images"], concept)
    line: dict[str, Any] = {"ua": [r["ua"] for r in reports], "seconds": [r["seconds"] for r in reports]}
    for name in GROUPS:
        images = [image for r in reports for image in r["groups"][name]["images"]]
        told = [(i, shown(i, "before", kinds), shown(i, "after", kinds)) for i in images]
        told = [(i, b, a) for i, b, a in told if b is not None and a is not None]
        line[name] = {
            "n": len(images),
            "before": sum(b for _, b, _ in told) / len(told) if told else None,
            "after": sum(a for _, _, a in told) / len(told) if told else None,
            "accuracy": change([b for _, b, _ in told], [a for _, _, a in told], [i["prompt"] for i, _, _ in told]),
            "alignment": change(
                [i["alignment_before"] for i in images],
                [i["alignment_after"] for i in images],
                [i["prompt"] for i in images],
            ),
        }
    line["violations"] = [
        sum(r["ledger"][f"{side}_violations"] for r in reports) / sum(r["ledger"]["steps"] for r in reports)
        for side in ("forget", "retain")
    ]
    return line


def between(found: Any, scale: float = 1.0, digits: int = 3) -> str:
    """A mean with its interval, as text."""
    if found.mean is None:
        return "none"
    if found.low is None:
        return f"{scale * found.mean:+.{digits}f}"
    return f"{scale * found.mean:+.{digits}f} [{scale * found.low:+.{digits}f}, {scale * found.high:+.{digits}f}]"


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
    asked = options.parse_args()
    settings = dict(pair.split("=", 1) for pair in asked.set)
    heads = ["concept", "method", "UA % (by seed)", "shown before %"]
    for name in ("kept", "neighbours"):
        heads += [f"{name} %", "points [95 %]", "alignment [95 %]"]
    heads += ["steps that raise forget / retain loss %", "s"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for concept in asked.concepts:
        for method in asked.methods:
            given = {"erase": [concept], "method": method, **settings}
            configs = [RunConfig.parse(given | {"seed": seed}) for seed in asked.seeds]
            line = row(concept, [finished(config, asked.out) for config in configs])
            print(printed(concept, method, line), flush=True)


if __name__ == "__main__":
    main()
