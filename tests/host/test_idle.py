"""How long something has not changed is counted by running time, kept over restarts, and never taken from a date."""

import time
from pathlib import Path

import pytest

from balign.host import idle as idle_times
from balign.host.idle import idle


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_time_counts_from_the_first_look_until_the_mark_changes(tmp_path: Path, clock: list[float]) -> None:
    file = tmp_path / "idle"
    assert idle(file, {"a": "1", "b": "1"}) == {"a": 0, "b": 0}
    clock[0] += 5
    assert idle(file, {"a": "1", "b": "2", "c": "1"}) == {"a": 5, "b": 0, "c": 0}
    clock[0] += 2
    assert idle(file, {"a": "1", "b": "2"}) == {"a": 7, "b": 2}
    assert idle(file, {"a": "1", "b": "2"}) == {"a": 7, "b": 2}, "a second server does not count the same time again"
    assert idle(file, {}) == {}
    clock[0] += 1
    assert idle(file, {"a": "1"}) == {"a": 0}, "it was away"


def test_another_boot_begins_with_what_was_counted(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "idle"
    idle(file, {"a": "1"})
    clock[0] += 50
    assert idle(file, {"a": "1"}) == {"a": 50}
    for boot, now in (("another", 3.0), ("yet another", 10.0**6)):  # the machine of that one has been up for a while
        monkeypatch.setattr(idle_times, "_boot", lambda boot=boot: boot)
        clock[0] = now
        assert idle(file, {"a": "1"}) == {"a": 50}
    clock[0] += 4
    assert idle(file, {"a": "1"}) == {"a": 54}


@pytest.mark.parametrize("text", ["", "[", "[" * 100_000, "7", '{"seconds": {"a": 1}}', '{"moment": 1e999}', "\x00"])
def test_a_file_that_was_tampered_with_begins_anew(tmp_path: Path, clock: list[float], text: str) -> None:
    file = tmp_path / "idle"
    file.write_text(text)
    assert idle(file, {"a": "1"}) == {"a": 0}
    clock[0] += 1
    assert idle(file, {"a": "1"}) == {"a": 1}


def test_names_that_are_no_text_are_counted_too(tmp_path: Path, clock: list[float]) -> None:
    for _ in range(2):
        seconds = idle(tmp_path / "idle", {"\udcff": "1"})
        clock[0] += 1
    assert seconds == {"\udcff": 1}


def test_a_disk_that_refuses_loses_no_time(tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "idle"
    idle(file, {"a": "1"})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(idle_times, "write", full)
        for spent in (3, 6):
            clock[0] += 3
            assert idle(file, {"a": "1"}) == {"a": spent}
    clock[0] += 3
    assert idle(file, {"a": "1"}) == {"a": 9}


def test_the_boot_has_a_name_that_outlives_the_server() -> None:
    idle_times._boot.cache_clear()
    assert idle_times._boot() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
