"""A grid that nothing disturbed."""

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.grid.small_grid import compare, write_grid


class DoneGrid(NamedTuple):
    file: Path
    folder: Path
    """Of its cells."""


@pytest.fixture(scope="session")
def done_grid(tiny_model_path: str, tiny_scorer_path: str, tmp_path_factory: pytest.TempPathFactory) -> DoneGrid:
    root: Path = tmp_path_factory.mktemp("grid")
    file, folder = write_grid(root / "small.toml", tiny_model_path, tiny_scorer_path), root / "cells"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BALIGN_CACHE", str(root / "cache"))
        assert compare(file, folder) == 0
    return DoneGrid(file, folder)
