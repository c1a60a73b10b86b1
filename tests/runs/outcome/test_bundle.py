"""One zip of a run: whole, checkable without balign, the same bytes for the same folder, and nothing private in it."""

import csv
import io
import json
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from balign import stored_zip
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.outcome import bundle

Fake = Callable[..., Run]
FORMULA = '=HYPERLINK("http://x")'


def unpacked(run: Run, folder: Path) -> Path:
    with zipfile.ZipFile(bundle.write(run, folder / "run.zip")) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_it_holds_what_a_reader_needs_as_it_was(fake: Fake, tmp_path: Path) -> None:
    run = fake(keep=["a dog"], seed=7)
    there = unpacked(run, tmp_path)
    for name in ("config.json", "report.json", "report.html", "telemetry.jsonl", "erased.safetensors"):
        assert (there / name).read_bytes() == (run.path / name).read_bytes()
    pictures = sorted(path.relative_to(run.path) for path in run.path.rglob("*.png"))
    pictures = [path for path in pictures if path.parts[0] != "drawn"]  # they are for who watches it
    assert sorted(path.relative_to(there) for path in there.rglob("*.png")) == pictures
    assert len(pictures) > 72
    assert len(rows(there / "metrics.csv")) == 36
    assert len(rows(there / "steps.csv")) == 6
    assert {row["use"] for row in rows(there / "prompts.csv")} == {"erased", "kept", "neighbours"}
    about = json.loads((there / "bundle.json").read_text())
    assert (about["run"], about["seed"], about["versions"]) == (run.id, 7, {"python": "3.11.0"})
    assert (there / "README.md").read_text().startswith("---\n")


def test_sha256sum_finds_every_file_good(fake: Fake, tmp_path: Path) -> None:
    there = unpacked(fake(), tmp_path)
    done = subprocess.run(["sha256sum", "-c", "--strict", "SHA256SUMS"], cwd=there, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": OK") == sum(path.is_file() for path in there.rglob("*")) - 1


def test_the_same_folder_gives_the_same_bytes(fake: Fake) -> None:
    run = fake()
    assert b"".join(bundle.stream(run)) == b"".join(bundle.stream(run))


def test_it_comes_in_pieces(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_zip, "PIECE", 1000)
    assert max(len(piece) for piece in bundle.stream(fake())) < 10_000


def test_nothing_private_is_in_it(fake: Fake, tmp_path: Path) -> None:
    run = fake()
    for name in ("log.txt", "label", "stop", "checkpoint.safetensors", "previews/secret.txt"):
        (run.path / name).write_text("private")
    (run.path / "images" / "after" / "9999.png").symlink_to("/etc/passwd")
    made = [{"prompt": "a cat", "seed": 1, "side": "forget", "file": "/home/somebody/.cache/x.npz"}]
    (run.path / "manifest.json").write_text(json.dumps({"model": "f", "images": made}))
    there = unpacked(run, tmp_path)
    assert not [path for path in there.rglob("*") if path.is_file() and b"private" in path.read_bytes()]
    assert not (there / "images/after/9999.png").exists()
    assert "somebody" not in (there / "prompts.csv").read_text()
    assert rows(there / "prompts.csv")[0] == {"use": "forget", "prompt": "a cat", "seed": "1", "sha256": ""}


@pytest.mark.parametrize("content", ["", "[]", '{"images": 7}', '{"images": [{"side": 1}]}', "[" * 100_000])
def test_an_unreadable_manifest_leaves_its_prompts_out(fake: Fake, tmp_path: Path, content: str) -> None:
    run = fake()
    (run.path / "manifest.json").write_text(content)
    assert len(rows(unpacked(run, tmp_path) / "prompts.csv")) == 36


def test_a_prompt_that_is_a_formula_is_text(fake: Fake, tmp_path: Path) -> None:
    run = fake()
    report = json.loads((run.path / "report.json").read_bytes())
    report["groups"]["erased"]["images"][0]["prompt"] = FORMULA
    (run.path / "report.json").write_text(json.dumps(report))
    there = unpacked(run, tmp_path)
    assert rows(there / "metrics.csv")[0]["prompt"] == f"'{FORMULA}"
    assert rows(there / "prompts.csv")[0]["prompt"] == f"'{FORMULA}"


@pytest.mark.parametrize("name", ["report.json", "erased.safetensors"])
def test_an_unfinished_run_is_a_sentence(fake: Fake, tmp_path: Path, name: str) -> None:
    run = fake()
    (run.path / name).unlink()
    with pytest.raises(Refusal, match="has no report or no weights yet"):
        bundle.write(run, tmp_path / "run.zip")
    assert list(tmp_path.glob("*.zip*")) + list(tmp_path.glob(".*.tmp")) == []


def test_a_report_that_cannot_be_read_is_a_sentence(fake: Fake) -> None:
    run = fake()
    (run.path / "report.json").write_text('{"groups": {"erased": 7}}')
    with pytest.raises(Refusal, match="The report is unreadable"):
        bundle.stream(run)


def test_no_file_is_written_over(fake: Fake, tmp_path: Path) -> None:
    out = tmp_path / "mine.zip"
    out.write_text("mine")
    with pytest.raises(Refusal, match="exists; name a file that does not"):
        bundle.write(fake(), out)
    assert out.read_text() == "mine"
