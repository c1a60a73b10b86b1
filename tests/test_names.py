"""The names `balign` offers are there, are loaded when asked for, and stay few."""

import subprocess
import sys
from pathlib import Path

import pytest

import balign
from balign import telemetry
from balign.runs.config import RunConfig


@pytest.mark.parametrize("name", balign.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(balign, name) is not None


def test_they_are_a_dozen() -> None:
    assert len(balign.__all__) == len(set(balign.__all__)) == 12
    assert set(balign.__all__) <= set(dir(balign))


def test_a_name_is_the_thing_itself() -> None:
    assert balign.Step is telemetry.Step
    assert balign.RunConfig is RunConfig


def test_run_is_the_function_that_does_a_run() -> None:
    from balign.runs.engine import execute

    assert balign.run is execute.run


def test_an_unknown_name_is_named() -> None:
    with pytest.raises(AttributeError, match="module 'balign' has no attribute 'erase'"):
        balign.erase  # noqa: B018


def test_import_costs_nothing() -> None:
    code = "import sys, balign; assert not {'torch', 'diffusers', 'gradio', 'pydantic', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])
