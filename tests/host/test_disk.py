"""Uploaded files are kept in one place and deleted when they are old, whoever left them there."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from balign.data import latent_cache
from balign.host import disk, limits, rates, scheduler, visitors, waitlist
from balign.host.visitors import Visitor
from balign.refusal import Refusal
from balign.runs import run_folders
from balign.runs.config import RunConfig
from balign.runs.folder import Run, list_runs, runs_root
from tests.host.conftest import nest
from tests.powerless import powerless

WHERE = r"^Runs cannot be kept in /.*, where user \d+ may not write \(.*\); give the folder to user \d+, or set BALIGN_"


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


@pytest.mark.parametrize("kind", [latent_cache.LATENTS, latent_cache.ATTACKS])
def test_what_was_used_the_longest_ago_goes_where_there_is_too_much(
    kind: str, monkeypatch: pytest.MonkeyPatch, limit: Callable[..., None]
) -> None:
    folder = latent_cache.cache_folder() / kind / "0123456789abcdef"
    folder.mkdir(parents=True)
    files = [folder / f"{k}.npz" for k in range(6)]
    for k, file in enumerate(files):
        file.write_bytes(b"x" * 5_000)
        os.utime(file, (1_000 - k, 1_000 - k))
    (model := latent_cache.cache_folder() / "a model").write_bytes(b"x" * 100_000)
    latent_cache.used(files[5])
    each = files[0].stat().st_blocks * 512
    limit(cache_bytes=3 * each)
    disk.sweep_cache()
    assert all(file.exists() for file in files)  # on one's own machine nothing is ever removed
    monkeypatch.setenv("BALIGN_PUBLIC", "1")
    disk.sweep_cache()
    assert [file.exists() for file in files] == [True, True, False, False, False, True]
    assert model.exists()
    disk.sweep_cache()
    assert len(list(folder.iterdir())) == 3


def test_of_all_runs_only_those_that_changed_are_counted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_folders, "SETTLED", -10.0)
    runs = [Run.create(RunConfig.parse({"erase": ["cat"]})) for _ in range(4)]
    before, counted, size = disk.used(), [], disk.size

    def count(folder: Path) -> int:
        counted.append(folder)
        return size(folder)

    monkeypatch.setattr(disk, "size", count)
    (runs[1].path / "weights").write_bytes(b"x" * 1_000)
    assert disk.used() == before + 1_000 == sum(size(run.path) for run in runs)
    assert counted == [runs[1].path]
    runs[1].delete()
    assert disk.used() == sum(size(run.path) for run in runs[:1] + runs[2:])


def test_a_run_goes_on_only_where_there_is_room(
    public: None, new_run: Callable[..., Run], limit: Callable[..., None]
) -> None:
    run, visitor = new_run(), Visitor("a" * 43)
    visitors.sign(run, visitor)
    limit(free_bytes=10**18)
    with pytest.raises(Refusal, match="no room"):
        scheduler.resume(run, "run", visitor)
    assert waitlist.queue() == []
    assert not rates.RATE._seen, "a refused start is not counted"


def test_one_folder_stops_nobody_elses_run(
    public: None, new_run: Callable[..., Run], later: Callable[[float], None]
) -> None:
    """A file of holes takes no room, and folders in folders are counted and deleted however deep they are."""
    holes, nested, plain = (new_run() for _ in range(3))
    for run in (holes, nested, plain):
        visitors.sign(run, Visitor("b" * 43))
    (holes.path / "weights").touch()
    os.truncate(holes.path / "weights", 10**13)
    (nested.path / "previews").mkdir()
    nest(nested.path / "previews", 3_000)
    assert disk.used() < 1_000_000
    disk.check()
    disk.sweep([])
    later(3600 * limits.LIMITS.hours + 1)
    assert sorted(disk.sweep([])) == sorted(run.id for run in (holes, nested, plain))
    assert (list_runs(), list(holes.path.parent.glob(".*.deleted"))) == ([], [])


@pytest.mark.parametrize("what", ["file", "nowhere", "below a file", "shut", "shut parent"])
def test_a_root_that_takes_no_runs_is_a_sentence(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "other" / "runs"
    root.parent.mkdir()
    if what in ("file", "below a file"):
        root.touch()
    elif what == "nowhere":
        root.symlink_to("nowhere")
    elif what == "shut":
        root.mkdir(mode=0o500)
    else:
        root.parent.chmod(0o500)
    monkeypatch.setenv("BALIGN_RUNS", str(root / "x" if what == "below a file" else root))
    with powerless(), pytest.raises(Refusal, match=WHERE):
        disk.check_root()


def test_a_root_that_takes_runs_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALIGN_RUNS", str(tmp_path / "a" / "b"))
    disk.check_root()
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("runs", "mounted", "hub"):
        (tmp_path / name).mkdir(exist_ok=True, mode=0o700 if name == "runs" else 0o500)
    monkeypatch.setenv("BALIGN_CACHE", str(tmp_path / "mounted"))
    monkeypatch.setattr(disk, "hub_cache", lambda: tmp_path / "hub")
    with powerless():
        disk.check_root()
    said = [record.getMessage() for record in caplog.records]
    assert [words.partition(",")[0] for words in said] == [
        f"What base models draw cannot be kept in {tmp_path / 'mounted'}",
        f"Models from the hub cannot be kept in {tmp_path / 'hub'}",
    ]
    assert "set BALIGN_CACHE to" in said[0]
    assert "set HF_HOME to" in said[1]


def test_a_tilde_is_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, folder in (("BALIGN_RUNS", runs_root), ("BALIGN_CACHE", latent_cache.cache_folder)):
        monkeypatch.setenv(name, "~/kept")
        assert folder() == tmp_path / "kept"
    monkeypatch.setenv("GRADIO_TEMP_DIR", "~/uploads")
    assert disk.uploads() == tmp_path / "uploads" / disk.UPLOADS
    monkeypatch.setenv("BALIGN_RUNS", "~nobody-of-this-name/runs")
    with pytest.raises(Refusal, match="no home folder"):
        runs_root()


def test_the_cache_is_bounded_by_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = latent_cache.cache_folder() / latent_cache.LATENTS / "0123456789abcdef"
    latent_cache.note_model("0123456789abcdef" * 4, "owner/model")
    for k in range(4):
        (folder / f"{k}.npz").write_bytes(b"x" * 50_000)
    disk.sweep_cache()
    assert len(list(folder.glob("*.npz"))) == 4
    monkeypatch.setenv("BALIGN_CACHE_GB", "0.0001")
    disk.sweep_cache()
    assert len(list(folder.glob("*.npz"))) < 3
    assert (folder / latent_cache.MODEL).read_text() == "owner/model"
    for wrong in ("much", "-1", "nan", "1e9"):
        monkeypatch.setenv("BALIGN_CACHE_GB", wrong)
        with pytest.raises(Refusal, match="BALIGN_CACHE_GB is"):
            disk.check_root()
