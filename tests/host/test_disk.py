"""Uploaded files are kept in one place and deleted when they are old, whoever left them there."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from balign.host import disk, limits


def test_old_uploads_go_and_new_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: Callable[[float], None]
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    others = tmp_path / "uploads" / "somebody else's"
    old, new = disk.uploads() / "old", disk.uploads() / "new"
    for folder in (others, old, new):
        folder.mkdir(parents=True)
        (folder / "a.zip").write_bytes(b"x")
    new.rename(tmp_path / "new")
    disk.sweep_uploads()
    (tmp_path / "new").rename(new)
    later(limits.LIMITS.upload_seconds + 1)
    disk.sweep_uploads()
    assert (old.exists(), new.exists(), others.exists()) == (False, True, True)


@pytest.mark.parametrize("unset", [True, False])
def test_uploads_lie_beside_the_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unset: bool) -> None:
    """An empty variable is one that is not set, and never the folder that the server happens to be in."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    if unset:
        monkeypatch.delenv("GRADIO_TEMP_DIR")
    folder = disk.uploads()
    assert folder == tmp_path / "runs" / disk.UPLOADS
    assert disk.uploads() == folder
    assert os.environ["GRADIO_TEMP_DIR"] == str(folder), "gradio reads it there"
