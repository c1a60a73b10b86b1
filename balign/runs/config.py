"""The config of a run: what to erase, what to keep, which model and method, and their settings.

A value left at None is that of the method's row or the model's catalogue entry. Whether a concept or a model exists is
checked when the run starts.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from balign import plain_text
from balign.data.grammar import Grammar
from balign.method.objectives import EditWhen, Promise, RetainTarget, find, settle
from balign.refusal import Refusal
from balign.runs.accepted_text import SHORT, ConceptName, Kind, Prompt, model_name
from balign.runs.own_entries import MAX_PICTURES, MAX_TESTS, PictureEntry, TestPrompt

MAX_CONCEPTS = 32
MAX_KEEP = 2_000
MAX_STEPS = 5_000
ARROW = re.compile(r"\s*(?:->|=>|\u2192|\u21d2|=)\s*")
"""Between a concept and what to put in its place."""
COUNTS = {
    "erase": (MAX_CONCEPTS, "concepts to erase"),
    "keep": (MAX_KEEP, "prompts to keep"),
    "tests": (MAX_TESTS, "prompts to test on"),
    "forget_pictures": (MAX_PICTURES, "pictures to forget"),
    "keep_pictures": (MAX_PICTURES, "pictures to keep"),
}
"""Most entries of each list, and what they are."""


class ParsedRequest(BaseModel):
    """What somebody asks for beside a run, checked value by value."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def parse(cls, **values: Any) -> Self:
        """The request of these values. Raises Refusal if one of them is not accepted."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise Refusal(explain(error)) from None


class Concept(BaseModel):
    """Something to erase, of which kind it is, and, for methods that put something in its place, what to put there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ConceptName
    replace_with: ConceptName | None = None
    kind: Kind = None
    """A key of `data.kinds.KINDS`; None where nobody said it, as in every run of an earlier release."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `cat`, or `cat=dog` for a dog in place of the cat. Raises Refusal for what cannot be a concept."""
        name, *replacement = ARROW.split(text, maxsplit=1)
        try:
            return cls(name=name, replace_with="".join(replacement) or None)
        except ValidationError as error:
            raise Refusal(explain(error)) from None


class Options(BaseModel):
    """Everything about a run but its two lists. Every field has a default that works on the bundled model."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    model: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(model_name)] = "emoji"
    """Base model: `emoji` (bundled), a hub id, a diffusers folder, or a .safetensors checkpoint."""
    size: Annotated[int, Field(ge=8, le=2_048, multiple_of=8)] | None = None
    """Width and height of every image in pixels, such as 256 on a small card; left out, the model's."""
    method: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """Method to erase with; left out, the project's default."""
    forget: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """The forget loss, such as ascent or anchor; left out, the method's."""
    combine: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    """How the two gradients become one, such as restricted or plain_sum; left out, the method's."""
    retain_target: RetainTarget | None = None
    """What the retain loss compares with, the noise or the base model's prediction; left out, the method's."""
    project_step: bool | None = None
    """Whether each step is projected so that neither sampled loss rises to first order; left out, the method's."""
    promise: Promise | None = None
    """Whether a projected step is to raise neither loss to first order, or as measured; left out, the method's."""
    edit: Annotated[str, Field(max_length=100)] | None = None
    """A closed form that edits the weights too, such as redirect, or "" for none; left out, the method's."""
    edit_when: EditWhen | None = None
    """Whether that edit comes before or after the steps; left out, the method's."""
    by_layer: bool | None = None
    """Whether the two gradients are combined in each weight by itself; left out, the method's."""
    quota: Annotated[float, Field(gt=0, le=1)] | None = None
    """For the combiner hamu: how much to forget, as a share of the most a step could; left out, the method's."""
    buffer: Annotated[int, Field(ge=0, le=32)] | None = None
    """How many earlier retain gradients the projected step must not oppose either; left out, the method's."""
    train: Literal["cross_attention_kv", "cross_attention", "not_cross_attention", "all"] | None = None
    """Which weights of the denoiser train; left out, the method's."""
    steps: Annotated[int, Field(ge=0, le=MAX_STEPS)] | None = None
    """Number of training steps; left out, the method's."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    """Learning rate of the optimiser; left out, the method's."""
    retain_weight: Annotated[float, Field(ge=0, le=1_000)] | None = None
    """Weight of the retain loss against the forget loss; left out, the method's."""
    truncation: Annotated[float, Field(gt=0, le=1_000)] | None = None
    """Forget loss beyond which ascent stops; left out, the method's."""
    negative_guidance: Annotated[float, Field(ge=0, le=20)] | None = None
    """How far to lead away from the concept, for methods that do so; left out, the method's."""
    batch_forget: Annotated[int, Field(ge=1, le=256)] | None = None
    """Images to forget in one step; left out, the method's."""
    batch_retain: Annotated[int, Field(ge=1, le=256)] | None = None
    """Images to retain in one step; left out, the method's."""
    micro_batch: Annotated[int, Field(ge=1, le=256)] | None = None
    """How many pictures of a batch go through the model at once; left out, as many as fit into the memory."""
    gradient_checkpointing: bool | None = None
    """Whether to compute activations twice and not keep them; left out, if nothing else fits into the memory."""
    n_forget: Annotated[int, Field(ge=1, le=2_000)] = 64
    """How many images of the erased concepts the base model draws to train on."""
    n_retain: Annotated[int, Field(ge=1, le=2_000)] = 128
    """How many images of everything else the base model draws to train on."""
    retain_words: Annotated[str, Field(max_length=2_000)] = ""
    """Words that alone are guarded in training, with commas, to see what a narrow retain set costs; left out, all."""
    sampling_steps: Annotated[int, Field(ge=1, le=200)] | None = None
    """Denoising steps for every image; left out, the model's."""
    guidance: Annotated[float, Field(ge=0, le=50)] | None = None
    """Classifier-free guidance for every image; left out, the model's."""
    sampler: Literal["dpm", "pndm"] = "dpm"
    """What images are drawn with: dpm, which is DPM-Solver++, or pndm, the paper's, of one prediction more."""
    scorer: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(model_name)] | None = None
    """CLIP model that scores the images; left out, the model's."""
    n_eval: Annotated[int, Field(ge=1, le=500)] = 16
    """How many test prompts each of the three groups has."""
    n_trained: Annotated[int, Field(ge=0, le=2_000)] = 0
    """How many of the prompts to retain that are trained on are tested as well, as a group of their own."""
    eval_seeds: Annotated[int, Field(ge=1, le=20)] = 1
    """How many images are drawn for each test prompt."""
    measure_every: Annotated[int, Field(ge=0, le=MAX_STEPS)] = 10
    """Measure the real change of both losses every so many steps; 0 never does."""
    preview_every: Annotated[int, Field(ge=0, le=MAX_STEPS)] = 20
    """Draw a few images with the current weights every so many steps; 0 never does."""
    checkpoint_every: Annotated[int, Field(ge=1, le=MAX_STEPS)] = 20
    """Save a checkpoint of the training every so many steps."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Everything random follows from this seed."""
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d{1,2})?)$")] = "auto"
    """Where to compute: auto, cpu, mps, cuda or cuda:1."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Number format to draw in; auto takes the fastest that the device is good at. Gradients are always fp32."""

    @field_validator("method")
    @classmethod
    def _a_known_method(cls, value: str | None) -> str | None:
        if value is not None:
            find(value)
        return value

    @model_validator(mode="after")
    def _settled(self) -> Self:
        settle(self)  # refuses numbers that do not go with the method
        return self


class RunConfig(Options):
    """A whole run: the two lists and the options."""

    erase: tuple[Concept, ...]
    """What to erase."""
    keep: tuple[Prompt, ...] = ()
    """Prompts or words to keep on purpose, in addition to what is kept anyway."""
    tests: tuple[TestPrompt, ...] = ()
    """Prompts of one's own to test on, beside the three groups that are tested anyway."""
    forget_pictures: tuple[PictureEntry, ...] = ()
    """Pictures of one's own to forget, instead of those that the model would draw."""
    keep_pictures: tuple[PictureEntry, ...] = ()
    """Pictures of one's own to keep, before those that the model draws."""
    grammar: Grammar | None = None
    """What the prompts are made by, instead of the wordings of the concept's kind; see `recipes/`."""

    @model_validator(mode="before")
    @classmethod
    def _of_an_earlier_release(cls, value: Any) -> Any:
        """A stored config without `edit` is from when the default was `balign`: its run means that method still.

        A stored one holds every field that there was; what somebody asks for may say `"method": null` too.
        """
        stored = isinstance(value, dict) and {"method", "steps", "scorer", "seed", "device"} <= value.keys()
        if stored and "edit" not in value and value["method"] is None:
            return value | {"method": "balign"}
        return value

    @field_validator("erase", "keep", "tests", "forget_pictures", "keep_pictures", mode="before")
    @classmethod
    def _count_first(cls, value: Any, info: Any) -> Any:
        """Refuse a list that is too long before reading any of it."""
        if isinstance(value, str):
            value = [value]
        most, what = COUNTS[info.field_name]
        if isinstance(value, list | tuple) and len(value) > most:
            raise ValueError(f"{len(value):,} {what} were given; at most {most:,} are accepted")
        return value

    @field_validator("erase")
    @classmethod
    def _something_to_erase(cls, value: tuple[Concept, ...]) -> tuple[Concept, ...]:
        if not value:
            raise ValueError("nothing to erase was given; name at least one concept")
        return value

    @model_validator(mode="after")
    def _twins_alone(self) -> Self:
        if self.grammar is not None and self.keep:
            raise ValueError("keep is given with a grammar, which retains its twins alone; leave one of them out")
        return self

    @classmethod
    def parse(cls, data: Mapping[str, Any] | str | bytes) -> Self:
        """Build a config from a mapping or json text. Raises Refusal of one sentence for what is wrong."""
        try:
            return cls.model_validate_json(data) if isinstance(data, str | bytes) else cls.model_validate(data)
        except ValidationError as error:
            raise refusal(error) from None

    def to_json(self) -> str:
        return self.model_dump_json(indent=2) + "\n"


ACCEPTED = {
    "tuple_type": "a list",
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_parsing", "float_type", "finite_number"), "a number"),
    "greater_than": "more than {gt:,}",
    "greater_than_equal": "at least {ge:,}",
    "less_than": "less than {lt:,}",
    "less_than_equal": "at most {le:,}",
    "multiple_of": "a multiple of {multiple_of}",
    "literal_error": "{expected}",
}
"""What a number or a choice may be, by pydantic's name of the error."""


def refusal(error: ValidationError) -> Refusal:
    """The refusal of a config, which knows the field that it is about."""
    refused, place = Refusal(explain(error)), error.errors(include_url=False)[0]["loc"]
    refused.field = "replace" if "replace_with" in place else str(place[0]) if place else ""
    return refused


def explain(error: ValidationError, settings: bool = True) -> str:
    """The first thing wrong with a config, as one sentence naming the value and what would be accepted.

    settings: whether the keys are those of a config, which are then named.
    """
    first = error.errors(include_url=False)[0]
    field = " ".join(plain_text.harmless(".".join(str(part) for part in first["loc"])).split())[:60] or "config"
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    if first["type"] == "value_error":
        return f"{message[0].upper()}{message[1:]}."
    if first["type"] == "extra_forbidden" and not settings:
        return f"{field} is not known; nothing of this name is accepted."
    if first["type"] == "extra_forbidden":
        known = ", ".join(sorted(RunConfig.model_fields))
        return f"{field} is not a setting; the settings are {known}."
    if first["type"] == "missing":
        return f"{field} is missing; it must be given."
    if first["type"] == "json_invalid":
        return f"The config is not readable json: {message.removeprefix('Invalid JSON: ')}."
    if first["type"] == "string_pattern_mismatch":
        return f"{field} is {SHORT.repr(first['input'])}; auto, cpu, mps, cuda or cuda:N is accepted."
    said = f"{field} is {SHORT.repr(first['input'])[:60]}"
    accepted = ACCEPTED.get(first["type"])
    if accepted is None:
        return f"{said}: {message[0].lower()}{message[1:]}."
    return f"{said}; {accepted.format_map(first.get('ctx', {}))} is accepted."
