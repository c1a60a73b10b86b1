"""Files of the attacks on a run: what was asked for, and every curve, which grows by a point at a time.

`attacks/<key>/<subject>/<attack>/curve.json` with a sheet of pictures for each point, `attacks/<key>/growing.json`
after every point, and `attacks/<key>/attack.json` in its place when all is done. The key follows from what decides the
pictures, so that the same request finds its own points again.
"""

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field, field_validator

from balign import plain_text
from balign.measure.recovery import ATTACKS, HARDLY, AttackTitle, Attempt, Share, under_attack
from balign.refusal import Refusal
from balign.runs.accepted_text import ConceptName
from balign.runs.config import MAX_STEPS, ParsedRequest
from balign.runs.folder import Run
from balign.runs.tryout.store import StoredResult

FOLDER = "attacks"
DONE, GROWING = "attack.json", "growing.json"
VERSION = 1  # raise when the same request comes to give other numbers
CHOICES = tuple(attack for attack in ATTACKS if attack != "name")
MOST_PICTURES = 500
MOST_TOKENS = 8


def _plain(text: str) -> str:
    plain_text.check(text)
    return text


def _known_attack(name: str) -> str:
    if name not in ATTACKS:
        raise ValueError("there is no such attack")
    return name


GivenName = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_plain)]
SubjectName = Literal["erased", "base", "control"]


class AttackRequest(ParsedRequest):
    """Which attacks to make on what a run erased, and with what budget."""

    concept: ConceptName | None = None
    """Left out, the first that the run erased."""
    attacks: tuple[str, ...] = CHOICES
    tokens: tuple[Annotated[int, Field(ge=1, le=MOST_TOKENS)], ...] = (1, 2, 4)
    steps: Annotated[int, Field(ge=5, le=MAX_STEPS)] = 250
    """Of textual inversion; relearning takes two fifths of them."""
    pictures: Annotated[int, Field(ge=1, le=MOST_PICTURES)] = 24
    """At every point of a curve."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    control: GivenName | None = None
    """A model folder that never knew the concept."""
    judge: GivenName | None = None
    """A second scorer."""

    @field_validator("attacks")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in CHOICES:
                raise ValueError(f"There is no attack {name!r}; there are {', '.join(CHOICES)}")
        return tuple(name for name in CHOICES if name in value)

    @field_validator("tokens")
    @classmethod
    def _each_once(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(value)))


QUICK = AttackRequest(attacks=("rounding", "inversion"), tokens=(2,), steps=100, pictures=12)
"""A first look."""


class AttackPoint(StoredResult):
    """What an attack drew at one budget: which pictures the scorer takes for the concept, and where they lie."""

    budget: Annotated[int, Field(ge=0, le=MAX_STEPS)]
    shown: tuple[bool, ...] = Field(min_length=1)
    shown_second: tuple[bool, ...] = ()
    """What the second judge says, if there is one."""
    loss: float | None = None
    """The denoising loss, or the mean squared residual of an inversion."""
    sheet: str
    seconds: float = 0.0

    @property
    def share(self) -> Share:
        return Share(sum(self.shown), len(self.shown))

    @property
    def second_share(self) -> Share | None:
        return Share(sum(self.shown_second), len(self.shown_second)) if self.shown_second else None


class AttackCurve(StoredResult):
    """One attack on one model: a point for each budget (curve.json)."""

    attack: Annotated[str, AfterValidator(_known_attack)]
    tokens: Annotated[int, Field(ge=0, le=MOST_TOKENS)] = 0
    """How many tokens a textual inversion learned; 0 for the other attacks."""
    subject: SubjectName
    made_from: str
    """A hash of the weights and settings; with another one the points are not these."""
    points: tuple[AttackPoint, ...] = ()

    @property
    def title(self) -> str:
        return title(self.attack, self.tokens)

    @property
    def about(self) -> AttackTitle:
        return ATTACKS[self.attack]


class AttackResult(StoredResult):
    """All attacks of one request, and earlier ones that drew the same pictures (attack.json, growing.json)."""

    concept: str
    kind: str
    scorer: str
    judge: str | None = None
    seed: int
    control: str | None = None
    moved: float
    """The norm of the change of the trained weights."""
    moved_share: float
    """The same in parts of the norm of the base's."""
    skipped: tuple[str, ...] = ()
    """A sentence for each attack that could not be made."""
    seconds: float
    curves: tuple[AttackCurve, ...] = Field(min_length=1)
    verdict: str
    folder: str
    """Where in the run's folder its files are."""
    points: int = 0
    """How many points were asked for."""

    def rows(self) -> "list[AttackRow]":
        """Each attack once, over all models."""
        groups: dict[tuple[str, int], list[AttackCurve]] = {}
        for curve in self.curves:
            groups.setdefault((curve.attack, curve.tokens), []).append(curve)
        return [AttackRow(tuple(curves)) for curves in groups.values()]


class AttackRow(NamedTuple):
    """The curves of one attack on all models that were attacked."""

    curves: tuple[AttackCurve, ...]

    @property
    def title(self) -> str:
        return self.curves[0].title

    @property
    def about(self) -> AttackTitle:
        return self.curves[0].about

    @property
    def budgets(self) -> list[int]:
        return list(dict.fromkeys(point.budget for curve in self.curves for point in curve.points))

    def points(self, subjects: Sequence[str]) -> list[list[AttackPoint | None]]:
        """For each budget the points of these models, None where there is none."""
        found: dict[tuple[str, int], AttackPoint] = {
            (curve.subject, point.budget): point for curve in self.curves for point in curve.points
        }
        return [[found.get((subject, budget)) for subject in subjects] for budget in self.budgets]


def title(attack: str, tokens: int = 0) -> str:
    """What an attack is called, with its number of tokens."""
    return ATTACKS[attack].title + (f", {tokens} token{'s' * (tokens > 1)}" if tokens else "")


def attempts(curves: tuple[AttackCurve, ...]) -> list[Attempt]:
    """Every point of the erased model beside those of the base and the control; without those asked by name."""
    shares = {(c.attack, c.tokens, p.budget, c.subject): p.share for c in curves for p in c.points}
    return [
        Attempt(a, title(a, k), share, shares.get((a, k, budget, "base")), shares.get((a, k, budget, "control")))
        for (a, k, budget, subject), share in shares.items()
        if subject == "erased" and a != "name"
    ]


def folder(run: Run, request: AttackRequest, concept: str, scorer: str) -> Path:
    """Where a request's files are; the name is a hash of what decides which pictures are drawn, and who judges them."""
    return run.path / FOLDER / digest(VERSION, concept, request.pictures, request.seed, scorer, request.judge)


def digest(*values: object) -> str:
    """A short hash of values that json can hold."""
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


def results(run: Run, name: str = DONE) -> list[AttackResult]:
    """The finished attacks on a run, or with GROWING the others, newest first; an unreadable one is left out."""
    read = []
    for file in run.path.glob(f"{FOLDER}/*/{name}"):
        with suppress(Refusal, FileNotFoundError):  # one that is growing may have ended a moment ago
            read.append((file.stat().st_mtime, AttackResult.read(file)))
    newest = sorted(read, key=lambda pair: pair[0], reverse=True)
    return [result for _, result in newest if result is not None]


def attacked(run: Run) -> str:
    """What all finished attacks on the run have shown together, as words; empty before the first."""
    of: dict[str, list[AttackResult]] = {}
    for result in results(run):
        of.setdefault(result.concept, []).append(result)
    said = {name: words for name, found in of.items() if (words := _together(found))}
    return "; ".join(f"{name} {words}" if len(run.config.erase) > 1 else words for name, words in said.items())


def _together(found: Sequence[AttackResult]) -> str:
    """What came of all attacks on one concept: one that brings it back counts, whatever the others did."""
    drawn = [p.share for r in found for c in r.curves for p in c.points if (c.attack, c.subject) == ("name", "erased")]
    by_name = Share(sum(share.shown for share in drawn), sum(share.n for share in drawn))
    if drawn and by_name.rate > HARDLY:
        return f"still drawn when asked by name in {by_name} pictures of the attacks"
    made = [attempt for result in found for attempt in attempts(result.curves)]
    return under_attack(made) if made else ""


def remove_half_written(run: Run) -> None:
    """Remove the drafts of a killed process. Only for the process that has claimed the run."""
    for draft in Path(run.path / FOLDER).rglob(".*.tmp"):
        draft.unlink(missing_ok=True)
