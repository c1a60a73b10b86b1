"""A run is a folder: found again, never outside its root, never half written."""

import contextlib
import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from balign import telemetry
from balign.atomic import write
from balign.refusal import Refusal
from balign.runs.claims import RunProcess
from balign.runs.config import RunConfig
from balign.runs.folder import TAILS, Run, find, list_runs, runs_root
from balign.runs.run_folders import RUN_ID

CONFIG = RunConfig.parse({"erase": ["../../etc"], "keep": ["a red ball"]})


def test_a_created_run_is_found_again(tmp_path):
    run = Run.create(CONFIG, tmp_path)
    assert Run.open(run.id, tmp_path).config == CONFIG
    assert Run.open(run.path, tmp_path) == run
    assert list_runs(tmp_path) == [run]
    assert run.last_phase() is None
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
    with pytest.raises(ValueError, match="is a symbolic link"):
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


def test_a_claimed_run_is_claimed_once_and_not_deleted(tmp_path):
    run = Run.create(CONFIG, tmp_path)
    with run.claim():
        assert run.running()
        with pytest.raises(Refusal, match="already running"), Run.open(run.id, tmp_path).claim():
            pass
        with pytest.raises(Refusal, match="stop it before"):
            run.delete()
        assert run.running()
    assert not run.running()
    assert not (run.path / "pid").exists()


@pytest.mark.parametrize("padding", [0, TAILS[0], *(k * TAILS[-1] for k in (1, 3))])
def test_the_last_phase_is_found_at_the_end(tmp_path, padding):
    run = Run.create(CONFIG, tmp_path)
    log = run.path / "telemetry.jsonl"
    telemetry.append(log, telemetry.Phase("load", 0, 1, 0.0, "x" * padding))
    telemetry.append(log, telemetry.Phase("done", 1, 1, 0.0))
    telemetry.append(log, telemetry.Report({}))
    assert run.last_phase() == telemetry.Phase("done", 1, 1, 0.0)


CLAIMER = """
import sys, time
from pathlib import Path
from balign.refusal import Refusal
from balign.runs.folder import Run
print("ready", flush=True)
for line in sys.stdin:
    moment, path = line.split()
    time.sleep(max(0.0, float(moment) - time.time()))
    try:
        with Run(Path(path)).claim():
            print("entered", flush=True)
            input()
    except Refusal:
        pass
    print("out", flush=True)
"""
ROUNDS = 500


class Claimer:
    """Another process that claims runs at given moments."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", CLAIMER]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.answer() == "ready"

    def ask(self, line: str = "") -> None:
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        return self.process.stdout.readline().strip()


@pytest.fixture
def claimers():
    with contextlib.ExitStack() as stack:
        pair = [Claimer(), Claimer()]
        for claimer in pair:
            stack.enter_context(claimer.process)
            stack.callback(claimer.process.kill)
        yield pair


def test_two_processes_that_claim_at_once_never_both_enter(tmp_path, claimers):
    run = Run.create(CONFIG, tmp_path)
    winners = [0, 0]
    for _ in range(ROUNDS):
        moment = time.time() + 0.002
        for claimer in claimers:
            claimer.ask(f"{moment} {run.path}")
        answers = [claimer.answer() for claimer in claimers]
        assert sorted(answers) == ["entered", "out"]
        winner = answers.index("entered")
        winners[winner] += 1
        claimers[winner].ask()
        assert claimers[winner].answer() == "out"
    print(f"{ROUNDS} rounds, exactly one of two entered in each: {winners[0]} times the first, {winners[1]} the second")
    assert sum(winners) == ROUNDS
    assert min(winners) > 0  # they really met


def test_a_run_is_either_deleted_or_claimed(tmp_path, claimers):
    deleted = 0
    for _ in range(60):
        run, moment = Run.create(CONFIG, tmp_path), time.time() + 0.002
        claimers[0].ask(f"{moment} {run.path}")
        time.sleep(max(0.0, moment - time.time()))
        try:
            run.delete()
            gone = True
        except Refusal:
            gone = False
        entered = claimers[0].answer() == "entered"
        assert not (gone and entered)
        assert run.path.exists() is not gone
        deleted += gone
        if entered:
            claimers[0].ask()
            assert claimers[0].answer() == "out"
    print(f"{deleted} of 60 runs were deleted, no claimed one among them")


def test_the_claim_of_a_killed_process_is_free(tmp_path, claimers):
    run = Run.create(CONFIG, tmp_path)
    claimers[0].ask(f"0 {run.path}")
    assert claimers[0].answer() == "entered"
    assert run.running()
    with pytest.raises(Refusal, match="already running"), run.claim():
        pass
    claimers[0].process.kill()
    claimers[0].process.wait()
    assert not run.running()
    with run.claim():
        assert run.running()


def test_a_deleted_run_is_not_claimed_and_stays_gone(tmp_path):
    run = Run.create(CONFIG, tmp_path)
    run.delete()
    with pytest.raises(Refusal, match="not here any more"), run.claim():
        pass
    late = Run.create(CONFIG, tmp_path)
    (late.path / "config.json").unlink()  # as if it is deleted just after this process has opened the lock
    with pytest.raises(Refusal, match="not here any more"), late.claim():
        pass
    late.path.rename(tmp_path / "elsewhere")
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]


def test_a_process_of_an_older_balign_is_respected(tmp_path):
    run = Run.create(CONFIG, tmp_path)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        (run.path / "pid").write_text(f"{process.pid} {psutil.Process(process.pid).create_time():.3f}")
        assert run.running()
        with pytest.raises(Refusal, match="already running"), run.claim():
            pass
        process.communicate(b"\n")
    with run.claim():
        pass


def test_a_run_is_found_by_its_id_and_by_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("BALIGN_RUNS", str(tmp_path))
    run = Run.create(CONFIG, tmp_path)
    assert find(run.id) == run
    assert find(str(run.path)) is None
    assert find(run.id[:-1]) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "/etc",
        "a/b",
        "x" * 500,
        "a\x00bcdefgh",
        None,
        7,
        ["a"],
        {"run": 1},
        "%2e%2e%2f",
        "nobodyhere",
    ],
)
def test_what_is_not_an_id_finds_nothing(name):
    assert find(name) is None


def test_a_dead_process_leaves_no_claim(tmp_path):
    run = Run.create(CONFIG, tmp_path)
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    (run.path / "pid").write_text(f"{int(done.stdout)} 0.0")
    assert not run.running()
    (run.path / "pid").write_text(f"{os.getpid()} 12345.0")  # the number was given to another process since
    assert not run.running()
    (run.path / "pid").write_text("half")
    with run.claim():
        assert run.running()


def test_the_stop_flag_says_how_far_a_stop_has_come(tmp_path):
    run = Run.create(CONFIG, tmp_path)
    assert run.stop_requested() is None
    run.request_stop()
    assert run.stop_requested() == "asked"
    run.begin_last_comparison()
    assert run.stop_requested() == "comparing"
    run.request_stop(now=True)
    assert run.stop_requested() == "now"
    for older in ("keep", "discard", "", "\x00"):
        (run.path / "stop").write_text(older)
        assert run.stop_requested() == "asked"
    run.clear_stop()
    assert run.stop_requested() is None


def test_a_deleted_run_is_gone(tmp_path):
    run = Run.create(CONFIG, tmp_path)
    run.delete()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    write(path, json.dumps({"old": True}))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write(path, json.dumps({"old": False}))
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


def test_a_folder_that_may_not_be_entered_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.create(CONFIG, tmp_path)
    shut = Run.create(CONFIG, tmp_path)
    look = os.stat

    def stat(path: str | Path, **how: object) -> os.stat_result:
        if Path(path).parent == shut.path:
            raise PermissionError(13, "Permission denied")
        return look(path, **how)

    monkeypatch.setattr(os, "stat", stat)
    assert list_runs(tmp_path) == [run]


@pytest.mark.parametrize("hours", [0, -1, -48, 24 * 365 * 60])
def test_the_newest_run_is_first_whatever_the_clock_says(tmp_path, monkeypatch, hours):
    """Several in one moment, after the clock was set, and beside names of local time that are ahead of it."""
    ahead = time.strftime("%Y%m%d-%H%M%S", time.gmtime(time.time() + 14 * 3600))
    runs = [Run.create(CONFIG, tmp_path)]
    for name in (f"{ahead}-older-balign-here", "20251231-235959-older-balign-here", "zebra-of-my-own"):
        runs[0].path.with_name(name).mkdir()
    moment = time.time_ns() + hours * 3600 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: moment)
    runs += [Run.create(CONFIG, tmp_path) for _ in range(20)]
    assert list_runs(tmp_path) == runs[::-1]
    assert runs[1].id > ahead
    assert all(RUN_ID.fullmatch(run.id) and Run.open(run.id, tmp_path) == run for run in runs)


def test_names_are_in_utc(tmp_path, monkeypatch):
    """An hour at the end of summer time does not come twice."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    monkeypatch.setattr(time, "time_ns", lambda: 1_792_889_999_000_000_000)  # 2026-10-25, 00:59:59 UTC
    try:
        assert Run.create(CONFIG, tmp_path).id.startswith("20261025-005959000000-")
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_process_is_known_by_its_lock_and_not_by_its_number(tmp_path):
    """In another container its number is somebody else's, or nobody's."""
    run = Run.create(CONFIG, tmp_path)
    with run.claim():
        words = (run.path / "pid").read_text().split()
        for pid in ("1", "0", "-5", str(2**40), "x"):
            (run.path / "pid").write_text(" ".join([pid, *words[1:]]))
            assert run.running()
            RunProcess.read(run.path / "pid").kill()  # nobody of this number here has the note open
            with pytest.raises(Refusal, match="already running"), Run(run.path).claim():
                pass
    copy = Run.create(CONFIG, tmp_path)
    (copy.path / "pid").write_text(" ".join(words))  # the number of a living process, and no lock
    assert not copy.running()


@pytest.mark.parametrize("seconds", [-1e9, -10, 10, 1e9])
def test_a_step_of_the_clock_ends_no_claim(tmp_path, monkeypatch, claimers, seconds):
    run = Run.create(CONFIG, tmp_path)
    claimers[0].ask(f"0 {run.path}")
    assert claimers[0].answer() == "entered"
    began, now = psutil.Process.create_time, time.time
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: began(process) + seconds)
    monkeypatch.setattr(time, "time", lambda: now() + seconds)
    os.utime(run.path / "pid", (0, 0))
    assert run.running()
    with pytest.raises(Refusal, match="already running"), run.claim():
        pass


def test_a_claim_that_ends_names_nobody_although_a_fork_lives_on(tmp_path):
    run = Run.create(CONFIG, tmp_path)
    with run.claim():
        child = os.fork()
        if not child:
            time.sleep(60)
            os._exit(0)
    try:
        assert not run.running()
        with run.claim():
            pass
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)


def test_a_folder_inside_that_may_not_be_entered_is_deleted_with_its_run(tmp_path):
    run = Run.create(CONFIG, tmp_path)
    (run.path / "images" / "before").mkdir(parents=True)
    (run.path / "images" / "before" / "0.png").touch()
    (run.path / "images").chmod(0)
    run.delete()
    assert list(tmp_path.iterdir()) == []
