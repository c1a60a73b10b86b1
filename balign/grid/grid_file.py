"""A grid file: which methods, models, concepts, seeds and settings are crossed. Each combination is a cell.

A cell's folder is named by a hash of what its config says beside the defaults, so that it is found again whatever else
changes in the file.
"""

import hashlib
import itertools
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from balign import plain_text
from balign.method.objectives import DEFAULT_METHOD, METHODS, settle
from balign.models.catalogue import find
from balign.refusal import Refusal
from balign.runs.accepted_text import Prompt
from balign.runs.config import Concept, Options, RunConfig, explain
from balign.runs.prompt_lists import resolve, settled
from balign.runs.tryout.attack_store import AttackRequest

MOST_CELLS = 20_000


NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,60}")
CROSSED = {"model": "models", "seed": "seeds"}
"""Settings that every cell has of its own, and the part of the grid that lists them."""


def _title(text: str) -> str:
    plain_text.check(text)
    return text.strip()


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError(f"name is {text[:60]!r}; small letters, digits, - and _ are accepted")
    return text


def _options(values: dict[str, Any]) -> dict[str, Any]:
    """Settings of runs, each checked."""
    if crossed := sorted(values.keys() & CROSSED.keys()):
        raise ValueError(f"{crossed[0]} stands among the settings; list it in {CROSSED[crossed[0]]}")
    try:
        Options.model_validate(values)
    except ValidationError as error:
        raise Refusal(explain(error)) from None
    if str(values.get("device", "auto")).startswith("cuda:"):
        raise ValueError(f"device is {values['device']}; a grid takes every device, so auto, cpu or cuda is accepted")
    return values


Title = Annotated[str, Field(min_length=1, max_length=80), AfterValidator(_title)]
GridOptions = Annotated[dict[str, Any], AfterValidator(_options)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Choice(_Part):
    """Settings under a title: a method, or a variant of what all methods share."""

    title: Title
    options: GridOptions = {}

    @model_validator(mode="before")
    @classmethod
    def _from_table(cls, value: Any) -> Any:
        """The name of a method, or a table of a title and settings."""
        if isinstance(value, str):
            return {"title": value, "options": {"method": value}}
        if not isinstance(value, dict):
            raise ValueError("a method or variant is neither a name nor a table")
        options = {name: each for name, each in value.items() if name != "title"}
        return {"title": value.get("title", value.get("method", "")), "options": options}


class GridTarget(_Part):
    """What one cell erases and keeps."""

    title: Title
    erase: Annotated[tuple[Concept, ...], Field(min_length=1)]
    keep: tuple[Prompt, ...] = ()
    retain_words: Annotated[str, Field(max_length=2_000)] = ""

    @model_validator(mode="before")
    @classmethod
    def _from_words(cls, value: Any) -> Any:
        """`cat`, or a table whose list to erase holds such words; `cat=dog` draws a dog in place of a cat."""
        values = {"erase": value} if isinstance(value, str | list) else value
        if not isinstance(values, dict):
            raise ValueError("a concept is neither a word nor a table")
        erase = values.get("erase", ())
        listed = [erase] if isinstance(erase, str) else erase
        parsed = [Concept.parse(each) if isinstance(each, str) else each for each in listed]
        names = ", ".join(concept.name for concept in parsed if isinstance(concept, Concept))
        return {"title": names or "nothing", **values, "erase": parsed}


class Attacks(_Part):
    """The attacks on every cell; each concept may have a control of its own."""

    request: AttackRequest
    control: dict[str, str] = {}
    """The first erased concept -> the model folder that never knew it, from the grid file's folder."""

    @model_validator(mode="before")
    @classmethod
    def _from_table(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "concept" in value:
            raise ValueError("attack is not a table of what `balign attack` takes, without a concept")
        return {
            "request": {name: each for name, each in value.items() if name != "control"},
            "control": value.get("control", {}),
        }

    def on(self, target: GridTarget, folder: Path) -> AttackRequest:
        """The request for what one cell erased."""
        control = self.control.get(target.erase[0].name)
        return self.request.model_copy(update={"control": str((folder / control).absolute()) if control else None})


class GridCell(NamedTuple):
    """One run of a grid: where it stands in the table, its config, and how it is attacked."""

    method: str
    model: str
    concept: str
    seed: int
    variant: str
    config: RunConfig
    attack: AttackRequest | None = None

    @property
    def id(self) -> str:
        """The name of its folder."""
        told = json.dumps(self.config.model_dump(mode="json", exclude_defaults=True), sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:20]

    @property
    def title(self) -> str:
        """What it is, in a line."""
        return ", ".join(filter(None, (self.method, self.model, self.concept, f"seed {self.seed}", self.variant)))

    def place(self) -> dict[str, str | int]:
        """Where it stands in the table."""
        return {name: getattr(self, name) for name in ("id", "method", "model", "concept", "seed", "variant")}


class Grid(_Part):
    """A grid file."""

    name: Annotated[str, AfterValidator(_name)]
    methods: Annotated[tuple[Choice, ...], Field(min_length=1)]
    models: Annotated[tuple[str, ...], Field(min_length=1)] = ("emoji",)
    concepts: Annotated[tuple[GridTarget, ...], Field(min_length=1)]
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    settings: GridOptions = {}
    """Shared by all cells."""
    variants: tuple[Choice, ...] = ()
    """Settings crossed with everything else; they come before a method's own, and those before the shared ones."""
    attack: Attacks | None = None
    against: str = ""
    """The method that the others are compared with; left out, the first."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Of the processor for each cell. The last bits of a result follow from it, so it is part of the plan."""
    folder: Annotated[Path, Field(exclude=True)] = Path()
    """Where the file lies."""

    @field_validator("methods", "variants")
    @classmethod
    def _different(cls, value: tuple[Choice, ...]) -> tuple[Choice, ...]:
        title, times = max(Counter(choice.title for choice in value).items(), key=lambda each: each[1], default=("", 0))
        if times > 1:
            raise ValueError(f"the title {title!r} was given {times} times; give each its own")
        return value

    @classmethod
    def read(cls, path: Path) -> Self:
        """The grid in this file. Raises Refusal of one sentence for what is wrong in it."""
        try:
            values = tomllib.loads(path.read_bytes().decode())
        except ValueError as error:  # neither utf-8 nor toml
            raise Refusal(f"{path.name} is not readable toml: {' '.join(str(error).split())}.") from None
        if unknown := sorted(values.keys() - (cls.model_fields.keys() - {"folder"})):
            known = ", ".join(name for name in cls.model_fields if name != "folder")
            raise Refusal(f"{unknown[0][:60]!r} is no part of a grid; its parts are {known}.")
        try:
            grid = cls.model_validate(values | {"folder": path.absolute().parent})
        except ValidationError as error:
            raise Refusal(explain(error)) from None
        titles = [method.title for method in grid.methods]
        if grid.against and grid.against not in titles:
            raise Refusal(f"against is {grid.against!r}, which is no method here; there are {', '.join(titles)}.")
        return grid

    @property
    def compared_with(self) -> str:
        """The title of the method that the others are compared with."""
        return self.against or self.methods[0].title

    def cells(self) -> list[GridCell]:
        """Every cell, checked. Cells that draw the same follow each other at a distance: what one drew, others find.

        Raises Refusal for a combination that cannot be run, or stands there twice.
        """
        count = len(self.methods) * len(self.models) * len(self.concepts) * len(self.seeds) * max(len(self.variants), 1)
        if count > MOST_CELLS:
            raise Refusal(f"The grid has {count:,} cells; at most {MOST_CELLS:,} are accepted.")
        cells, seen, checked = list(self._crossed()), dict[str, GridCell](), set[tuple[str, str]]()
        for cell in cells:
            if cell.id in seen:
                raise Refusal(f"Two cells are the same run: {seen[cell.id].title}; and {cell.title}.")
            seen[cell.id] = cell
            settle(cell.config)
            lists = (cell.model, repr((cell.config.erase, cell.config.keep)))
            if lists not in checked:
                resolve(settled(cell.config, "the field kind"))
                if cell.attack and cell.attack.control:
                    find(cell.attack.control)
                checked.add(lists)
        return cells

    def _crossed(self) -> Iterator[GridCell]:
        variants: tuple[Choice | None, ...] = self.variants or (None,)
        for variant, method, seed, model, target in itertools.product(
            variants, self.methods, self.seeds, self.models, self.concepts
        ):
            told = self.settings | method.options | (variant.options if variant else {})
            told |= {"model": model, "seed": seed, "erase": target.erase, "keep": target.keep}
            told |= {"retain_words": target.retain_words} if target.retain_words else {}
            row = METHODS.get(told.get("method") or DEFAULT_METHOD)
            if row is not None and not row.steps:  # steps for all are meant for those that take any
                told.pop("steps", None)
            yield GridCell(
                method=method.title,
                model=model,
                concept=target.title,
                seed=seed,
                variant=variant.title if variant else "",
                config=RunConfig.parse(told),
                attack=self.attack.on(target, self.folder) if self.attack else None,
            )
