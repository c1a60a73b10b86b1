"""What was read is kept until one of its files changes, and only so much of it."""

import os
from collections.abc import Callable

import pytest

from balign.runs.config import RunConfig
from balign.runs.file_cache import until_changed
from balign.runs.folder import Run

CONFIG = RunConfig.parse({"erase": ["cat"]})


@pytest.fixture
def counted() -> tuple[list[str], Callable[..., str]]:
    """A reader of a run's label, and the list of what it read."""
    reads: list[str] = []

    @until_changed("label", most=2)
    def label(run: Run, suffix: str = "") -> str:
        reads.append(run.id)
        return run.label + suffix

    return reads, label


def test_a_file_is_read_again_only_when_it_changed(counted: tuple[list[str], Callable[..., str]]) -> None:
    reads, label = counted
    run = Run.create(CONFIG)
    assert [label(run), label(run), label(Run(run.path))] == ["", "", ""]
    run.rename("first")
    assert [label(run), label(run)] == ["first", "first"]
    date = (run.path / "label").stat().st_mtime_ns
    run.rename("other")  # as long, and at the same date: only the inode differs
    os.utime(run.path / "label", ns=(date, date))
    assert label(run) == "other"
    run.rename("")
    assert label(run) == ""
    assert len(reads) == 4


def test_other_arguments_are_another_value(counted: tuple[list[str], Callable[..., str]]) -> None:
    reads, label = counted
    run = Run.create(CONFIG)
    assert [label(run, "!"), label(run, "?"), label(run, "!")] == ["!", "?", "!"]
    assert len(reads) == 2


def test_only_so_many_values_are_kept(counted: tuple[list[str], Callable[..., str]]) -> None:
    reads, label = counted
    one, two, three = (Run.create(CONFIG) for _ in range(3))
    for run in (one, two, one, three, one, two):
        label(run)
    assert reads == [one.id, two.id, three.id, two.id]


def test_several_runs_are_one_value() -> None:
    reads = []

    @until_changed("label", most=2)
    def labels(runs: tuple[Run, ...]) -> list[str]:
        reads.append(len(runs))
        return [run.label for run in runs]

    pair = (Run.create(CONFIG), Run.create(CONFIG))
    assert labels(pair) == labels(pair) == ["", ""]
    pair[1].rename("second")
    assert labels(pair) == ["", "second"]
    assert reads == [2, 2]
