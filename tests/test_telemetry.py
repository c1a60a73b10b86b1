"""Records become lines and lines become records, whatever happened to the file in between."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from balign import telemetry
from balign.telemetry import Conflict, Phase, Preview, Report, Step

STEP = Step(3, 0.1, 0.2, 1.0, 2.0, -0.5, True, 0.9, -1e-3, 0.0, None, -2e-4, 0.4)
RECORDS = [
    Phase("load", 0, 1, 0.0),
    STEP,
    Preview(3, "previews/0003.png", {"erased": 0.1, "kept": 0.3}),
    Report({"model": "emoji", "groups": {"erased": {"n": 4}}}),
    Conflict(10, {"down_blocks.0 to_k": -0.5}),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.kind)
def test_a_record_survives_the_round_trip(record: telemetry.Record) -> None:
    assert telemetry.from_dict(json.loads(json.dumps(record.to_dict()))) == record


def test_append_then_read_continues_where_it_stopped(tmp_path: Path) -> None:
    path, seen, offset = tmp_path / "telemetry.jsonl", [], 0
    for record in RECORDS:
        telemetry.append(path, record)
        new, offset = telemetry.read(path, offset)
        seen += new
    assert seen == RECORDS
    assert telemetry.read(path, offset) == ([], offset)
    assert telemetry.read(path)[0] == RECORDS


def test_no_file_holds_no_records(tmp_path: Path) -> None:
    assert telemetry.read(tmp_path / "none.jsonl") == ([], 0)


def test_a_torn_last_line_is_left_for_later(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl"
    telemetry.append(path, RECORDS[0])
    whole = path.stat().st_size
    line = json.dumps(STEP.to_dict())
    with path.open("a") as file:
        file.write(line[:20])
    assert telemetry.read(path) == ([RECORDS[0]], whole)
    with path.open("a") as file:
        file.write(line[20:] + "\n")
    assert telemetry.read(path, whole)[0] == [STEP]


def test_a_line_torn_by_a_crash_spoils_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl"
    telemetry.append(path, RECORDS[0])
    with path.open("a") as file:
        file.write('{"kind": "step", "ste')
    telemetry.append(path, STEP)
    assert telemetry.read(path)[0] == [RECORDS[0], STEP]


@pytest.mark.parametrize(
    "line", ["", "[]", "nonsense", '{"kind": "other"}', '{"kind": "step"}', '{"kind": []}', "\xff"]
)
def test_a_line_that_is_no_record_is_passed_over(tmp_path: Path, line: str) -> None:
    path = tmp_path / "telemetry.jsonl"
    path.write_bytes(line.encode("latin-1") + b"\n")
    telemetry.append(path, STEP)
    assert telemetry.read(path) == ([STEP], path.stat().st_size)


def test_every_cut_of_the_file_gives_a_prefix(tmp_path: Path) -> None:
    path, cut = tmp_path / "telemetry.jsonl", tmp_path / "cut.jsonl"
    for record in RECORDS:
        telemetry.append(path, record)
    data = path.read_bytes()
    for length in range(len(data) + 1):
        cut.write_bytes(data[:length])
        records, offset = telemetry.read(cut)
        assert records == RECORDS[: data[:length].count(b"\n")]
        assert offset == data[:length].rfind(b"\n") + 1


def test_a_file_begun_anew_is_read_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl"
    telemetry.append(path, STEP)
    assert telemetry.read(path, 10_000)[0] == [STEP]


def test_numbers_json_cannot_hold_become_null(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl"
    telemetry.append(path, Step(1, math.nan, math.inf, 1, 1, 0, False, 1, 0, 0, None, None, 0.1))
    telemetry.append(path, Preview(1, "p.png", {"erased": math.nan}))
    telemetry.append(path, Report({"deep": [{"value": -math.inf}]}))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0]["forget_loss"] is None
    assert lines[0]["retain_loss"] is None
    (step, preview, report), _ = telemetry.read(path)
    assert isinstance(step, Step)
    assert math.isnan(step.forget_loss)
    assert step.measured_forget_change is None
    assert isinstance(preview, Preview)
    assert math.isnan(preview.alignment["erased"])
    assert report == Report({"deep": [{"value": None}]})


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match="kind 'other' is not known; the kinds are phase, step, preview, report"):
        telemetry.from_dict({"kind": "other"})


def test_reading_a_run_needs_no_torch() -> None:
    code = "import sys, balign, balign.telemetry; assert not {'torch', 'diffusers', 'gradio'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


def test_what_cannot_be_read_holds_no_records(tmp_path: Path) -> None:
    folder = tmp_path / "telemetry.jsonl"
    folder.mkdir()
    assert telemetry.read(folder) == ([], 0)
    deep = tmp_path / "deep.jsonl"
    deep.write_bytes(b"[" * 100_000 + b"\n" + json.dumps(STEP.to_dict()).encode() + b"\n")
    assert telemetry.read(deep)[0] == [STEP]
