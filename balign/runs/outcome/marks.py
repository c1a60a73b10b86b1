"""Which pictures still show what they should or should not, pair by pair: for the page and report.html."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from balign.data.prompts import erased_words
from balign.measure.judges import sensitive
from balign.measure.report import GroupName, GroupTitle, Pair, RunReport, shows
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.file_cache import until_changed
from balign.runs.folder import Run
from balign.runs.prompt_lists import resolve

FOLDED = 4
"""Pairs of a group that are shown at once, unless more of them failed."""
ERASED = {
    (True, True): ("still shows it", True),
    (True, False): ("no longer", False),
    (False, True): ("shows it only now", True),
    (False, False): ("never showed it", False),
}
OTHERS = {
    (True, True): ("still there", False),
    (True, False): ("no longer there", True),
    (False, True): ("now recognised", False),
    (False, False): ("never recognised", False),
}
"""What to say of a pair by whether the scorer saw the word before and after, and whether that is a failure."""
FAILING: dict[GroupName, str] = {
    "erased": "still show it",
    "own": "show what they should not, or no longer what they should",
}
"""What failures of a group do; of the others they no longer show what they should."""


class MarkedPair(NamedTuple):
    """A pair, what the scorer says of it, and whether that is a failure; nothing is said where nothing was scored."""

    pair: Pair
    words: str
    failed: bool


class MarkedGroup(NamedTuple):
    """A group with its pairs, failures first, and how many of them stand open."""

    name: GroupName
    title: GroupTitle
    pairs: Sequence[MarkedPair]
    open: int

    @property
    def failures(self) -> int:
        """How many pairs failed."""
        return sum(pair.failed for pair in self.pairs)

    @property
    def failing(self) -> str:
        """What the failures do, to stand after their number."""
        return FAILING.get(self.name, "no longer show what they should")


def marked(config: RunConfig, report: RunReport) -> list[MarkedGroup]:
    """The groups in their usual order. All pairs of what was erased stand open, else a few and all failures."""
    groups = []
    for name, title, _ in report.named():
        pairs = sorted(of_group(config, report, name), key=lambda pair: not pair.failed)
        failures = sum(pair.failed for pair in pairs)
        groups.append(MarkedGroup(name, title, pairs, len(pairs) if name == "erased" else max(FOLDED, failures)))
    return groups


def of_group(config: RunConfig, report: RunReport, name: str) -> list[MarkedPair]:
    """The pairs of a group in the report's order."""
    try:
        erased = erased_words(resolve(config).targets)
    except Refusal:  # a model that is not here any more: what counted is not known
        erased = {}
    named = next(each for each, _, _ in report.named() if each == name)
    return list(_marked(named, report.groups[named].images, erased))


@until_changed("config.json", most=64)
def veiled(run: Run) -> bool:
    """Whether the run erases what is shown blurred until somebody asks for it."""
    try:
        return sensitive(target.word.kind for target in resolve(run.config).targets)
    except Refusal:  # a config that cannot be resolved any more has pictures, still
        return True


def _marked(name: GroupName, pairs: Sequence[Pair], erased: Mapping[str, Sequence[str]]) -> Iterator[MarkedPair]:
    for pair in pairs:
        asked = name == "own" and any(pair.labels.get(kind) in words for kind, words in erased.items())
        counts: GroupName = "erased" if asked else name  # own prompts may name what was erased, too
        before, after = (shows(counts, pair, side, erased) for side in (pair.recognised_before, pair.recognised_after))
        words = ERASED if counts == "erased" else OTHERS
        yield MarkedPair(pair, *(("", False) if before is None or after is None else words[before, after]))
