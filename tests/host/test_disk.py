"""Uploaded files are kept in one place and deleted when they are old, whoever left them there."""

import os
import time
from pathlib import Path

import pytest

from balign.host import disk, limits


def test_old_uploads_go_and_new_ones_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
    for name in ("old", "new"):
        (tmp_path / "uploads" / name).mkdir(parents=True)
        (tmp_path / "uploads" / name / "a.zip").write_bytes(b"x")
    long_ago = time.time() - limits.LIMITS.upload_seconds - 1
    os.utime(tmp_path / "uploads" / "old", (long_ago, long_ago))
    disk.sweep_uploads()
    assert [path.name for path in (tmp_path / "uploads").iterdir()] == ["new"]


def test_uploads_lie_beside_the_runs_and_are_no_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", "set, so that it is set back after this test")
    monkeypatch.delenv("GRADIO_TEMP_DIR")
    folder = disk.uploads()
    assert folder == tmp_path / "runs" / ".uploads"
    assert os.environ["GRADIO_TEMP_DIR"] == str(folder), "gradio reads it there"
