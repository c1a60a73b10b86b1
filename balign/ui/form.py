"""The form as data: from what is typed into it to configs, and from a config to the form and to a command."""

import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from subprocess import list2cmdline
from typing import Any

from pydantic import ValidationError

from balign import machine
from balign.data import lists
from balign.host import limits
from balign.method.objectives import DEFAULT_METHOD, METHODS, settle
from balign.models.catalogue import CATALOGUE, find
from balign.refusal import Refusal, about
from balign.runs import typed_lists
from balign.runs.config import Concept, Options, RunConfig, refusal
from balign.runs.prompt_lists import resolve, settled
from balign.ui.form_fields import CHOICES, FIELDS, OF_MODEL, REPLACING, SETTINGS, SIZES, WAYS, Setting

MAX_SEEDS = 20
DUEL = (DEFAULT_METHOD, "rgd", "esd")
"""The methods that a press compares a finished run with: ours, the paper's and a baseline."""
MAX_TEXT = 200_000
"""Characters that a text box may hold; a longer text is refused before it is split."""


def default(name: str) -> Any:
    """A setting's default, which is the config's."""
    return Options.model_fields[name].default


def written(value: Any) -> str:
    """A setting as it stands in its box; empty where it is left to the method or the model."""
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def models() -> list[tuple[str, str]]:
    """The base models on offer: what is shown, and the id."""
    needs = "" if machine.cards_free() else ", needs a graphics card"
    return [(f"{e.name} · {'bundled' if e.bundled else f'from the hub{needs}'}", e.id) for e in CATALOGUE]


def methods() -> list[tuple[str, str]]:
    """The methods on offer, the default first: what is shown, and the name."""
    return [(METHODS[name].title, name) for name in sorted(METHODS, key=lambda name: name != DEFAULT_METHOD)]


def way(method: str) -> str:
    """Which of WAYS a method is; empty for all others."""
    return method if method in dict(WAYS).values() else ""


def about_model(name: str) -> str:
    """One line on a base model: size, licence, what it needs."""
    limits.check_model(name)  # one that this instance does not offer is not even looked for
    entry = find(name)
    height, width = entry.size
    facts = [
        f"{width} px" if width == height else f"{width} x {height} px",
        entry.licence,
        f"about {entry.memory_gb:g} GB of memory",
        entry.note,
    ]
    return " · ".join(str(fact) for fact in facts if fact)


def numbers_of(model: str) -> dict[str, str]:
    """What an empty setting means with this model. Raises Refusal for a model that there is not."""
    entry = find(model)
    height, width = entry.size
    size = written(width) if width == height else f"{width} x {height}"
    return dict(zip(OF_MODEL, (written(entry.steps), size, written(entry.guidance)), strict=True))


def about_method(name: str) -> str:
    """What a method does in plain words, and whose it is."""
    row = METHODS.get(name)
    if row is None:
        return ""
    return f"{'Recommended. ' if name == DEFAULT_METHOD else ''}{row.note} ({row.cite.split(',')[0]})"


def replaces(config: RunConfig) -> bool:
    """Whether the run draws something in the place of what it erases."""
    settings = settle(config)
    return bool(settings.objective.edit) or settings.forget in REPLACING


def left_empty(setting: Setting, method: str) -> str:
    """What an empty setting means: the number of the method's row, or words."""
    value = getattr(METHODS.get(method), setting.name, None)
    return setting.none if value is None else written(value)


def lines(text: object, what: str, parted: Callable[[str], list[str]] = lists.split_prompts) -> list[str]:
    """The entries of a text box, as `data.lists` splits it."""
    if text is None:
        return []
    if not isinstance(text, str):
        raise Refusal(f"{what} is {str(text)[:40]!r}; plain text is accepted.")
    if len(text) > MAX_TEXT:
        raise Refusal(f"{len(text):,} characters were given for {what}; at most {MAX_TEXT:,} are accepted.")
    return parted(text)


def concepts(erase: object, replace: object, kind: object = None, model: str = "emoji") -> list[Concept]:
    """The concepts to erase with their replacements and kinds; `cat=dog` in the first box says both."""
    with about("erase"):
        whole = lines(erase, "the concepts to erase", lambda text: [text])
        erased = typed_lists.concepts(whole, lines(kind, "the kind", lists.split), model)
        if not erased:
            raise Refusal("Nothing to erase was given; name at least one concept, such as cat.")
    with about("replace"):
        replacements = lines(replace, "the replacement", lists.split)
        if len(replacements) not in (0, 1, len(erased)):
            raise Refusal(
                f"{len(replacements)} replacements were given for {len(erased)} concepts; "
                "give one for all, or one for each."
            )
    if not replacements:
        return erased
    each = replacements if len(replacements) == len(erased) else replacements * len(erased)
    return [
        concept if concept.replace_with else Concept(name=concept.name, replace_with=other, kind=concept.kind)
        for concept, other in zip(erased, each, strict=True)
    ]


def config(values: Mapping[str, Any]) -> RunConfig:
    """The config the page asks for. Empty settings are left to the method or the model."""
    boxes = {setting.name: values.get(setting.name) for setting in SETTINGS}
    boxes = {name: value.strip() if isinstance(value, str) else value for name, value in boxes.items()}
    filled_in: dict[str, Any] = {name: value for name, value in boxes.items() if value not in (None, "")}
    filled_in |= {name: values[name] for name in CHOICES if values.get(name)}
    try:
        model = str(values.get("model") or default("model"))
        with about("model"):
            limits.check_model(model)  # one that this instance does not offer is not even looked for
        listed = concepts(values.get("erase"), values.get("replace"), values.get("kind"), model)
        erase = [concept.model_dump() for concept in listed]
    except ValidationError as error:
        raise refusal(error) from None
    with about("keep"):
        keep = lines(values.get("keep"), "the prompts to keep")
    return RunConfig.parse({**filled_in, "erase": erase, "keep": keep})


def in_words(refused: Refusal) -> str:
    """A refusal as the page says it: a setting by its label, and not by its name in the config."""
    text, name = str(refused), f"{refused.field} is "
    return (
        f"{FIELDS[refused.field]}: {text.removeprefix(name)}" if name in text[: len(name)] and name[0] != " " else text
    )


def configs(values: Mapping[str, Any]) -> list[RunConfig]:
    """The configs the page asks for, one per seed."""
    with about("seed"):
        seeds = _seeds(values.get("seed"))
    return [config({**values, "seed": seed}) for seed in seeds]


def sizes(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the form says of the batches; None where it leaves them to the method or the memory."""
    boxes = {name: str(values.get(name) or "").strip() for name in SIZES}
    return {name: text or None for name, text in boxes.items()}


def _seeds(text: Any) -> list[Any]:
    """The seeds in their box: numbers with commas between them, and ranges such as 0-2; [None] for an empty one."""
    seeds: list[str] = []
    for part in str("" if text is None else text)[:MAX_TEXT].split(","):
        ends = re.fullmatch(r"\s*(\d{1,10})\s*-\s*(\d{1,10})\s*", part, re.ASCII)
        first, last = (int(end) for end in ends.groups()) if ends else (0, 0)
        if ends and first > last:
            raise Refusal(f"The seeds {part.strip()} run backwards; {last}-{first} is accepted.")
        if not ends and part.strip() and not re.fullmatch(r"\d{1,10}", part.strip(), re.ASCII):
            raise Refusal(f"{part.strip()[:40]!r} is no seed; a whole number such as 1, or a range such as 0-2, is.")
        seeds += map(str, range(first, min(last, first + MAX_SEEDS) + 1)) if ends else [part.strip()]
        if len(seeds) > MAX_SEEDS:
            raise Refusal(f"More than {MAX_SEEDS} seeds were given; at most {MAX_SEEDS} are accepted.")
    return list(dict.fromkeys(seed for seed in seeds if seed)) or [None]


def understood(config: RunConfig, how: str = "the buttons under Erase") -> RunConfig:
    """The config with the kinds of its concepts. Raises Refusal for one that nobody knows, saying ``how`` to say it."""
    limits.check(config)
    return settled(config, how)


def advice(config: RunConfig) -> list[str]:
    """The warnings about the two lists of a run. Raises Refusal for a run that cannot be, or not on this instance."""
    limits.check(config)
    return list(resolve(config).warnings)


def command(first: RunConfig, *others: RunConfig) -> str:
    """The command that starts the same run, or the runs of several seeds. Defaults are left out."""
    if others:
        seeds = " ".join(str(run.seed) for run in (first, *others))
        one = command(first.model_copy(update={"seed": default("seed")}))
        return f"for seed in {seeds}; do {one} --seed $seed; done"
    erased = [f"{c.name}={c.replace_with}" if c.replace_with else c.name for c in first.erase]
    words = [_no_flag(lists.written([text], ", ")) for text in erased]
    kinds = [concept.kind or "" for concept in first.erase]
    if any(kinds):
        words += ["--kind", *(kinds if len(set(kinds)) > 1 else kinds[:1])]
    if first.keep:
        words += ["--keep", *(_no_flag(lists.written([text], "\n")) for text in first.keep)]
    for name, field in Options.model_fields.items():
        value = getattr(first, name)
        if value != field.default and not (name == "method" and value == DEFAULT_METHOD):
            flag = name.replace("_", "-")
            on_or_off = [f"--{'' if value else 'no-'}{flag}"]
            words += on_or_off if isinstance(value, bool) else [f"--{flag}", written(value)]
    return f"python -m balign erase {quoted(words)}"


def _no_flag(text: str) -> str:
    """The text, which the command line does not take for a flag; a blank before it is of no account."""
    return f" {text}" if text.startswith("-") else text


def quoted(words: Sequence[str]) -> str:
    """The words as the shell of this system takes them for what they are."""
    return list2cmdline(words) if os.name == "nt" else shlex.join(words)


def filled(config: RunConfig) -> dict[str, Any]:
    """What the form shows for a run: the reverse of `config`."""
    shown: dict[str, Any] = {setting.name: written(getattr(config, setting.name)) for setting in SETTINGS}
    return shown | {
        "erase": lists.written([concept.name for concept in config.erase], ", "),
        "replace": lists.written([c.replace_with for c in config.erase if c.replace_with], ", "),
        "kind": "; ".join(f"{lists.written([c.name], ', ')}={c.kind}" for c in config.erase if c.kind),
        "keep": lists.written(config.keep, "\n"),
        "model": config.model,
        "method": config.method or DEFAULT_METHOD,
        "train": config.train or "",
        "forget": config.forget or "",
        "combine": config.combine or "",
    }
