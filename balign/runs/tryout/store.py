"""Files of what is drawn with a finished run's weights: own prompts, strengths, probes, exports, and the progress.

Each kind has a folder in the run's folder, `tries`, `strength` and `probes`. Its json is written again after every
batch and names only pictures that are there: what was drawn until a stop or a kill is kept.
"""

import re
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from balign import atomic
from balign.measure.report import Pair
from balign.plain_file import raise_shortage, read_plain
from balign.refusal import Refusal
from balign.runs import leftovers
from balign.runs.accepted_text import Prompt
from balign.runs.config import ParsedRequest
from balign.runs.folder import Run
from balign.runs.run_folders import next_moment

MOST_IMAGES = 8
KEPT = 48
"""Own prompts of a run that stay on disk; the oldest are removed."""
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
"""How much of the change is applied: 0 is the base model, 1 the erased one, more goes beyond."""
PROGRESS = "tryout.json"
TRY = re.compile(r"\d{8}-\d{6}(\d{6})?-[0-9a-f]{8}")


class DrawingFailed(RuntimeError):
    """A drawing ended in an error of ours. Its text is one sentence; the run's log.txt has the traceback."""


class PromptRequest(ParsedRequest):
    """A prompt to draw with both models, and the seed of its first image; the others take the seeds after it."""

    prompt: Prompt
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    images: Annotated[int, Field(ge=1, le=MOST_IMAGES)] = 4


class StoredResult(BaseModel):
    """A json file of this module; the only place that parses one."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """What the file holds; None if there is none. Raises Refusal if it is unreadable."""
        try:
            return cls.model_validate_json(read_plain(path), strict=True)
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise_shortage(error)
            raise Refusal(f"{path.name} of this run is unreadable; draw it again.") from None

    def write(self, path: Path) -> None:
        """Write the values that were set as json."""
        atomic.write(path, self.model_dump_json(indent=1, exclude_unset=True) + "\n")


class DrawingProgress(StoredResult):
    """How many pictures are drawn, or in `failed` the sentence why it ended, even if only because it was stopped."""

    verb: str
    done: int = 0
    total: int = 0
    failed: str = ""
    stopped: bool = False


class OwnPrompt(StoredResult):
    """A prompt that was drawn with both models (try.json)."""

    prompt: str
    seed: int
    scorer: str
    seconds: float = 0.0
    images: tuple[Pair, ...]
    asked: int = 0
    """How many pairs were asked for; fewer were drawn if it was stopped."""
    steps: int = 0
    """How many steps the weights had taken; 0 if unknown."""


class StrengthPrompt(StoredResult):
    """A test prompt that was drawn at every strength."""

    group: Literal["erased", "kept"]
    prompt: str
    seed: int


class StrengthFrame(StoredResult):
    """One strength, and the alignment of each prompt's picture; None where no scorer was at hand."""

    strength: float
    alignment: tuple[float | None, ...]


class StrengthResult(StoredResult):
    """A few test prompts at every strength (strength.json)."""

    scorer: str
    prompts: tuple[StrengthPrompt, ...]
    frames: tuple[StrengthFrame, ...] = Field(min_length=1)

    @property
    def drawn(self) -> tuple[StrengthFrame, ...]:
        return self.frames

    @property
    def total(self) -> int:
        return len(STRENGTHS)

    @property
    def partial(self) -> bool:
        """Whether it was stopped before the last strength."""
        strengths = tuple(frame.strength for frame in self.frames)
        return len(strengths) < len(STRENGTHS) and strengths == STRENGTHS[: len(strengths)]

    def goes_on_with(self, prompts: Sequence[StrengthPrompt]) -> bool:
        """Whether these are the prompts it was drawn for."""
        return self.prompts == tuple(prompts)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if any(len(frame.alignment) != len(self.prompts) for frame in self.frames):
            raise ValueError("every frame has one alignment for each prompt")
        return self


class ProbePair(Pair):
    """A probe as it was drawn, and whether the scorer recognises the concept in each picture."""

    way: str
    concept: str
    kind: str
    said: str
    note: str = ""
    seen: bool = False
    shows_before: bool | None = None
    shows_after: bool | None = None


class ProbeResult(StoredResult):
    """The probes of a run (probes.json), and how many more there would have been."""

    scorer: str
    left_out: int = 0
    probes: tuple[ProbePair, ...] = Field(min_length=1)
    total: int = 0
    """How many there are to draw; fewer were if it was stopped."""

    @property
    def drawn(self) -> tuple[ProbePair, ...]:
        return self.probes

    @property
    def partial(self) -> bool:
        """Whether it was stopped before the last probe."""
        return len(self.probes) < self.total

    def goes_on_with(self, shots: Sequence[Any]) -> bool:
        """Whether these are the probes, each with its prompt and seed, that it began with."""
        begun = [(pair.prompt, pair.seed) for pair in self.probes]
        return self.total == len(shots) and begun == [(shot.prompt, shot.seed) for shot in shots[: len(begun)]]


def ready(run: Run) -> bool:
    """Whether the run has the erased weights and the report, without which there is nothing to try or bundle."""
    return all(run.file(name) for name in ("erased.safetensors", "report.json"))


def progress(run: Run) -> DrawingProgress | None:
    """The latest progress; None if there is none or it is unreadable."""
    with suppress(Refusal):
        return DrawingProgress.read(run.path / PROGRESS)
    return None


def clear_progress(run: Run) -> None:
    """Remove the progress."""
    (run.path / PROGRESS).unlink(missing_ok=True)


def remove_drafts(run: Run) -> None:
    """Remove what a killed process left half written. Only for the process that has claimed the run."""
    leftovers.clear_run(run.path)
    for draft in (*run.path.glob(".*.tmp"), *run.path.glob("tries/.*.tmp")):
        if draft.is_dir() and not draft.is_symlink():
            shutil.rmtree(draft, ignore_errors=True)
    for folder in _tries(run):
        if not (folder / "try.json").is_file():  # ended before its first pair
            shutil.rmtree(folder, ignore_errors=True)


def new_try(run: Run) -> Path:
    """Where the next own prompt goes; its name is the time, and nothing a visitor wrote is in it."""
    folder = run.path / "tries"
    return folder / f"{next_moment(path.name for path in folder.glob('*'))}-{secrets.token_hex(4)}"


def drop_oldest(run: Run) -> None:
    """Remove all own prompts but the newest."""
    for folder in _tries(run)[KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)


def tries(run: Run, most: int = KEPT) -> list[OwnPrompt]:
    """The own prompts, newest first; an unreadable one is left out."""
    drawn = []
    for folder in _tries(run)[:most]:
        with suppress(Refusal):
            drawn.append(OwnPrompt.read(folder / "try.json"))
    return [result for result in drawn if result is not None]


def strength(run: Run) -> StrengthResult | None:
    """The pictures at every strength; None before they are drawn. Raises Refusal if they are unreadable."""
    return StrengthResult.read(run.path / "strength" / "strength.json")


def probes(run: Run) -> ProbeResult | None:
    """The probes and what they showed; None before they are drawn. Raises Refusal if they are unreadable."""
    return ProbeResult.read(run.path / "probes" / "probes.json")


def _tries(run: Run) -> list[Path]:
    """Folders of the own prompts, newest first."""
    return sorted((path for path in (run.path / "tries").glob("*") if TRY.fullmatch(path.name)), reverse=True)
