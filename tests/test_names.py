"""The names `balign` offers are there, are loaded when asked for, and stay few."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import balign
from balign import telemetry
from balign.run.config import RunConfig


@pytest.mark.parametrize("name", balign.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(balign, name) is not None


def test_they_are_a_dozen() -> None:
    assert len(balign.__all__) == len(set(balign.__all__)) == 12
    assert set(balign.__all__) <= set(dir(balign))


def test_a_name_is_the_thing_itself() -> None:
    assert balign.Step is telemetry.Step
    assert balign.RunConfig is RunConfig


def test_run_is_a_function_whatever_was_imported_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package balign.run has the function's name: both must work, in any order of imports."""
    execute = importlib.import_module("balign.run.execute")
    monkeypatch.setattr(execute, "run", lambda what: iter([what]))
    assert list(balign.run("config")) == ["config"]
    assert sys.modules["balign.run"] is balign.run
    assert balign.run.execute is execute


def test_an_unknown_name_is_named() -> None:
    with pytest.raises(AttributeError, match="module 'balign' has no attribute 'erase'"):
        balign.erase  # noqa: B018


def test_import_costs_nothing() -> None:
    code = "import sys, balign; assert not {'torch', 'diffusers', 'gradio', 'pydantic', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])
