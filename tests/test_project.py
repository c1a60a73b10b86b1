"""The house rules that no linter knows: light imports, line lengths, documents that are true of the files they name."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "balign"
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "benchmarks").glob("*.md")]
WIDTH = 120


def test_reading_a_run_imports_no_torch() -> None:
    light = (
        "balign, balign.telemetry, balign.runs.config, balign.runs.folder, balign.runs.outcome.report_page, balign.cli"
    )
    heavy = "torch, diffusers, transformers, gradio"
    code = f"import sys, {light}; print([name for name in '{heavy}'.split(', ') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("suffix", ["py", "html", "css", "js"])
def test_no_line_is_longer_than_120(suffix: str) -> None:
    files = sorted(PACKAGE.rglob(f"*.{suffix}"))
    assert files
    long = [
        f"{path.relative_to(ROOT)}:{number} ({len(line)})"
        for path in files
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if len(line) > WIDTH
    ]
    assert long == []


def test_the_readme_is_short_and_names_both_commands() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert len(readme.splitlines()) <= 200
    assert "\npip install -r requirements.txt && python app.py\n" in readme
    assert "\npip install -r requirements.txt -r tests/requirements.txt && python -m pytest\n" in readme


def in_the_tree() -> Iterator[str]:
    """Every path that docs/tree.md names; a folder ends with a slash, and two spaces are one level."""
    block = (ROOT / "docs" / "tree.md").read_text("utf-8").split("```")[1]
    folders: list[str] = []
    for line in block.strip("\n").splitlines():
        name = line.split()[0]
        folders = folders[: (len(line) - len(line.lstrip())) // 2]
        yield "".join(folders) + name
        if name.endswith("/"):
            folders.append(name)


def test_the_tree_names_every_file_and_no_other() -> None:
    named = list(in_the_tree())
    assert len(named) == len(set(named))
    assert [path for path in named if not (ROOT / path).exists()] == []
    suffixes, silent = {".py", ".html", ".css", ".js", ".webp"}, {"__init__.py", "__main__.py"}
    files = {path for path in PACKAGE.rglob("*") if path.suffix in suffixes and path.name not in silent}
    assert sorted({path.relative_to(ROOT).as_posix() for path in files} - set(named)) == []


def anchors(document: Path) -> set[str]:
    """The anchors of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = document.parent / path if path else document
        assert there.exists(), f"{target} is not there"
        assert not anchor or anchor in anchors(there), f"{target} names no heading"


def test_every_file_of_the_package_goes_into_a_wheel() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    patterns = ["*.py", *project["tool"]["setuptools"]["package-data"]["*"]]
    files = {path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert [path.name for path in files if not any(fnmatch(path.name, pattern) for pattern in patterns)] == []


def test_files_named_by_the_documents_are_there() -> None:
    """Paths in backquotes that begin with a folder of this repository."""
    for document in DOCUMENTS:
        for name in re.findall(r"`((?:balign|assets|benchmarks|tests|docs)/[\w./-]+)`", document.read_text("utf-8")):
            assert (ROOT / name).exists(), f"{document.name} names {name}, which is not there"
