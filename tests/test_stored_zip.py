"""A zip that can be made from any byte on: whole, the same each time, and never whole with anything else in it."""

import io
import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from balign import stored_zip
from balign.refusal import Refusal
from balign.stored_zip import StoredZip

SUMS = "SHA256SUMS"


@pytest.fixture
def members(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path | bytes]]:
    """Texts and files, some longer than a piece and one empty."""
    monkeypatch.setattr(stored_zip, "PIECE", 1_000)
    members: list[tuple[str, Path | bytes]] = [("README.md", b"text" * 700), ("none.csv", b"")]
    for name, size in (("a.png", 10), ("empty.png", 0), ("weights", 4_321)):
        (tmp_path / name).write_bytes(os.urandom(size))
        members.append((name, tmp_path / name))
    return members


def made(zipped: StoredZip, start: int = 0, end: int | None = None) -> bytes:
    return b"".join(zipped.pieces(start, end))


def test_readers_of_zips_find_every_file_good(members: list[tuple[str, Path | bytes]], tmp_path: Path) -> None:
    zipped = StoredZip(members, SUMS)
    content = made(zipped)
    assert len(content) == zipped.size
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [*(name for name, _ in members), SUMS]
        archive.extractall(tmp_path / "there")
    subprocess.run(["sha256sum", "-c", "--strict", SUMS], cwd=tmp_path / "there", check=True)


def test_a_zip_of_more_than_a_plain_one_can_count_to(tmp_path: Path) -> None:
    large, small = tmp_path / "large", tmp_path / "small"
    with open(large, "wb") as file:
        file.truncate(2**32 + 5)
    small.write_bytes(b"small")
    zipped = StoredZip([("large", large), ("small", small)], SUMS)
    zipped._digests["large"] = stored_zip._Digest(b"", (0, 0, 0, 0))  # reading 4 GB of zeros would take a while
    zipped._digests["large"].go_on()
    where = tmp_path / "run.zip"
    with open(where, "wb") as file:
        first = made(zipped, 0, 100)
        file.write(first)
        file.seek(2**32)
        file.write(made(zipped, 2**32))
        assert file.tell() == zipped.size
    with zipfile.ZipFile(where) as archive:
        assert [(info.filename, info.file_size) for info in archive.infolist()][:2] == [
            ("large", 2**32 + 5),
            ("small", 5),
        ]
        assert archive.read("small") == b"small"


def test_any_stretch_is_that_of_the_whole(members: list[tuple[str, Path | bytes]]) -> None:
    whole = made(StoredZip(members, SUMS))
    assert whole == made(StoredZip(members, SUMS))
    for start in range(0, len(whole), 97):
        for end in (start, start + 1, start + 1_500, len(whole)):
            assert made(StoredZip(members, SUMS), start, min(end, len(whole))) == whole[start:end]


def test_the_tag_changes_with_whatever_changes_the_bytes(members: list[tuple[str, Path | bytes]]) -> None:
    tag = StoredZip(members, SUMS).tag
    assert tag == StoredZip(members, SUMS).tag
    weights = members[-1][1]
    assert isinstance(weights, Path)
    dates = weights.stat()
    with open(weights, "r+b") as file:  # as long, in place, and dated as before
        file.write(b"x")
    os.utime(weights, ns=(dates.st_atime_ns, dates.st_mtime_ns))
    assert tag != StoredZip(members, SUMS).tag
    assert StoredZip([("README.md", b"other"), *members[1:]], SUMS).tag != tag
    assert StoredZip(members[1:], SUMS).tag != tag


@pytest.mark.parametrize("change", ["truncated", "written", "replaced", "gone", "grown"])
def test_a_file_that_changes_meanwhile_ends_the_zip(members: list[tuple[str, Path | bytes]], change: str) -> None:
    weights = members[-1][1]
    assert isinstance(weights, Path)
    zipped = StoredZip(members, SUMS)
    pieces, sent = zipped.pieces(), 0
    while sent < zipped.size - 4_000:
        sent += len(next(pieces))
    if change in ("replaced", "gone"):
        weights.unlink()
    if change == "replaced":
        weights.write_bytes(b"y" * 4_321)
    if change in ("truncated", "written", "grown"):
        with open(weights, "r+b") as file:
            file.truncate(2_000) if change == "truncated" else file.seek(4_321 if change == "grown" else 0)
            file.write(b"z")
    with pytest.raises(Refusal, match="weights changed while the zip was made"):
        b"".join(pieces)


def test_no_file_stays_open_and_many_share_the_sums(
    members: list[tuple[str, Path | bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    once = stored_zip._read

    def counted(path: Path, stamp: stored_zip.Stamp, start: int, end: int) -> bytes:
        read.append(end - start)
        return once(path, stamp, start, end)

    monkeypatch.setattr(stored_zip, "_read", counted)
    before = len(os.listdir("/proc/self/fd"))
    several = [StoredZip(members, SUMS).pieces() for _ in range(10)]
    for _ in range(8):
        for pieces in several:
            next(pieces)
    assert len(os.listdir("/proc/self/fd")) == before
    for pieces in several:
        for _ in pieces:
            pass
    assert sum(read) == 11 * (4_321 + 10), "each sends the files, and their sums are computed once"
