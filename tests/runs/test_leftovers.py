"""What a kill leaves behind is removed, and nothing that somebody still works on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from balign.host import housekeeping, scheduler
from balign.runs import leftovers
from balign.runs.config import RunConfig
from balign.runs.engine import execute
from balign.runs.folder import Run, list_runs, runs_root
from balign.runs.tryout import store

CONFIG = RunConfig.parse({"erase": ["cat"]})
KILLED = """
import os, signal, sys
from pathlib import Path
from balign.runs.config import RunConfig
from balign.runs.folder import Run
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] == "delete":
    os.walk = die
    Run(Path(sys.argv[2])).delete()
Path.rename = die
Run.create(RunConfig.parse({"erase": ["cat"]}))
"""


def killed(*what: str) -> None:
    """A process that is killed while it creates or deletes a run."""
    assert subprocess.run([sys.executable, "-c", KILLED, *what], check=False).returncode == -signal.SIGKILL


def test_what_a_server_that_was_killed_leaves_goes_when_the_next_one_starts() -> None:
    stays, doomed = Run.create(CONFIG), Run.create(CONFIG)
    shut = doomed.path / "tries"
    shut.mkdir()
    (shut / "x").write_bytes(b"0" * 1000)
    shut.chmod(0o500)
    killed("delete", str(doomed.path))
    killed("create")
    assert len([name for name in os.listdir(runs_root()) if name.startswith(".2")]) == 2
    assert list_runs() == [stays]
    housekeeping.round_of(0)
    assert sorted(name for name in os.listdir(runs_root()) if not name.startswith(".balign")) == [".lock", stays.id]


def test_what_is_being_created_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def swept(path: Path, target: Path) -> Path:
        scheduler.sweep()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", swept)
    run = Run.create(CONFIG)
    assert Run.open(run.path).config == CONFIG
    with run.claim():
        pass


@pytest.mark.parametrize("name", [".lock", ".idle-runs.json", ".gradio", ".20260101.deleted.txt", "my.deleted", ".x"])
def test_nothing_else_in_the_root_is_touched(name: str) -> None:
    root = runs_root()
    root.mkdir(parents=True)
    path = root / name
    path.touch() if name in (".lock", ".20260101.deleted.txt") else (path / "a").mkdir(parents=True)
    (root / ".20260101-000000-abcdefgh.deleted").symlink_to(path)
    leftovers.clear_root(root)
    assert path.exists()
    assert (root / ".20260101-000000-abcdefgh.deleted").is_symlink()


def test_what_cannot_be_removed_holds_up_no_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError("not yours")

    (runs_root() / ".20260101-000000-abcdefgh.deleted").mkdir(parents=True)
    monkeypatch.setattr(leftovers, "remove_folder", refuse)
    scheduler.sweep()
    assert "not yours" in caplog.text


def half_written(run: Run) -> list[str]:
    """Put there what a killed trainer leaves, and a draft of a server; the names of what is to stay."""
    for name in (".checkpoint.safetensors.aabbccdd.tmp", ".erased.safetensors.aabbccdd.tmp", "tmpabcd1234/unchanged"):
        (run.path / name).parent.mkdir(exist_ok=True)
        (run.path / name).write_bytes(b"0" * 1000)
    stays = [".label.aabbccdd.tmp", ".stop.aabbccdd.tmp", "tmp-notes.txt", "erased.safetensors"]
    for name in stays:
        (run.path / name).touch()
    return stays


@pytest.mark.parametrize("verb", ["run", "evaluate"])
def test_a_trainer_removes_the_half_written_weights_of_a_killed_one(monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    run = Run.create(CONFIG)
    stays = half_written(run)
    monkeypatch.setattr(execute, "_all_phases", lambda _: iter(()))
    monkeypatch.setattr(execute, "_reevaluate", lambda *_: iter(()))
    assert list(getattr(execute, verb)(run)) == []
    assert sorted(os.listdir(run.path)) == sorted([".lock", "config.json", *stays])


def test_a_drawing_removes_them_too() -> None:
    run = Run.create(CONFIG)
    stays = half_written(run)
    (run.path / "exports").mkdir()
    (run.path / "exports" / ".strength-0.50.aabbccdd.tmp").mkdir()
    store.remove_drafts(run)
    assert sorted(os.listdir(run.path)) == sorted([".lock", "config.json", "exports", *stays])
    assert os.listdir(run.path / "exports") == []
