"""What a real terminal receives: no control character of a zip, a folder or an argument, whatever is printed."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from balign import cli
from balign.cli import run_commands
from balign.runs.config import RunConfig
from balign.runs.folder import Run
from balign.runs.outcome import bundle, reproduce
from balign.terminal import Terminal
from tests.host import fake_run
from tests.runs.outcome.test_reproduce import files, zipped

ROOT = Path(__file__).parents[1]
STEER = "\x1b[2J\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\x9b8m\u202e\r"
OURS = re.compile(rb"\x1b\[(\?25[lh]|[0-9;]*m|\d*[ABCDGK]|2K)")
"""Colours, the cursor, and clearing a line: what a progress bar needs."""


def printed(*arguments: str, runs: Path) -> tuple[int, bytes]:
    """The exit code of the command in a terminal of its own, and every byte it wrote there."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "BALIGN_RUNS": str(runs), "TERM": "xterm-256color"}
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; from balign.cli import main; sys.exit(main())", *arguments],
        stdin=theirs, stdout=theirs, stderr=theirs, env=environment, cwd=runs.parent, start_new_session=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        told = b""
        try:
            while piece := os.read(ours, 65_536):
                told += piece
        except OSError:  # the other end was closed
            pass
        os.close(ours)
    return process.returncode, told


def harmful(told: bytes) -> list[str]:
    """What in these bytes is neither text nor a sequence of ours."""
    text = OURS.sub(b"", told).replace(b"\r\n", b"\n").replace(b"\r", b"", told.count(b"\x1b[2K")).decode()
    return re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Run]:
    """``made()``: a finished run in whose files somebody wrote what steers a terminal."""
    monkeypatch.setenv("FAKE_PAUSE", "0")
    monkeypatch.setenv("FAKE_STEPS", "4")

    def make() -> Run:
        run = Run.create(RunConfig.parse({"erase": ["cat"]}))
        fake_run.main(str(run.path))
        (run.path / "label").write_text(f"name{STEER}name")
        report = json.loads((run.path / "report.json").read_text())
        report |= {"scorer": f"clip{STEER}clip", "reproduces": {"run": "x", "equal": True, "words": f"same{STEER}."}}
        (run.path / "report.json").write_text(json.dumps(report))
        return run

    return make


def test_a_folder_steers_no_terminal(made: Callable[[], Run], tmp_path: Path) -> None:
    first, second = made(), made()
    code, told = printed("compare", str(first.path), str(second.path), runs=tmp_path / "runs")
    assert (code, harmful(told)) == (0, [])
    assert b"\\x1b" in told
    code, told = printed("run", str(first.path), runs=tmp_path / "runs")
    assert (code, harmful(told)) == (0, [])
    assert b"clip\\x1b" in told


def test_an_argument_or_the_name_of_a_file_steers_no_terminal(tmp_path: Path) -> None:
    strange = tmp_path / f"zip{STEER}.zip"
    strange.write_bytes(b"x")
    for arguments in (
        ["reproduce", str(strange)], ["run", f"runs/{STEER}"], ["erase", "cat", f"--step{STEER}", "1"], [STEER],
        ["erase", STEER], ["erase", "cat", "--steps", STEER], ["erase", "cat", "--model", f"x{STEER}"],
    ):  # fmt: skip
        code, told = printed(*arguments, runs=tmp_path / "runs")
        assert (code, harmful(told)) == (2, [])
        assert b"contains control characters; plain text is accepted." in told


def test_a_zip_steers_no_terminal(made: Callable[[], Run], tmp_path: Path) -> None:
    content = files(made())
    for name, changes in (
        ("bundle.json", {"versions": {"python": STEER}}), ("bundle.json", {"format": STEER}),
        ("config.json", {STEER: 1}), ("config.json", {"model": STEER}), ("config.json", {"erase": [STEER]}),
    ):  # fmt: skip
        bad = content | {name: json.dumps(json.loads(content[name]) | changes).encode()}
        code, told = printed("reproduce", str(zipped(tmp_path / "bad.zip", bad)), runs=tmp_path / "none")
        assert (code, harmful(told), told.count(b"\n")) == (2, [], 1)


def test_the_sentence_at_the_end_of_a_reproduction_steers_no_terminal(
    made: Callable[[], Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, path = made(), bundle.write(made(), tmp_path / "run.zip")
    monkeypatch.setattr(reproduce, "begin", lambda read: run)
    monkeypatch.setattr(run_commands, "follow", lambda opened: 0)
    assert cli.main(["reproduce", str(path)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("same\\x1b[2J")
    assert harmful(told.encode()) == []


def test_a_failed_run_says_why_in_one_line_that_steers_no_terminal(tmp_path: Path) -> None:
    run = Run.create(RunConfig.parse({"erase": ["cat"]}), tmp_path / "runs")
    (run.path / "checkpoint.safetensors").write_bytes(b"x")
    code, told = printed("run", str(run.path), runs=tmp_path / "runs")
    assert (code, harmful(told)) == (2, [])
    assert f"{run.id}/checkpoint.safetensors is unreadable" in told.decode()
    assert str(tmp_path) not in run.telemetry()[0][-1].message  # type: ignore[union-attr]


def test_colours_of_ours_are_colours_and_those_of_others_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(force_terminal=True, color_system="standard").print(
        f"a{STEER}b", style="bold", markup=False, highlight=False
    )
    told = capsys.readouterr().out
    assert told.startswith("\x1b[1ma\\x1b[2J")
    assert harmful(told.encode()) == []
