"""What the caches hold is listed by model and age, and cleared; other programs' files only when they are named."""

import os
import time
from pathlib import Path

import pytest

from balign.cli import main
from balign.data import cache_contents, latent_cache
from balign.data.latent_cache import ATTACKS, LATENTS
from balign.refusal import Refusal

DAY = 86_400.0


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Latents of two models, one of them old, a curve, and a repository in the hub's cache."""
    root = latent_cache.cache_folder()
    for name, model, age in (("a" * 16, "owner/old", 40), ("b" * 16, "emoji", 1)):
        latent_cache.note_model(name * 4, model)
        for k in range(3):
            file = root / LATENTS / name / f"{k}.npz"
            file.write_bytes(b"x" * 1_000_000)
            os.utime(file, (time.time() - age * DAY,) * 2)
    curve = root / ATTACKS / "made-from" / "curve.json"
    curve.parent.mkdir(parents=True)
    curve.write_text("{}")
    hub = tmp_path / "hub"
    commit = "0" * 40
    repo = hub / "models--owner--old"
    (repo / "blobs").mkdir(parents=True)
    (repo / "snapshots" / commit).mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(commit)
    (repo / "blobs" / "b").write_bytes(b"x" * 2_500_000)
    (repo / "snapshots" / commit / "model.safetensors").symlink_to("../../blobs/b")
    monkeypatch.setattr(cache_contents, "_scan", lambda: __import__("huggingface_hub").scan_cache_dir(hub))
    return repo


def listed(**asked: object) -> list[tuple[str, str]]:
    return [(entry.kind, entry.name) for entry in cache_contents.contents(**asked)]  # type: ignore[arg-type]


def test_they_are_listed_by_model_and_age(kept: Path) -> None:
    assert sorted(listed()) == [
        ("attacks", "all models"),
        ("hub", "owner/old"),
        ("latents", "emoji"),
        ("latents", "owner/old"),
    ]
    assert sorted(listed(model="owner/old")) == [("hub", "owner/old"), ("latents", "owner/old")]
    assert listed(model="b" * 16) == [("latents", "emoji")]
    assert listed(days=30) == [("latents", "owner/old")]
    with pytest.raises(Refusal, match="--older is -1"):
        listed(days=-1)


def test_the_command_shows_and_clears(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache"]) == 0
    said = capsys.readouterr().out
    assert "3.0 MB  pictures of base models, 3 files" in said
    assert "2.5 MB  files from the hub, 1 file" in said
    assert "at most 20.00 GB are kept" in said
    assert main(["cache", "--older", "30", "--clear"]) == 0
    assert "Deleted 3.0 MB" in capsys.readouterr().out
    assert ("latents", "owner/old") not in listed()
    assert main(["cache", "--clear"]) == 0
    assert listed() == [("hub", "owner/old")], "other programs may use it"
    assert main(["cache", "--model", "owner/old", "--clear"]) == 0
    assert listed() == []
    assert not kept.exists()


def test_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_contents, "_scan", lambda: None)
    assert listed() == []
    assert main(["cache", "--clear"]) == 0
