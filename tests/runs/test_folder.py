"""A run is a folder: found again, never outside its root, never half written."""

import errno
import json
import os
import subprocess
import sys

import pytest

from balign import telemetry
from balign.runs.config import RunConfig
from balign.runs.folder import Run, list_runs, runs_root, write_atomic

CONFIG = RunConfig.parse({"erase": ["../../etc"], "keep": ["a red ball"]})


def test_a_created_run_is_found_again(tmp_path):
    run = Run.create(CONFIG, tmp_path)
    assert Run.open(run.id, tmp_path).config == CONFIG
    assert Run.open(run.path, tmp_path) == run
    assert list_runs(tmp_path) == [run]
    assert run.status() == "new"
    assert run.report() is None
    assert run.telemetry() == ([], 0)


def test_names_are_secret_and_hold_no_visitor_text(tmp_path):
    runs = {Run.create(CONFIG, tmp_path).id for _ in range(5)}
    assert len(runs) == 5
    assert all("etc" not in name and len(name.split("-", 2)[2]) >= 16 for name in runs)


def test_the_root_is_an_environment_variable(tmp_path, monkeypatch):
    monkeypatch.setenv("BALIGN_RUNS", str(tmp_path / "elsewhere"))
    assert runs_root() == tmp_path / "elsewhere"
    run = Run.create(CONFIG)
    assert Run.open(run.id) == run


@pytest.mark.parametrize("name", ["..", ".", "", "../outside", "/etc", "a/b"])
def test_paths_outside_the_root_are_refused(tmp_path, name):
    root = tmp_path / "runs"
    Run.create(CONFIG, root)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "config.json").write_text(CONFIG.to_json())
    with pytest.raises(ValueError, match="is not a run"):
        Run.open(name, root)


def test_symbolic_links_are_refused(tmp_path):
    root = tmp_path / "runs"
    run = Run.create(CONFIG, root)
    other = Run.create(CONFIG, tmp_path / "others")
    (root / "link").symlink_to(other.path)
    with pytest.raises(ValueError, match="is not a run"):
        Run.open("link", root)
    assert list_runs(root) == [run]
    (run.path / "config.json").unlink()
    (run.path / "config.json").symlink_to(other.path / "config.json")
    with pytest.raises(ValueError, match=r"a folder with a config\.json"):
        Run.open(run.id, root)


def test_a_broken_config_is_one_sentence(tmp_path):
    run = Run.create(CONFIG, tmp_path)
    (run.path / "config.json").write_bytes(b"\xff{")
    with pytest.raises(ValueError, match="is not a valid config"):
        _ = Run.open(run.id, tmp_path).config


def test_status_follows_the_process_and_the_last_phase(tmp_path):
    run = Run.create(CONFIG, tmp_path)
    log = run.path / "telemetry.jsonl"
    run.claim()
    assert run.status() == "running"
    with pytest.raises(ValueError, match="already running"):
        Run.open(run.id, tmp_path).claim()
    with pytest.raises(ValueError, match="stop it before"):
        run.delete()
    run.release()
    for name, status in (("load", "stopped"), ("failed", "failed"), ("done", "done"), ("stopped", "stopped")):
        telemetry.append(log, telemetry.Phase(name=name, done=0, total=1, seconds=0.0))
        assert run.status() == status


def test_a_dead_process_leaves_no_claim(tmp_path):
    run = Run.create(CONFIG, tmp_path)
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    (run.path / "pid").write_text(f"{int(done.stdout)} 0.0")
    assert run.status() == "new"
    (run.path / "pid").write_text(f"{os.getpid()} 12345.0")  # the number was given to another process since
    assert not run.running()
    (run.path / "pid").write_text("half")
    run.claim()
    assert run.running()


def test_the_stop_flag_says_what_to_do_with_the_weights(tmp_path):
    run = Run.create(CONFIG, tmp_path)
    assert run.stop_requested() is None
    run.request_stop(keep=True)
    assert run.stop_requested() == "keep"
    run.request_stop(keep=False)
    assert run.stop_requested() == "discard"
    run.clear_stop()
    assert run.stop_requested() is None


def test_a_deleted_run_is_gone(tmp_path):
    run = Run.create(CONFIG, tmp_path)
    run.delete()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    write_atomic(path, json.dumps({"old": True}))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, json.dumps({"old": False}))
    assert json.loads(path.read_text()) == {"old": True}
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_can_be_named_and_keeps_its_id(tmp_path):
    run = Run.create(CONFIG, tmp_path)
    assert run.label == ""
    run.rename("  my \n first  run ")
    assert (run.label, Run.open(run.id, tmp_path).label) == ("my first run", "my first run")
    run.rename(" ")
    assert run.label == ""
    assert not (run.path / "label").exists()


@pytest.mark.parametrize("name", ["x" * 81, "a\x00b", "a\u202eb"])
def test_a_name_that_is_none_is_a_sentence(tmp_path, name):
    run = Run.create(CONFIG, tmp_path)
    with pytest.raises(ValueError, match="accepted"):
        run.rename(name)
    assert run.label == ""


def test_a_label_somebody_wrote_by_hand_is_read_as_a_name(tmp_path):
    run = Run.create(CONFIG, tmp_path)
    (run.path / "label").write_bytes(b"\xff" * 500 + b"\n\n")
    assert len(run.label) == 80
