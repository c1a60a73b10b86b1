"""The blind vote: sheets tell nothing of their side, every ballot counts once, votes are kept."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from balign.measure.report import GroupName, Pair
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.tryout import ballots

Fake = Callable[..., Run]


def facts(run: Run, ballot: ballots.Ballot) -> dict[str, str]:
    return dict(json.loads((run.path / "votes" / ballot.id / "ballot.json").read_text()))


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.array(picture.convert("RGB"))


def pairs_of(run: Run, group: GroupName) -> tuple[Pair, ...]:
    report = run.report()
    assert report is not None
    return report.groups[group].images


def test_the_order_is_random_and_is_in_no_name(fake: Fake) -> None:
    run = fake()
    orders = set()
    for _ in range(30):
        ballot = ballots.new(run, "less")
        hidden = facts(run, ballot)
        assert {hidden["a"], hidden["b"]} == {"before", "after"}
        orders.add(hidden["a"])
        for word in ("before", "after"):
            assert word not in str(ballot)
            assert word not in ballot.sheet("a")
    assert orders == {"before", "after"}


def test_a_sheet_holds_the_pictures_of_its_side(fake: Fake) -> None:
    run = fake()
    ballot = ballots.new(run, "less")
    hidden = facts(run, ballot)
    pairs = pairs_of(run, "erased")
    names = {side: [pixels(run.path / getattr(pair, side)) for pair in pairs] for side in ballots.SIDES}
    for name in ballots.SHEETS:
        first = pixels(run.path / ballot.sheet(name))[:64, :64]
        assert any((first == picture).all() for picture in names[hidden[name]])
        other = "after" if hidden[name] == "before" else "before"
        assert not any((first == picture).all() for picture in names[other])
    assert ballot.pictures == ballots.MOST_PICTURES


def test_both_questions_come_and_ask_of_their_own_pictures(fake: Fake) -> None:
    run = fake()
    assert {ballots.new(run).question for _ in range(40)} == set(ballots.QUESTIONS)
    kept = [pixels(run.path / pair.before) for pair in pairs_of(run, "kept")]
    ballot = ballots.new(run, "better")
    side = next(name for name in ballots.SHEETS if facts(run, ballot)[name] == "before")
    assert any((pixels(run.path / ballot.sheet(side))[:64, :64] == picture).all() for picture in kept)


def test_a_vote_counts_for_the_side_that_was_hidden(fake: Fake) -> None:
    run = fake()
    for choice in (*ballots.CHOICES, "a"):
        ballot = ballots.new(run, "less")
        hidden = facts(run, ballot).get(choice, "same")
        before = ballots.tally(run)["less"][hidden]
        assert ballots.cast(run, ballot.id, choice) == hidden
        assert ballots.tally(run)["less"][hidden] == before + 1
        assert not (run.path / "votes" / ballot.id).exists()
    lines = (run.path / ballots.VOTES).read_text().splitlines()
    assert lines[0] == "time,question,a,b,choice,chosen,pictures"
    assert len(lines) == 5
    for row in ballots.votes(run):
        assert row["chosen"] == row.get(row["choice"], "same")


def test_a_ballot_counts_once_even_when_pressed_twice_at_once(fake: Fake) -> None:
    run = fake()
    ballot = ballots.new(run)

    def press(_: int) -> str:
        try:
            return ballots.cast(run, ballot.id, "a")
        except Refusal as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(press, range(8)))
    assert sum("used before" in answer for answer in answers) == 7
    assert len(ballots.votes(run)) == 1


@pytest.mark.parametrize("ballot", [None, "", "../..", 7, "x" * 32, "0" * 32, "votes.csv"])
def test_what_is_no_ballot_is_a_sentence(fake: Fake, ballot: object) -> None:
    run = fake()
    with pytest.raises(Refusal, match=r"take a new one\.$"):
        ballots.cast(run, ballot, "a")
    assert ballots.votes(run) == []


@pytest.mark.parametrize("choice", [None, "", "before", "c", ["a"], {}])
def test_what_is_no_choice_is_a_sentence_and_leaves_the_ballot(fake: Fake, choice: object) -> None:
    run = fake()
    ballot = ballots.new(run)
    with pytest.raises(Refusal, match="is not one of a, b, same"):
        ballots.cast(run, ballot.id, choice)
    assert ballots.cast(run, ballot.id, "same") == "same"


def test_ballots_nobody_came_back_to_make_room_and_votes_have_an_end(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ballots, "OPEN", 3)
    monkeypatch.setattr(ballots, "MOST_VOTES", 1)
    run = fake()
    laid = [ballots.new(run) for _ in range(5)]
    left = {path.name for path in (run.path / "votes").iterdir()}
    assert len(left) == 3
    assert laid[-1].id in left
    ballots.cast(run, laid[-1].id, "a")
    with pytest.raises(Refusal, match="There are 1 votes on this run already"):
        ballots.cast(run, ballots.new(run).id, "a")


@pytest.mark.parametrize(
    "content", ["", "time\n1\n", "\x00", "time,question,a,b,choice,chosen,pictures\n1,2\n", "a\n" * 9]
)
def test_a_tally_that_was_tampered_with_is_empty(fake: Fake, content: str) -> None:
    run = fake()
    (run.path / "votes").mkdir()
    (run.path / ballots.VOTES).write_text(content)
    assert ballots.votes(run) == []
    assert all(sum(answers.values()) == 0 for answers in ballots.tally(run).values())


def test_pictures_outside_the_folder_are_not_laid_out(fake: Fake, tmp_path: Path) -> None:
    run = fake()
    shutil.copy(run.path / "images" / "before" / "0000.png", tmp_path / "secret.png")
    path = run.path / "report.json"
    report = json.loads(path.read_bytes())
    for group, name, message in (
        ("erased", "../../secret.png", "missing or unreadable: '../../secret.png'"),
        ("kept", "images/before/gone.png", "missing or unreadable: 'images/before/gone.png'"),
    ):
        for image in report["groups"][group]["images"]:
            image["before"] = name
        path.write_text(json.dumps(report))
        with pytest.raises(Refusal, match=message):
            ballots.new(run, next(question for question, kind in ballots.QUESTIONS.items() if kind == group))
    del report["groups"]["erased"]
    path.write_text(json.dumps(report))
    with pytest.raises(Refusal, match="has no erased pictures to vote on"):
        ballots.new(run, "less")
    path.write_text('{"groups": {}}')
    with pytest.raises(Refusal, match="The report is unreadable"):
        ballots.new(run, "less")
    assert list((run.path / "votes").iterdir()) == []
