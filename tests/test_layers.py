"""The floors of the house: a module imports only from its own floor or from floors below."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = [
    ["telemetry", "atomic", "markup", "refusal"],
    ["models"],
    ["data"],
    ["method"],
    ["measure"],
    ["runs"],
    ["host"],
    ["cli", "terminal", "ui"],
]
HEIGHT = {name: height for height, names in enumerate([*FLOORS, ["app", "__main__"]]) for name in names}
FILES = sorted([*(ROOT / "balign").rglob("*.py"), *ROOT.glob("app.py")])
LIGHT = {"torch", "diffusers", "transformers", "gradio", "open_clip", "accelerate"}


def floor(module: str) -> str:
    """The floor of a dotted name: `balign.models.base` is on `models`, `app` on `app`."""
    parts = module.split(".")
    return parts[0] if parts[0] == "app" else (parts[1] if len(parts) > 1 else "balign")


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(file: Path, outside_functions: bool = False) -> Iterator[str]:
    """Every module this file imports, absolute; those for the type checker alone are left out."""
    package = name_of(file) if file.name == "__init__.py" else name_of(file).rpartition(".")[0]
    pending: list[ast.AST] = [ast.parse(file.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
        elif not (outside_functions and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            pending += ast.iter_child_nodes(node)


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_module_imports_only_from_its_own_floor_or_below(file: Path) -> None:
    here = floor(name_of(file))
    if here == "balign":  # balign/__init__.py names what every floor offers, and imports it when asked
        return
    for module in imports(file):
        if module.split(".")[0] not in ("balign", "app") or floor(module) in ("balign", "__version__"):
            continue
        there = floor(module)
        assert there in HEIGHT, f"{name_of(file)} imports {module}, which is on no floor"
        assert HEIGHT[there] <= HEIGHT[here], f"{name_of(file)} ({here}) imports {module} ({there})"


@pytest.mark.parametrize(
    ("library", "homes"),
    [("gradio", ("ui", "app")), ("diffusers", ("models",)), ("open_clip", ("measure",)), ("tyro", ("cli",))],
)
def test_a_library_is_imported_on_its_own_floor_only(library: str, homes: tuple[str, ...]) -> None:
    users = {name_of(file) for file in FILES if any(name.split(".")[0] == library for name in imports(file))}
    assert {user for user in users if floor(user) not in homes} == set()


@pytest.mark.parametrize("file", [f for f in FILES if floor(name_of(f)) == "method"], ids=name_of)
def test_a_method_knows_no_model_family(file: Path) -> None:
    families = ("stable_diffusion", "diffusers", "transformers", "catalogue")
    assert [name for name in imports(file) if any(family in name.split(".") for family in families)] == []


@pytest.mark.parametrize(
    "module",
    ["balign", "balign.telemetry", "balign.models.catalogue", "balign.runs.config", "balign.runs.folder", "balign.cli"],
)
def test_reading_a_run_imports_nothing_heavy(module: str) -> None:
    """Follows the imports at the head of each file; a subprocess per module would cost more than all of this."""
    seen: set[str] = set()
    pending = [module]
    while pending:
        name = pending.pop()
        assert name.split(".")[0] not in LIGHT, f"{module} leads to {name}"
        for part in (name, name.rpartition(".")[0]):  # `from package import name` may mean a module or a thing in one
            file = next((f for f in FILES if name_of(f) == part), None)
            if file and part not in seen:
                seen.add(part)
                pending += imports(file, outside_functions=True)
