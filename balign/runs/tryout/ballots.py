"""A blind vote on a run: which of two unlabelled sheets of pictures shows the concept less, or looks better.

Which sheet is from which model stays in a file that is not served, until the vote is cast. Votes are kept as
`votes/votes.csv` in the run's folder. It copies and counts pictures; it draws and scores none, and needs no torch.
"""

import csv
import io
import json
import os
import random
import re
import secrets
import shutil
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from balign.atomic import write
from balign.refusal import Refusal
from balign.runs.folder import Run
from balign.runs.tryout import store

QUESTIONS = {"less": "erased", "better": "kept"}
"""What is asked, and of which group of pictures."""
SHEETS = ("a", "b")
CHOICES = (*SHEETS, "same")
SIDES = ("before", "after")
COLUMNS, MOST_PICTURES, LARGEST = 3, 9, 256
"""How a sheet is laid out; its pictures are made no wider than LARGEST pixels."""
OPEN = 32
"""Ballots that may be waiting for their vote; the oldest make room."""
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


def new(run: Run, question: str | None = None) -> Ballot:
    """Lay out two sheets of the same prompts in a random order; a question is drawn too if none is asked for."""
    chance = random.SystemRandom()
    asked = question or chance.choice(list(QUESTIONS))
    images = _pictures(run, QUESTIONS[asked])
    chosen = chance.sample(images, min(len(images), MOST_PICTURES))
    sides = chance.sample(SIDES, 2)
    ballot = Ballot(secrets.token_hex(16), asked, len(chosen))
    with store.whole(run.path / "votes" / ballot.id) as draft:
        for name, side in zip(SHEETS, sides, strict=True):
            _sheet([_file(run, image[side]) for image in chosen]).save(draft / f"{name}.png")
        facts = {"question": asked, "pictures": len(chosen)} | dict(zip(SHEETS, sides, strict=True))
        (draft / "ballot.json").write_text(json.dumps(facts))
    _drop_oldest(run, ballot.id)
    return ballot


def cast(run: Run, ballot: object, choice: object) -> str:
    """Count a vote, once; what was chosen: `before`, `after` or `same`."""
    if choice not in CHOICES:
        raise Refusal(f"The choice {str(choice)[:20]!r} is not one of {', '.join(CHOICES)}.")
    if not isinstance(ballot, str) or not BALLOT.fullmatch(ballot):
        raise Refusal("There is no such ballot; take a new one.")
    folder = run.path / "votes" / ballot
    with _lock:
        try:
            facts = json.loads((folder / "ballot.json").read_text())
        except (OSError, ValueError):
            raise Refusal("This ballot was used before or has made room for newer ones; take a new one.") from None
        told = votes(run)
        if len(told) >= MOST_VOTES:
            raise Refusal(f"There are {MOST_VOTES:,} votes on this run already; no more are taken.")
        chosen = str(facts[choice]) if choice in SHEETS else "same"
        now = time.strftime("%Y-%m-%dT%H:%M:%S")
        row = (now, facts["question"], facts["a"], facts["b"], choice, chosen, facts["pictures"])
        write(run.path / VOTES, _csv([*told, dict(zip(HEADER, map(str, row), strict=True))]))
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
    """For each question how often each answer was given."""
    counted = {question: dict.fromkeys((*SIDES, "same"), 0) for question in QUESTIONS}
    for vote in votes(run):
        answers = counted.get(vote["question"], {})
        if vote["chosen"] in answers:
            answers[vote["chosen"]] += 1
    return counted


def _csv(rows: Sequence[Mapping[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, HEADER, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _pictures(run: Run, group: str) -> list[dict[str, Any]]:
    """The report's pairs of a group."""
    found = (run.report() or {}).get("groups") or {}
    images = (found.get(group) or {}).get("images") or []
    if not images:
        raise Refusal(f"The report of run {run.id} has no {group} pictures to vote on.")
    return list(images)


def _file(run: Run, name: object) -> Path:
    """A picture that the report names, if it lies in the run's folder."""
    path = (run.path / str(name)).resolve()
    if not path.is_relative_to(run.path.resolve()):
        raise Refusal(f"The report of run {run.id} names a picture outside its folder.")
    return path


def _sheet(paths: Sequence[Path]) -> Image.Image:
    """The pictures in rows on one sheet, so that no file name tells where they are from."""
    pictures = []
    for path in paths:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
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
    """Remove ballots that nobody came back to."""
    folders = [path for path in (run.path / "votes").iterdir() if BALLOT.fullmatch(path.name) and path.name != newest]
    for folder in sorted(folders, key=os.path.getmtime, reverse=True)[OPEN - 1 :]:
        shutil.rmtree(folder, ignore_errors=True)
