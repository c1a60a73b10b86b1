"""The folders of runs: looked into again when something in them changed, and only then."""

import os
from pathlib import Path

import pytest

from balign.host import processes, waitlist
from balign.runs import run_folders
from balign.runs.config import RunConfig
from balign.runs.folder import Run, list_runs, runs_root

CONFIG = RunConfig.parse({"erase": ["cat"]})


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk tells every change at once."""
    monkeypatch.setattr(run_folders, "SETTLED", -10.0)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every file of a run that is looked for from now on."""
    seen: list[str] = []
    for name in ("open", "read_bytes", "read_text", "is_file"):
        known = getattr(Path, name)

        def look(path: Path, *args: object, known: object = known, **options: object) -> object:
            seen.append(path.name)
            return known(path, *args, **options)  # type: ignore[operator]

        monkeypatch.setattr(Path, name, look)
    return seen


@pytest.mark.usefixtures("settled")
def test_a_folder_that_did_not_change_is_not_looked_into_again(looks: list[str]) -> None:
    runs = [Run.create(CONFIG) for _ in range(5)]
    assert (waitlist.queue(), processes.working()) == ([], [])
    looks.clear()
    assert (waitlist.queue(), processes.working(), len(list_runs())) == ([], [], 5)
    assert looks == []
    waitlist.join(runs[2])
    with runs[3].claim():
        assert (waitlist.queue(), processes.working()) == ([runs[2]], [runs[3]])
    waitlist.leave(runs[2])
    assert (waitlist.queue(), processes.working()) == ([], [])


@pytest.mark.usefixtures("settled")
def test_what_others_put_into_a_folder_or_take_away_is_seen() -> None:
    first, second = Run.create(CONFIG), Run.create(CONFIG)
    assert waitlist.queue() == []
    (second.path / "queued").write_text('[7, "run"]')
    assert waitlist.queue() == [second]
    second.delete()
    assert (waitlist.queue(), list_runs()) == ([], [first])
    (first.path / "config.json").unlink()
    assert list_runs() == []
    (first.path / "config.json").write_text(CONFIG.to_json())
    assert list_runs() == [first]


def test_a_folder_of_a_moment_ago_is_looked_into_again() -> None:
    """Its date may not tell the next change: disks count in steps."""
    run = Run.create(CONFIG)
    dates = run.path.stat()
    assert waitlist.queue() == []
    (run.path / "queued").write_text('[7, "run"]')
    os.utime(run.path, ns=(dates.st_atime_ns, dates.st_mtime_ns))
    assert waitlist.queue() == [run]


@pytest.mark.usefixtures("settled")
def test_a_folder_without_a_config_is_looked_into_once(monkeypatch: pytest.MonkeyPatch) -> None:
    other = runs_root() / "20260101-000000-no-config-yet"
    other.mkdir(parents=True)
    assert list_runs() == []
    looked, look = [], run_folders.is_file
    monkeypatch.setattr(run_folders, "is_file", lambda path: (looked.append(path), look(path))[1])
    assert (list_runs(), looked) == ([], [])
    (other / "config.json").write_text(CONFIG.to_json())
    assert (list_runs(), len(looked)) == ([Run(other.absolute())], 1)


@pytest.mark.parametrize("name", [b"20260101-000000-a\nb", b"20260101-000000-\xff\xfe", b"short", b"20260101 000000 a"])
def test_a_folder_that_no_run_can_be_called_is_neither_listed_nor_started(name: bytes) -> None:
    run = Run.create(CONFIG)
    waitlist.join(run)
    run.path.rename(run.path.parent / os.fsdecode(name))
    assert (list_runs(), waitlist.queue()) == ([], [])


def test_a_moment_of_no_calendar_dates_no_later_run() -> None:
    root = runs_root()
    (root / "29999999-999999999999-abcdefgh").mkdir(parents=True)
    (root / "20999999-999999-abcdefgh").mkdir()
    assert int(Run.create(CONFIG).id[:4]) < 2100 - 1
