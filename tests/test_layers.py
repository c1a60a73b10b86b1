"""The plan of the house, read from the source: floors, tabs, names, and the things that exist only once."""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import get_args

import pytest

from balign.host import status

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "balign"
FLOORS = [
    [
        "telemetry",
        "atomic",
        "plain_file",
        "plain_text",
        "locks",
        "refusal",
        "machine",
        "markup",
        "stored_zip",
        "foreign_zip",
    ],
    ["models"],
    ["data"],
    ["method"],
    ["measure"],
    ["runs"],
    ["attack"],
    ["grid"],
    ["host"],
    ["cli", "terminal", "ui"],
    ["app", "__main__"],
]
HEIGHT = {name: height for height, names in enumerate(FLOORS) for name in names}
FILES = sorted([*PACKAGE.rglob("*.py"), ROOT / "app.py"])
LIGHT = {"torch", "diffusers", "transformers", "gradio", "open_clip", "accelerate"}
TABS = ("erase_tab", "try_tab", "runs_tab", "api")
TAG = re.compile(
    r"</?(a|abbr|article|aside|b|br|button|caption|code|dd|details|dialog|div|dl|dt|em|figcaption|figure|footer|form|h[1-6]"
    r"|head|header|html|i|img|input|label|li|link|main|meta|nav|ol|option|p|path|pre|script|section|select|small|span"
    r"|strong|style|sub|summary|sup|svg|table|tbody|td|template|textarea|th|thead|time|title|tr|u|ul)(\s[^<>]*)?/?>"
)


def floor(module: str) -> str:
    """The floor of a dotted name: `balign.models.base` is on `models`, `app` on `app`."""
    parts = module.split(".")
    return parts[0] if parts[0] == "app" else (parts[1] if len(parts) > 1 else "balign")


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imports(file: Path, outside_functions: bool = False) -> Iterator[str]:
    """Every module this file imports, absolute; those for the type checker alone are left out."""
    package = name_of(file) if file.name == "__init__.py" else name_of(file).rpartition(".")[0]
    pending: list[ast.AST] = [tree(file)]
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


MODULES = {name_of(file): file for file in FILES}


@cache
def modules_used(file: Path) -> frozenset[str]:
    """The modules of this project that a file imports, be it the module or a thing in it."""
    used = {name if name in MODULES else name.rpartition(".")[0] for name in imports(file)}
    return frozenset(name for name in used if name in MODULES and name != name_of(file))


# ----------------------------------------------------------------------------------------------------------------------
# Arrows


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_module_imports_only_from_its_own_floor_or_below(file: Path) -> None:
    here = floor(name_of(file))
    if here == "balign":  # balign/__init__.py names what every floor offers, and imports it when asked
        return
    for module in modules_used(file) - {"balign"}:
        there = floor(module)
        assert there in HEIGHT, f"{name_of(file)} imports {module}, which is on no floor"
        assert HEIGHT[there] <= HEIGHT[here], f"{name_of(file)} ({here}) imports {module} ({there})"
        beside = HEIGHT[there] == HEIGHT[here] and there != here
        assert not beside or here in ("cli", "ui", "app", "__main__") or there in FLOORS[0], f"{here} imports {there}"


def test_no_circle_of_modules() -> None:
    graph = {name: modules_used(file) - {"balign"} for name, file in MODULES.items() if name != "balign"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {error.args[1]}")


def test_no_tab_imports_another() -> None:
    for tab in TABS:
        others = [f"balign.ui.{other}" for other in TABS if other != tab]
        for file in (PACKAGE / "ui" / tab).glob("*.py"):
            crossed = [name for name in modules_used(file) if name.startswith(tuple(others))]
            assert not crossed, f"{name_of(file)} imports {crossed}"
    for file in (PACKAGE / "ui").glob("*.py"):
        used = [name for name in modules_used(file) if name.startswith(tuple(f"balign.ui.{tab}" for tab in TABS))]
        assert not used or file.name == "studio.py", f"only the composer knows the tabs; {name_of(file)} imports {used}"


def test_no_room_holds_more_than_a_quarter_of_the_lines() -> None:
    """A room is a folder; the largest floors hold no more than a quarter of the code either."""
    rooms, floors = Counter[str](), Counter[str]()
    for file in PACKAGE.rglob("*"):
        if file.suffix in (".py", ".html", ".css", ".js"):
            inner, count = file.relative_to(PACKAGE).parts[:-1], len(file.read_text(encoding="utf-8").splitlines())
            rooms["/".join(inner)] += count
            floors[inner[0] if inner else ""] += count * (file.suffix == ".py")
    for lines in (rooms, floors):
        room, most = lines.most_common(1)[0]
        assert most <= 0.25 * lines.total(), f"{room} holds {most} of {lines.total()} lines"


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("gradio", ("ui", "app")),
        ("diffusers", ("models",)),
        ("open_clip", ("measure",)),
        ("tyro", ("cli",)),
        ("jinja2", ("markup",)),
        ("fcntl", ("locks",)),
    ],
)
def test_a_library_is_imported_on_its_own_floor_only(library: str, homes: tuple[str, ...]) -> None:
    users = {name_of(file) for file in FILES if any(name.split(".")[0] == library for name in imports(file))}
    assert users, f"nothing imports {library}"
    assert {user for user in users if floor(user) not in homes} == set()


@pytest.mark.parametrize("file", [f for f in FILES if floor(name_of(f)) == "method"], ids=name_of)
def test_a_method_knows_no_model_family(file: Path) -> None:
    families = ("stable_diffusion", "diffusers", "transformers", "catalogue")
    assert [name for name in imports(file) if any(family in name.split(".") for family in families)] == []


def test_only_models_names_a_family() -> None:
    users = [name_of(file) for file in FILES if "StableDiffusion" in file.read_text("utf-8")]
    assert [user for user in users if floor(user) != "models"] == []


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
            file = MODULES.get(part)
            if file and part not in seen:
                seen.add(part)
                pending += imports(file, outside_functions=True)


def test_the_paper_in_one_file_without_torch() -> None:
    file = PACKAGE / "method" / "combiners.py"
    assert len(file.read_text("utf-8").splitlines()) < 170
    assert not {name.split(".")[0] for name in imports(file)} & LIGHT


# ----------------------------------------------------------------------------------------------------------------------
# Names


def test_no_module_shadows_the_standard_library() -> None:
    assert [name_of(file) for file in FILES if file.stem in sys.stdlib_module_names and file.stem != "__main__"] == []


def test_no_two_modules_share_a_name() -> None:
    folders = [path.name for path in PACKAGE.rglob("*") if (path / "__init__.py").is_file()]
    count = Counter([*folders, *(file.stem for file in FILES if not file.stem.startswith("__"))])
    assert [name for name, times in count.items() if times > 1] == []


def test_no_two_classes_share_a_name() -> None:
    found = [
        (node.name, name_of(file)) for file in FILES for node in ast.walk(tree(file)) if isinstance(node, ast.ClassDef)
    ]
    count = Counter(name for name, _ in found)
    assert [(name, place) for name, place in found if count[name] > 1] == []


# ----------------------------------------------------------------------------------------------------------------------
# What exists only once


def strings(file: Path) -> Iterator[str]:
    """Every string constant of a file but its docstrings."""
    docs = set()
    for node in ast.walk(tree(file)):
        body = getattr(node, "body", None)
        for child in body if isinstance(body, list) else ():
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                docs.add(id(child.value))
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


@pytest.mark.parametrize("file", [f for f in FILES if f.name != "charts.py"], ids=name_of)
def test_no_html_in_a_python_string(file: Path) -> None:
    assert [text[:80] for text in strings(file) if TAG.search(text)] == []


@pytest.mark.parametrize("file", [f for tab in TABS for f in (PACKAGE / "ui" / tab).glob("*.py")], ids=name_of)
def test_a_file_of_a_tab_has_gradio_or_a_template(file: Path) -> None:
    """What needs neither is no page and belongs to the host."""
    if file.name != "__init__.py":
        names = set(imports(file))
        shown = {"balign.markup.render.render", "balign.markup.render.macro", "balign.ui.page.notice"}
        assert "gradio" in names or names & shown


def uses(pattern: str) -> set[str]:
    """The modules whose source holds the pattern."""
    return {name_of(file) for file in FILES if re.search(pattern, file.read_text("utf-8"))}


@pytest.mark.parametrize(
    ("what", "pattern", "homes"),
    [
        ("an atomic write", r"os\.replace\(|\.partial\b(?!\()\"", {"balign.atomic"}),
        ("the verdict", r"no loss of alignment|too few prompts to say", {"balign.measure.intervals"}),
        (
            "a number format",
            r":\+?\.3f\}|\"\+?\.3f\"|:\.0f\}\\u00a0%|:\.0f\} %",
            {"balign.markup.formats", "balign.markup.charts", "balign.measure.intervals", "balign.runs.folder"},
        ),
        ("a duration", r"/ 3600", {"balign.markup.formats"}),
        ("parsing a report", r"RunReport\.parse|RunReport\.model_validate", {"balign.runs.folder", "balign.terminal"}),
        ("group titles", r"\"Neighbours\"", {"balign.measure.report"}),
    ],
)
def test_it_exists_once(what: str, pattern: str, homes: set[str]) -> None:
    assert uses(pattern) <= homes, f"{what} has a second copy"


def test_the_state_of_a_run_is_derived_in_one_module() -> None:
    """Its names are a Literal of one module, and no other turns facts into them."""
    states = set(get_args(status.State)) - {"new"}  # what a probe shows may be new, too
    for file in FILES:
        if name_of(file) == "balign.host.status":
            continue
        for node in ast.walk(tree(file)):
            values = [node.body, node.orelse] if isinstance(node, ast.IfExp) else []
            made = [v.value for v in values if isinstance(v, ast.Constant) and v.value in states]
            assert not made, f"{name_of(file)} derives a state: {ast.unparse(node)}"
