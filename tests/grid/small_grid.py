"""A grid of small runs, as a file."""

import json
from pathlib import Path
from typing import Any

from balign import cli
from balign.grid import rows
from balign.grid.rows import Row
from balign.runs.outcome import zip_check
from tests.runs.small import SMALL

UNTIMED = ("seconds", "memory_gb")


def write_grid(path: Path, model: str, scorer: str, **parts: Any) -> Path:
    """Two methods on two seeds, each rounded; `parts` are given as they stand in the file."""
    values = {
        "name": "small",
        "methods": ["balign", {"title": "the paper's", "method": "rgd"}],
        "models": [model],
        "concepts": ["cat"],
        "seeds": [0, 1],
        "settings": {name: value for name, value in SMALL.items() if name != "erase"} | {"scorer": scorer},
        "attack": {"attacks": ["rounding"], "pictures": 2},
    } | parts
    path.write_text("".join(f"{name} = {_toml(value)}\n" for name, value in values.items() if value is not None))
    return path


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(each)}" for name, each in value.items()) + "}"
    return f"[{', '.join(map(_toml, value))}]" if isinstance(value, list) else json.dumps(value)


def compare(grid: Path, out: Path, *options: str) -> int:
    return cli.main(["compare", str(grid), "--out", str(out), *options])


def outcome(folder: Path) -> tuple[list[Row], dict[str, str]]:
    """What a grid gave, without how long it took: its rows, and the hash of each cell's weights."""
    found = [{name: value for name, value in row.items() if name not in UNTIMED} for row in rows.read(folder)]
    return found, {path.parent.name: weights(path) for path in folder.glob("*/erased.safetensors")}


def weights(path: Path) -> str:
    """The hash of the tensors in a file of weights."""
    with path.open("rb") as file:
        return zip_check.digest(file)
