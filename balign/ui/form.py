"""The form as data: from what is typed into it to configs, and from a config to the form and to a command."""

import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from subprocess import list2cmdline
from typing import Any, NamedTuple

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

MAX_SEEDS = 20
DUEL = (DEFAULT_METHOD, "rgd", "esd")
"""The methods that a press compares a finished run with: ours, the paper's and a baseline."""
MAX_TEXT = 200_000
"""Characters that a text box may hold; a longer text is refused before it is split."""


class Setting(NamedTuple):
    """A number of the config under "Settings"; `none` names the source of its value when the box is left empty."""

    name: str
    label: str
    info: str
    none: str = ""


SETTINGS = (
    Setting("steps", "Steps", "More steps forget more and risk more.", "the method's own"),
    Setting("learning_rate", "Step size", "Learning rate of the optimiser.", "the method's own"),
    Setting("retain_weight", "Weight of keeping", "How much keeping counts.", "the method's own"),
    Setting("n_forget", "Pictures to forget", "Drawn by the model itself, to learn from."),
    Setting("n_retain", "Pictures to keep", "Drawn by the model itself, to learn from."),
    Setting("n_eval", "Test prompts a group", "More make the verdict surer and take longer."),
    Setting("sampling_steps", "Drawing steps", "Denoising steps for every picture.", "the model's own"),
    Setting("size", "Size", "Pixels of width and height; smaller ones fit a small card.", "the model's own"),
    Setting("guidance", "Guidance", "How strictly a picture follows its words.", "the model's own"),
    Setting("preview_every", "Preview every", "Steps between previews; 0 never draws one."),
    Setting("measure_every", "Measure every", "Steps between measurements of the losses; 0 never does."),
    Setting("batch_forget", "Batch to forget", "Pictures to forget in a step.", "the method's own"),
    Setting("batch_retain", "Batch to keep", "Pictures to keep in a step.", "the method's own"),
    Setting("micro_batch", "Pictures at a time", "Parts of a batch. Fewer take less memory.", "as many as fit"),
    Setting("seed", "Seeds", "All that is random follows from it. 0, 1, 2 or 0-2 makes a run of each."),
)
FIRST = tuple(setting for setting in SETTINGS if setting.name in ("steps", "learning_rate", "seed"))
"""The settings that are not for experts."""
TRAIN = (
    ("the method's own", ""),
    ("cross-attention keys and values", "cross_attention_kv"),
    ("cross-attention", "cross_attention"),
    ("all but the cross-attention", "not_cross_attention"),
    ("the whole denoiser", "all"),
)
WAYS = (("Remove and redirect", "both"), ("Remove", "remove"), ("Redirect", "redirect"), ("Another method", ""))
"""What to do with a concept: the three ways that are offered first, and all other methods."""
FORGETTING = (
    ("the method's own", ""),
    ("raise the error", "ascent"),
    ("raise the error where it is small", "weighted_ascent"),
    ("draw the replacement", "anchor"),
    ("draw the replacement, far pictures count less", "hellinger"),
    ("draw the replacement, far pictures count more", "chi_squared"),
    ("until nearer to the replacement", "hinge"),
    ("draw something that is kept", "random_label"),
    ("learn kept pictures under the name", "relabel"),
    ("lead away from the concept", "negative_guidance"),
    ("look away from the word", "attention"),
)
COMBINING = (
    ("the method's own", ""),
    ("restricted gradient", "restricted"),
    ("plain sum", "plain_sum"),
    ("only forgetting gives way", "unilateral"),
    ("bisector", "bisector"),
    ("shortest common descent", "mgda"),
    ("weighted sum on the dual cone", "dual_cone"),
    ("forget at least a quota", "hamu"),
    ("keep, subject to forgetting", "bilevel"),
    ("keep only", "retain_only"),
)
OF_MODEL = ("sampling_steps", "size", "guidance")
"""Settings whose value is the model's own when they are left empty."""
SIZES = ("batch_forget", "batch_retain", "micro_batch")
"""Settings that a run may be resumed with other values of."""
FIELDS = {"erase": "Erase", "replace": "Replace with", "keep": "Keep", "model": "Model", "method": "Method"}
FIELDS |= {"forget": "How to forget", "combine": "How the gradients combine", "train": "Which weights change"}
FIELDS |= {setting.name: setting.label for setting in SETTINGS}
"""The fields of the form and their labels."""
FOLDS = {
    **dict.fromkeys(("model", "method"), "model-and-method"),
    **dict.fromkeys((setting.name for setting in SETTINGS), "settings expert-settings"),
    **dict.fromkeys(("forget", "combine", "train"), "settings expert-settings"),
    **dict.fromkeys((setting.name for setting in FIRST), "settings"),
}
"""The ids of what a field is folded into, the outer one first."""
REPLACING = ("anchor", "hellinger", "chi_squared", "hinge")
"""The forget losses that aim at the replacement."""
CHOICES = ("model", "method", "forget", "combine", "train")
"""The fields of the config that are chosen from a list; an empty one is left to the method."""


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
