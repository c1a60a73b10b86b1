"""The blind vote on the page: hidden until it is over, counted once, nothing a browser says is trusted."""

from collections.abc import Callable

import pytest

from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.folder import Run
from balign.runs.tryout import ballots
from balign.ui import files
from balign.ui.page import Answer, Caller, caller
from balign.ui.try_tab import blind_vote
from tests.host import fake_run

EVIL = "<img src=x onerror=alert(1)>"


def shows(run: Run) -> Caller:
    return caller({"run": run.id})


def visible(answer: Answer) -> set[str]:
    return {name for name in (*blind_vote.BUTTONS, "start") if answer[name]["visible"]}


def test_a_ballot_tells_nothing_and_the_tally_waits_for_the_end(finished: Run) -> None:
    answer = blind_vote.begin(shows(finished))
    assert visible(answer) == {"a", "b", "same", "end"}
    for _ in range(3):
        shown = f"{answer['sheets']}{answer['tally']}{answer['say']}{answer['ballot']}".replace("before.", "")
        assert "before" not in shown
        assert "after" not in shown
        answer = blind_vote.choose(shows(finished), answer["ballot"], "a")
    assert "3 votes on this run so far" in answer["tally"]
    ended = blind_vote.closed(finished)
    assert visible(ended) == {"start"}
    assert "<table>" in ended["tally"]
    assert f"files/{finished.id}/votes/votes.csv" in ended["tally"]


def test_the_sheets_are_served_and_their_order_is_not(finished: Run) -> None:
    ballot = ballots.new(finished)
    assert files.locate(finished.id, ballot.sheet("a")) is not None
    assert files.locate(finished.id, f"votes/{ballot.id}/ballot.json") is None
    assert files.locate(finished.id, ballots.VOTES) is None
    ballots.cast(finished, ballot.id, "same")
    assert files.locate(finished.id, ballots.VOTES) == (finished.path / ballots.VOTES).resolve()


def test_few_votes_claim_nothing(finished: Run) -> None:
    assert blind_vote.tally(finished) == ""
    for _ in range(7):
        ballots.cast(finished, ballots.new(finished, "less").id, "a")
    assert "too few votes to say (7, of at least 8)" in blind_vote.tally(finished)
    ballots.cast(finished, ballots.new(finished, "less").id, "b")
    assert "too few votes to say (0, of at least 8)" in blind_vote.tally(finished)  # of the other question
    assert 'class="soft">[' in blind_vote.tally(finished)


def test_a_used_or_foreign_ballot_is_a_sentence(finished: Run, new_run: Callable[..., Run]) -> None:
    ballot = blind_vote.begin(shows(finished))["ballot"]
    blind_vote.choose(shows(finished), ballot, "a")
    again = blind_vote.choose(shows(finished), ballot, "b")
    assert "used before" in again["say"]
    assert visible(again) == {"start"}
    assert "of another run than the one that is shown" in blind_vote.choose(shows(new_run()), ballot, "a")["say"]
    assert len(ballots.votes(finished)) == 1


@pytest.mark.parametrize("state", [None, 7, {}, {"run": 1}, {"ballot": "../.."}, [EVIL]])
def test_what_is_no_ballot_votes_nothing(finished: Run, state: object) -> None:
    message = blind_vote.choose(shows(finished), state, "a")["say"]
    assert message.startswith('<p class="notice refused"')
    assert ballots.votes(finished) == []


def test_an_open_ballot_stays_on_its_run_only(finished: Run, new_run: Callable[..., Run]) -> None:
    ballot = blind_vote.begin(shows(finished))["ballot"]
    assert blind_vote.arrive(shows(finished), ballot) == {"say": ""}
    assert visible(blind_vote.arrive(shows(new_run()), ballot)) == {"start"}
    assert visible(blind_vote.arrive(caller(None), ballot)) == {"start"}


def test_without_a_readable_report_no_vote_begins(finished: Run, new_run: Callable[..., Run]) -> None:
    for browser in (None, {"run": EVIL}, {"run": new_run().id}):
        with pytest.raises(Refusal, match="no finished run here"):
            blind_vote.begin(caller(browser))
    for content in ("{", "[]", '{"groups": 7}', '{"groups": {"erased": {"images": [7]}, "kept": {"images": [7]}}}'):
        (finished.path / "report.json").write_text(content)
        with pytest.raises(Refusal, match="unreadable"):
            blind_vote.begin(shows(finished))


def test_pictures_that_cannot_be_read_are_refused(finished: Run) -> None:
    for picture in (finished.path / "images" / "before").iterdir():
        picture.write_bytes(b"no picture")
    with pytest.raises(Refusal, match="missing or unreadable"):
        blind_vote.begin(shows(finished))


def test_texts_of_strangers_are_not_markup() -> None:
    run = Run.create(RunConfig.parse({"erase": [EVIL]}))
    fake_run.main(str(run.path))
    html = blind_vote.opened(run, ballots.new(run, "less"))["sheets"]["value"]
    assert "Which sheet shows <b" in html
    assert EVIL not in html
