"""A blind vote on a run: which of two unlabelled sheets of pictures shows the concept less, or looks better.

Which sheet is from which model stays in a file that is not served, until the vote is cast. Votes are kept as
`votes/votes.csv` in the run's folder.
"""

import csv
import io
import os
import random
import re
import secrets
import shutil
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from PIL import Image

from balign import atomic
from balign.measure.report import GroupName, Pair
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.tryout.store import StoredResult

Side = Literal["before", "after"]
QUESTIONS: dict[str, GroupName] = {"less": "erased", "better": "kept"}
"""The questions, and the group of pictures of each."""
SHEETS = ("a", "b")
CHOICES = (*SHEETS, "same")
SIDES: tuple[Side, Side] = ("before", "after")
COLUMNS, MOST_PICTURES, LARGEST = 3, 9, 256
"""Columns and pictures of a sheet, and the most pixels that a picture is wide on it."""
OPEN = 32
"""Ballots that may wait for their vote; the oldest are removed."""
MOST_VOTES = 10_000
VOTES = "votes/votes.csv"
HEADER = ("time", "question", "a", "b", "choice", "chosen", "pictures")
BALLOT = re.compile(r"[0-9a-f]{32}")

_lock = threading.Lock()


class Ballot(NamedTuple):
    """Two sheets to choose between; nothing here says which is which."""

    id: str
    question: str
    pictures: int

    def sheet(self, name: str) -> str:
        """The file of a sheet, inside the run's folder."""
        return f"votes/{self.id}/{name}.png"


class HiddenBallot(StoredResult):
    """Which sheet of a ballot is from which side (ballot.json, which no address serves)."""

    question: str
    pictures: int
    a: Side
    b: Side


def new(run: Run, question: str | None = None) -> Ballot:
    """Lay out two sheets of the same prompts in a random order; without a question one is drawn too.

    Raises Refusal if the report has no pictures for the question, or one of them cannot be read.
    """
    chance = random.SystemRandom()
    question = question or chance.choice(list(QUESTIONS))
    pairs = _pairs(run, QUESTIONS[question])
    chosen = chance.sample(pairs, min(len(pairs), MOST_PICTURES))
    sides: list[Side] = chance.sample(SIDES, 2)
    ballot = Ballot(secrets.token_hex(16), question, len(chosen))
    with atomic.atomic(run.path / "votes" / ballot.id) as draft:
        draft.mkdir(parents=True)
        for name, side in zip(SHEETS, sides, strict=True):
            _sheet(run, [getattr(pair, side) for pair in chosen]).save(draft / f"{name}.png")
        hidden = HiddenBallot(question=question, pictures=len(chosen), a=sides[0], b=sides[1])
        hidden.write(draft / "ballot.json")
    _drop_oldest(run, ballot.id)
    return ballot


def cast(run: Run, ballot: object, choice: object) -> str:
    """Count a vote, once, and return what was chosen: `before`, `after` or `same`.

    Raises Refusal for a choice or a ballot that does not exist, a used ballot, and more than MOST_VOTES votes.
    """
    if choice not in CHOICES:
        raise Refusal(f"The choice {str(choice)[:20]!r} is not one of {', '.join(CHOICES)}.")
    if not isinstance(ballot, str) or not BALLOT.fullmatch(ballot):
        raise Refusal("There is no such ballot; take a new one.")
    folder = run.path / "votes" / ballot
    with _lock:
        hidden = HiddenBallot.read(folder / "ballot.json")
        if hidden is None:
            raise Refusal("This ballot was used before or was removed for newer ones; take a new one.")
        earlier = votes(run)
        if len(earlier) >= MOST_VOTES:
            raise Refusal(f"There are {MOST_VOTES:,} votes on this run already; no more are taken.")
        chosen = {"a": hidden.a, "b": hidden.b}.get(str(choice), "same")
        now = time.strftime("%Y-%m-%dT%H:%M:%S")
        row = (now, hidden.question, hidden.a, hidden.b, choice, chosen, hidden.pictures)
        atomic.write(run.path / VOTES, _csv([*earlier, dict(zip(HEADER, map(str, row), strict=True))]))
        shutil.rmtree(folder)
    return chosen


def votes(run: Run) -> list[dict[str, str]]:
    """Every vote cast so far, oldest first."""
    try:
        text = (run.path / VOTES).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return [row for row in csv.DictReader(io.StringIO(text)) if set(row) == set(HEADER) and None not in row.values()]


def tally(run: Run) -> dict[str, dict[str, int]]:
    """For each question the number of each answer."""
    counted = {question: dict.fromkeys((*SIDES, "same"), 0) for question in QUESTIONS}
    for vote in votes(run):
        answers = counted.get(vote["question"], {})
        if vote["chosen"] in answers:
            answers[vote["chosen"]] += 1
    return counted


def _csv(rows: Iterable[Mapping[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, HEADER, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _pairs(run: Run, group: GroupName) -> tuple[Pair, ...]:
    """The report's pairs of a group."""
    report = run.report()
    pairs = report.groups[group].images if report and group in report.groups else ()
    if not pairs:
        raise Refusal(f"The report of run {run.id} has no {group} pictures to vote on.")
    return pairs


def _sheet(run: Run, names: Sequence[str]) -> Image.Image:
    """Pictures of the run's folder in rows on one sheet, so that no file name tells which side they are from."""
    pictures = []
    for name in names:
        path = (run.path / name).resolve()
        if not path.is_relative_to(run.path.resolve()):
            raise Refusal(f"The report of run {run.id} names a picture outside its folder.")
        try:
            with Image.open(path) as opened:
                picture = opened.convert("RGB")
        except OSError:
            raise Refusal(f"A picture of run {run.id} is missing or unreadable: {name[:80]!r}.") from None
        picture.thumbnail((LARGEST, LARGEST))
        pictures.append(picture)
    columns = min(COLUMNS, len(pictures))
    side, gap = pictures[0].width, max(pictures[0].width // 32, 1)
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (side + gap) - gap, rows * (side + gap) - gap), "white")
    for k, picture in enumerate(pictures):
        sheet.paste(picture, (k % columns * (side + gap), k // columns * (side + gap)))
    return sheet


def _drop_oldest(run: Run, newest: str) -> None:
    """Remove the ballots that have waited longest for a vote."""
    folders = [path for path in (run.path / "votes").iterdir() if BALLOT.fullmatch(path.name) and path.name != newest]
    for folder in sorted(folders, key=os.path.getmtime, reverse=True)[OPEN - 1 :]:
        shutil.rmtree(folder, ignore_errors=True)
