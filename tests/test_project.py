"""The house rules: floors, who may import what, what is light to import, and a README that says what is there."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "balign").rglob("*.py"))
PUBLIC = ROOT / "balign" / "__init__.py"  # holds the public names, which come from every floor
FLOORS = ["telemetry", "models", "data", "method", "measure", "run", "top"]
TOP = {"cli", "progress", "ui", "__main__"}
HOMES = {"gradio": ("ui",), "diffusers": ("models",)}


def floor_of(module: str) -> int | None:
    """The floor of a module of balign; None for `balign` itself and for modules of others."""
    parts = module.split(".")
    if parts[0] != "balign" or len(parts) == 1:
        return None
    return FLOORS.index("top" if parts[1] in TOP else parts[1])


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it, by its absolute name."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            name = ".".join([*above, *filter(None, [node.module])])
            yield from (f"{name}.{alias.name}" if name == "balign" else name for alias in node.names)


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if path != PUBLIC], ids=lambda path: str(path.relative_to(ROOT))
)
def test_imports_only_from_own_and_lower_floors(path: Path) -> None:
    relative = path.relative_to(ROOT).with_suffix("")
    own = floor_of(".".join(relative.parts))
    assert own is not None
    above = [name for name in imports(path) if (floor_of(name) or 0) > own]
    assert not above, f"{relative} imports from a floor above its own: {', '.join(above)}"


@pytest.mark.parametrize("library", HOMES)
def test_a_library_stays_on_its_floor(library: str) -> None:
    users = {
        path.relative_to(ROOT / "balign") for path in SOURCES if library in {n.split(".")[0] for n in imports(path)}
    }
    assert users, f"nothing in balign imports {library}"
    assert not [user for user in users if user.parts[0] not in HOMES[library]]


def test_reading_a_run_imports_no_torch() -> None:
    light = (
        "balign, balign.telemetry, balign.runs.config, balign.runs.folder, balign.runs.outcome.report_page, balign.cli"
    )
    heavy = "torch, diffusers, transformers, gradio"
    code = f"import sys, {light}; print([name for name in '{heavy}'.split(', ') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_readme_tree_names_every_file() -> None:
    tree = (ROOT / "README.md").read_text("utf-8").split("## The tree")[1].split("```")[1]
    named = set(re.findall(r"[\w.]+\.(?:py|css|js)\b", tree))
    there = {path.name for path in (ROOT / "balign").rglob("*") if path.suffix in {".py", ".css", ".js"}}
    assert named - {"app.py"} == there - {"__init__.py", "__main__.py"}
