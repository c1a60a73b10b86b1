"""A blind vote on a run: which of two unlabelled sheets of pictures shows the concept less, or looks better.

Which sheet is from which model stays in a file that is not served, until the vote is cast. Votes are kept as
`votes/votes.csv` in the run's folder.
"""

import csv
import random
import re
import secrets
import shutil
import threading
import time
from collections.abc import Sequence
from typing import Literal, NamedTuple

from PIL import Image

from balign import atomic
from balign.measure.report import GroupName
from balign.plain_file import read_plain
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.outcome.bundle import csv_table
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
"""A number that grows, so that it is known which are the oldest, and a secret."""

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
    group, report = QUESTIONS[question], run.report()
    pairs = report.groups[group].images if report and group in report.groups else ()
    if not pairs:
        raise Refusal(f"The report of run {run.id} has no {group} pictures to vote on.")
    chosen = chance.sample(pairs, min(len(pairs), MOST_PICTURES))
    sides: list[Side] = chance.sample(SIDES, 2)
    waiting = sorted(path for path in (run.path / "votes").glob("*") if BALLOT.fullmatch(path.name))
    number = int(waiting[-1].name[:8], 16) + 1 if waiting else 0
    ballot = Ballot(f"{min(number, 2**32 - 1):08x}{secrets.token_hex(12)}", question, len(chosen))
    folder = run.path / "votes" / ballot.id
    with atomic.atomic(folder) as draft:
        draft.mkdir(parents=True)
        for name, side in zip(SHEETS, sides, strict=True):
            _sheet(run, [getattr(pair, side) for pair in chosen]).save(draft / f"{name}.png")
        hidden = HiddenBallot(question=question, pictures=len(chosen), a=sides[0], b=sides[1])
        hidden.write(draft / "ballot.json")
    for oldest in waiting[: len(waiting) + 1 - OPEN]:
        shutil.rmtree(oldest, ignore_errors=True)
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
        atomic.write(run.path / VOTES, csv_table(HEADER, [*earlier, dict(zip(HEADER, row, strict=True))]))
        shutil.rmtree(folder)
    return chosen


def votes(run: Run) -> list[dict[str, str]]:
    """Every vote cast so far, oldest first."""
    try:
        lines = read_plain(run.path / VOTES).decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return [row for row in csv.DictReader(lines) if set(row) == set(HEADER) and None not in row.values()]


def tally(run: Run) -> dict[str, dict[str, int]]:
    """For each question the number of each answer."""
    counted = {question: dict.fromkeys((*SIDES, "same"), 0) for question in QUESTIONS}
    for vote in votes(run):
        answers = counted.get(vote["question"], {})
        if vote["chosen"] in answers:
            answers[vote["chosen"]] += 1
    return counted


def _sheet(run: Run, names: Sequence[str]) -> Image.Image:
    """Pictures of the run's folder in rows on one sheet, so that no file name tells which side they are from."""
    pictures = []
    for name in names:
        path = run.file(name)
        try:
            if path is None:
                raise FileNotFoundError(name)
            with Image.open(path) as opened:
                picture = opened.convert("RGB")
        except OSError:
            raise Refusal(f"A picture of run {run.id} is missing or unreadable: {name[:80]!r}.") from None
        picture.thumbnail((LARGEST, LARGEST))
        pictures.append(picture)
    columns, gap = min(COLUMNS, len(pictures)), max(pictures[0].width // 32, 1)
    place = pictures[0].width + gap
    sheet = Image.new("RGB", (columns * place - gap, -(-len(pictures) // columns) * place - gap), "white")
    for k, picture in enumerate(pictures):
        sheet.paste(picture, (k % columns * place, k // columns * place))
    return sheet
