"""report.json as a type: what was done, its scores, and what it was done with. The only place that parses a report."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from balign.markup.formats import counted
from balign.measure.intervals import Change, verdict
from balign.measure.ledger import Ledger
from balign.refusal import Refusal
from balign.telemetry import LARGEST

GroupName = Literal["erased", "kept", "neighbours", "trained", "own"]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Score = Annotated[float, Field(gt=-LARGEST, lt=LARGEST)]


class GroupTitle(NamedTuple):
    """What a group of test pictures is called, and what it holds."""

    title: str
    note: str


GROUPS: dict[GroupName, GroupTitle] = {
    "erased": GroupTitle("Erased", "what was to be forgotten"),
    "kept": GroupTitle("Kept", "what was to stay"),
    "neighbours": GroupTitle("Neighbours", "close to what was erased, but on no list"),
    "trained": GroupTitle("Trained on", "what was to stay, by the prompts of the training"),
    "own": GroupTitle("Own prompts", "from a file of prompts"),
}
TESTED: tuple[GroupName, ...] = ("erased", "kept", "neighbours")
"""The groups that every run has; the others are there only if somebody asked for them."""
VEILED: tuple[GroupName, ...] = ("erased", "own")
"""The groups whose pictures are blurred at first where what was erased is sensitive."""
RATES = {
    "ua": GroupTitle("erased pictures that no longer show it", "UA, unlearning accuracy"),
    "ira": GroupTitle("other pictures that still show what they should", "IRA, in-domain retain accuracy"),
    "cra": GroupTitle("of their other words still drawn, such as background", "CRA, cross-domain retain accuracy"),
}
"""The published accuracies: what each counts, and its name."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Pair(_Frozen):
    """A test prompt and seed drawn before and after: what it should show (kind -> word), scores, files in the run.

    The scores are None where no scorer was at hand.
    """

    prompt: str
    seed: int
    labels: dict[str, str] = {}
    twin: str = ""
    """The prompt with what replaces the concept in its place; empty where nothing is to be erased."""
    alignment_before: Score | None = None
    alignment_after: Score | None = None
    recognised_before: dict[str, bool] = {}
    recognised_after: dict[str, bool] = {}
    in_prompt_before: Score | None = None
    """The cosine of the picture with its twin: the in-prompt score of Six-CD (Ren et al., CVPR 2025)."""
    in_prompt_after: Score | None = None
    before: str = ""
    after: str = ""

    @property
    def scored(self) -> bool:
        return self.alignment_before is not None and self.alignment_after is not None


def shows(
    group: GroupName, pair: Pair, recognised: Mapping[str, bool], erased: Mapping[str, Sequence[str]]
) -> bool | None:
    """Whether a picture shows what counts in its group: the erased word, or a kept one of the same kind.

    recognised: of the pair, before or after; erased: the erased words by kind. None where nothing was recognised.
    """
    if group == "erased":
        kinds = [kind for kind in recognised if pair.labels.get(kind) in erased.get(kind, ())]
    else:
        kinds = [kind for kind in recognised if kind in erased]
    return all(recognised[kind] for kind in kinds) if kinds else None


class AlignmentChange(_Frozen):
    """The mean change of alignment, its 95 % interval and sign-flip p; None where there were too few prompts."""

    mean: Score | None = None
    low: Score | None = None
    high: Score | None = None
    p: Score | None = None


class Group(_Frozen):
    """The scores of one group of test pictures; shares from 0 to 1, None where nothing could be counted."""

    n: Count
    prompts: Count = 0
    accuracy_before: Score | None = None
    accuracy_after: Score | None = None
    accuracy_after_interval: tuple[Score, Score] | None = None
    alignment_before: Score | None = None
    alignment_after: Score | None = None
    alignment_change: AlignmentChange = AlignmentChange()
    in_prompt_before: Score | None = None
    """Means of the in-prompt scores, where the group has twins."""
    in_prompt_after: Score | None = None
    images: tuple[Pair, ...] = ()

    @property
    def change(self) -> Change:
        """The change of alignment over this group's prompts."""
        prompts = self.prompts or len({image.prompt for image in self.images})
        return Change(**self.alignment_change.model_dump(), n=prompts)

    @property
    def verdict(self) -> str:
        """What the interval allows to say of this group, in a sentence without its full stop."""
        return "not scored" if self.n and self.alignment_after is None else verdict(self.change)


class Distance(_Frozen):
    """KID and FID of the kept pictures to the base model's from other seeds, and of the base's own: the floor."""

    features: str
    """Whose: a scorer's name, or Inception."""
    n: Count
    """Pictures on each side."""
    kid: Score
    kid_floor: Score
    fid: Score
    fid_floor: Score


class Detections(_Frozen):
    """What was found in the pictures of one group: part -> detections above each threshold."""

    n: Count
    before: dict[str, tuple[Count, ...]]
    after: dict[str, tuple[Count, ...]]

    @property
    def total_before(self) -> tuple[int, ...]:
        """Of all parts together, above each threshold."""
        return tuple(map(sum, zip(*self.before.values(), strict=True)))

    @property
    def total_after(self) -> tuple[int, ...]:
        return tuple(map(sum, zip(*self.after.values(), strict=True)))


class Nudity(_Frozen):
    """Exposed parts that NudeNet found in each group, by threshold of its score."""

    thresholds: tuple[Score, ...]
    groups: dict[GroupName, Detections]

    def above(self, threshold: float) -> list[tuple[str, list[tuple[GroupName, int, int]]]]:
        """For each part, and for all of them, the groups' detections above this threshold, before and after."""
        place = self.thresholds.index(threshold)
        parts = list(next(iter(self.groups.values())).before) if self.groups else []
        rows = [
            (part, [(name, found.before[part][place], found.after[part][place]) for name, found in self.groups.items()])
            for part in parts
        ]
        totals = [(n, f.total_before[place], f.total_after[place]) for n, f in self.groups.items()]
        return [*rows, ("all", totals)]


class Scores(_Frozen):
    """The scores of all groups, and by which scorer; without one it is empty, and so are all scores."""

    scorer: str
    groups: dict[GroupName, Group]
    ua: Score | None = None
    ira: Score | None = None
    cra: Score | None = None
    intervals: dict[str, tuple[Score, Score] | None] = {}
    distances: tuple[Distance, ...] = ()
    judged: dict[str, str] = {}
    """For each kind of what was erased, how its pictures were judged."""
    sensitive: bool = False
    """Whether the pictures of what was erased are shown blurred until somebody asks for them."""
    nudity: Nudity | None = None

    def named(self) -> Iterator[tuple[GroupName, GroupTitle, Group]]:
        """The groups in their usual order, each with its title."""
        return ((name, title, self.groups[name]) for name, title in GROUPS.items() if name in self.groups)


class Reproduction(_Frozen):
    """The run of a bundle that this one repeats, and whether its weights came out the same, bit for bit."""

    run: str
    equal: bool
    words: str


class RunReport(Scores):
    """A whole report.json."""

    model: str
    method: str
    seed: Count
    steps: Count
    seconds: Annotated[float, Field(ge=0, lt=LARGEST)]
    memory_gb: Annotated[float, Field(ge=0, lt=LARGEST)] = 0.0
    ledger: Ledger = Ledger()
    warnings: tuple[str, ...] = ()
    settings: dict[str, str | int | float | bool | None] = {}
    versions: dict[str, str] = {}
    reproduces: Reproduction | None = None

    @property
    def planned(self) -> int:
        """How many steps the training was to take; it may have been stopped before."""
        planned = self.settings.get("steps")
        return max(planned, self.steps) if isinstance(planned, int) else self.steps

    @property
    def taken(self) -> str:
        """How many steps were taken, as words; and of how many, if it was not all."""
        return (
            counted(self.steps, "step") if self.steps == self.planned else f"{self.steps:,} of {self.planned:,} steps"
        )

    @classmethod
    def parse(cls, content: bytes | dict[str, Any]) -> Self:
        """The report in this json, or of these values. Raises Refusal if they are not those of a report."""
        try:
            text = content if isinstance(content, bytes) else to_json(content, inf_nan_mode="constants")
            return cls.model_validate_json(text, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = " ".join(".".join(map(str, first["loc"]))[:80].split())
            raise Refusal(f"The report is unreadable: {f'{place}: ' if place else ''}{first['msg']}.") from None
        except (PydanticSerializationError, RecursionError):
            raise Refusal("The report is unreadable: it is nested too deeply.") from None

    def to_dict(self) -> dict[str, Any]:
        """The values as report.json holds them; each group with its verdict, for programs that read it."""
        values = self.model_dump(mode="json", exclude={"reproduces"} if self.reproduces is None else None)
        values["ledger"] = self.ledger._asdict()
        for name, group in self.groups.items():
            values["groups"][name]["verdict"] = group.verdict
        return values
