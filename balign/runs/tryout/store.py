"""What is drawn with a finished run's weights afterwards: what may be asked for, how far it is, and what came of it.

Each kind has a folder in the run's folder, `tries`, `strength` and `probes`, whose parts are written whole or not at
all. The run itself stays as it is. How it is drawn is `redraw`'s business; nothing here needs torch.
"""

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from balign.measure.report import Pair
from balign.refusal import Refusal
from balign.runs.config import Prompt, explain
from balign.runs.folder import Run, write_atomic

MOST_IMAGES = 8
KEPT = 48
"""Tries of a run that stay on disk; the oldest make room."""
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
"""How much of the change is applied: 0 is the base model, 1 the erased one, more goes beyond."""
PROGRESS = "tryout.json"
TRY = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}")


class Ask(BaseModel):
    """A prompt to draw with both models, from the noise of one seed after another."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: Prompt
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    images: Annotated[int, Field(ge=1, le=MOST_IMAGES)] = 4

    @classmethod
    def parse(cls, **values: Any) -> Self:
        """Build from what somebody typed; a ValueError of one sentence says what is wrong."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise Refusal(explain(error)) from None


class Progress(NamedTuple):
    """How far the drawing is, or in `failed` why it ended."""

    verb: str
    done: int
    total: int
    failed: str = ""


class _Drawn(BaseModel):
    """A file that a drawing left."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """What the file holds; None if there is none. Raises Refusal if it is unreadable."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError:
            raise Refusal(f"{path.name} of this run is unreadable; draw it again.") from None


class OwnPrompt(_Drawn):
    """A prompt that was drawn with both models (try.json)."""

    prompt: str
    seed: int
    scorer: str
    images: tuple[Pair, ...]


class Prompted(_Drawn):
    """A test prompt that was drawn at every strength, and its group."""

    group: Literal["erased", "kept"]
    prompt: str
    seed: int


class Frame(_Drawn):
    """One strength, and the alignment of each prompt's picture."""

    strength: float
    alignment: tuple[float, ...]


class Strengths(_Drawn):
    """A few test prompts at every strength (strength.json)."""

    scorer: str
    prompts: tuple[Prompted, ...]
    frames: tuple[Frame, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if any(len(frame.alignment) != len(self.prompts) for frame in self.frames):
            raise ValueError("every frame has one alignment for each prompt")
        return self


class Probed(Pair):
    """A probe as it was drawn, and whether the scorer recognises the concept in each picture."""

    way: str
    concept: str
    kind: str
    said: str
    note: str = ""
    seen: bool = False
    shows_before: bool | None = None
    shows_after: bool | None = None


class Probes(_Drawn):
    """The probes of a run (probes.json)."""

    scorer: str
    left_out: int = 0
    probes: tuple[Probed, ...] = Field(min_length=1)


def ready(run: Run) -> bool:
    """Whether the run has the erased weights and the report without which nothing can be tried."""
    return all((run.path / name).is_file() for name in ("erased.safetensors", "report.json"))


def tell(run: Run, progress: Progress) -> None:
    """Say how far the drawing is."""
    write_atomic(run.path / PROGRESS, json.dumps(progress._asdict()))


def progress(run: Run) -> Progress | None:
    """What the drawing last said; None when there is none, or it came to its end."""
    found = _read(run.path / PROGRESS)
    try:
        return Progress(str(found["verb"]), int(found["done"]), int(found["total"]), str(found["failed"]))
    except (KeyError, TypeError, ValueError):
        return None


def clear(run: Run) -> None:
    """Take back what was said."""
    (run.path / PROGRESS).unlink(missing_ok=True)


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """A hidden folder to write into, which takes the target's place when the block is through and else is gone."""
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    old = draft.with_suffix(".old.tmp")
    draft.mkdir(parents=True)
    try:
        yield draft
        if target.exists():
            os.replace(target, old)
        os.replace(draft, target)
    finally:
        for left in (draft, old):
            shutil.rmtree(left, ignore_errors=True)


def sweep(run: Run) -> None:
    """Remove what a killed process left half written. Only for the process that has claimed the run."""
    for folder in (run.path, run.path / "tries"):
        for left in folder.glob(".*.tmp"):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left, ignore_errors=True)


def new_try(run: Run) -> Path:
    """Where the next try goes; its name is the time, and nothing a visitor wrote is in it."""
    return run.path / "tries" / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"


def drop_oldest(run: Run) -> None:
    """Remove all tries but the newest."""
    for name in _names(run)[KEPT:]:
        shutil.rmtree(run.path / "tries" / name, ignore_errors=True)


def tries(run: Run, most: int = KEPT) -> list[OwnPrompt]:
    """Your own prompts, newest first; one that cannot be read is left out."""
    found = []
    for name in _names(run)[:most]:
        with suppress(Refusal):
            found.append(OwnPrompt.read(run.path / "tries" / name / "try.json"))
    return [each for each in found if each is not None]


def strength(run: Run) -> Strengths | None:
    """What was drawn at every strength; None before it is. Raises Refusal if it is unreadable."""
    return Strengths.read(run.path / "strength" / "strength.json")


def probes(run: Run) -> Probes | None:
    """The probes and what they showed; None before they are drawn. Raises Refusal if they are unreadable."""
    return Probes.read(run.path / "probes" / "probes.json")


def export_name(amount: float, whole: bool = True) -> str:
    """Where, inside the run's folder, a whole pipeline of this strength is written, or its changed weights alone."""
    return f"exports/strength-{amount:.2f}{'' if whole else '.safetensors'}"


def exports(run: Run) -> list[str]:
    """Names of the pipelines that were written."""
    names = (export_name(amount) for amount in STRENGTHS)
    return [name for name in names if (run.path / name / "model_index.json").is_file()]


def exported_weights(run: Run) -> list[str]:
    """Names of the files of changed weights that were written."""
    names = (export_name(amount, whole=False) for amount in STRENGTHS)
    return [name for name in names if (run.path / name).is_file()]


def _names(run: Run) -> list[str]:
    """Names of the tries, newest first."""
    folder = run.path / "tries"
    if not folder.is_dir():
        return []
    return sorted((entry.name for entry in folder.iterdir() if TRY.fullmatch(entry.name)), reverse=True)


def _read(path: Path) -> dict[str, Any]:
    """A json object; empty when there is none that can be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
