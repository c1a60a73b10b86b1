"""Attacks that visitors ask for: bounded, charged like a long drawing, and never with a path on a public instance."""

from collections.abc import Callable
from pathlib import Path

import pytest

from balign.host import attacking, limits, processes, visitors
from balign.host.visitors import NOBODY, Visitor
from balign.models import catalogue
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.tryout.attack_store import QUICK, AttackRequest

ANN = Visitor("a" * 43)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The commands that were started, in place of their processes."""
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr(processes, "start", lambda run, *command, drawing: commands.append(command))
    return commands


def asked(**changes: object) -> AttackRequest:
    return AttackRequest.parse(**(QUICK.model_dump() | changes))


def test_the_command_says_all_that_was_asked_for(finished: Run, started: list[tuple[str, ...]]) -> None:
    folder = catalogue.MODELS / "emoji"
    attacking.begin(finished, asked(tokens=(1, 4), control=str(folder), concept="cat", seed=3), NOBODY)
    (command,) = started
    assert command[:7] == ("attack", "--attacks", "rounding", "inversion", "--tokens", "1", "4")
    assert set(command[7:]) == {
        f"--steps={QUICK.steps}", f"--pictures={QUICK.pictures}", "--seed=3", "--concept=cat", f"--control={folder}",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"attacks": ()}, "choose at least one"),
        ({"concept": "cow"}, "'cow' was not erased in this run; it erased cat"),
        ({"control": "no such folder"}, "There is no model 'no such folder'"),
    ],
)
def test_what_makes_no_sense_starts_nothing(
    finished: Run, started: list[tuple[str, ...]], changes: dict[str, object], words: str
) -> None:
    with pytest.raises(Refusal, match=words):
        attacking.begin(finished, asked(**changes), NOBODY)
    assert started == []


@pytest.mark.usefixtures("public")
def test_a_public_instance_has_bounds_and_takes_no_path(
    finished: Run, started: list[tuple[str, ...]], tmp_path: Path
) -> None:
    visitors.sign(finished, ANN)
    for changes, words in (
        ({"pictures": 25}, "25 pictures at a point were asked for; this shared instance does at most 24"),
        ({"steps": 251}, "251 steps of textual inversion"),
        ({"tokens": (1, 2, 3, 4)}, "4 numbers of tokens"),
        ({"control": str(tmp_path)}, "is not offered here"),
        ({"control": "../models"}, "is not offered here"),
        ({"judge": "other"}, "A second judge, 'other', was named"),
    ):
        with pytest.raises(Refusal, match=words):
            attacking.begin(finished, asked(**changes), ANN)
    assert started == []
    attacking.begin(finished, asked(control="emoji"), ANN)
    assert len(started) == 1


@pytest.mark.usefixtures("public")
def test_it_counts_like_many_drawings(
    finished: Run, started: list[tuple[str, ...]], limit: Callable[..., None]
) -> None:
    limit(drawings=2 * limits.LIMITS.attack_drawings + 1)
    for _ in range(2):
        attacking.begin(finished, QUICK, ANN)
    with pytest.raises(Refusal, match="21 drawings may be begun, of which this is 10, from here within an hour"):
        attacking.begin(finished, QUICK, ANN)
    assert len(started) == 2
