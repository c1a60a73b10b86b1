"""What is shown while somebody types: close words, remarks, the prompts of a run, its estimate and its command."""

import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import gradio as gr
from markupsafe import Markup

from balign import plain_text
from balign.data import kinds, plan, prompt_file, suggestions, word_choice
from balign.data.lexicon import load
from balign.data.lists import written
from balign.data.meaning import Meaning, known
from balign.data.prompts import PromptSets
from balign.host import limits
from balign.markup.formats import counted, duration
from balign.markup.languages import ENGLISH, LANGUAGE, said
from balign.markup.render import render
from balign.method.objectives import METHODS, settle
from balign.models.catalogue import find
from balign.refusal import Refusal
from balign.runs import prompt_lists
from balign.runs.config import MAX_KEEP, RunConfig
from balign.runs.estimate import forecast
from balign.ui import form, form_fields
from balign.ui.page import Answer, Caller, notice, uploaded

EXAMPLES = 3
"""Pairs of twins in the preview, and prompts of each test group."""
Values = Mapping[str, Any]
SURELY = 2.0
"""So many times longer than it may take a run must be estimated to be refused for it, since an estimate is none."""
MANY = {internal: kinds.MANY.get(kind, f"{kind}s") for kind, internal in kinds.KINDS.items()}
ROOM = 150_000
"""Characters of Keep that a file may fill."""


class Chip(NamedTuple):
    """A concept as it was understood: its name, its kind, and the kinds it may have; asked where nobody knows it."""

    name: str
    kind: str
    kinds: tuple[str, ...]
    asked: bool


class Draft(NamedTuple):
    """The runs that the form asks for, one per seed, and their prompts; empty and None as far as it is refused."""

    configs: list[RunConfig]
    sets: PromptSets | None
    offered: list[str] | None
    """Close words to keep; None where the concepts or the model are refused."""
    listed: frozenset[str]
    """The texts in Keep, in small letters."""
    refusal: str = ""
    field: str = ""
    """The field that the refusal is about, where that is known."""
    chips: tuple[Chip, ...] = ()
    elsewhere: bool = False
    """Whether only this shared instance refuses it."""


def read(values: Values) -> Draft:
    """What these values of the form come to, resolved once for everything that is shown of it. It loads no model."""
    configs: list[RunConfig] = []
    listed: frozenset[str] = frozenset()
    offered, shown = None, tuple[Chip, ...]()
    try:
        with contextlib.suppress(Refusal):
            listed = frozenset(text.lower() for text in form.lines(values.get("keep"), "the prompts to keep"))
        configs = form.configs(values)
        limits.check(configs[0])
        shown = chips(configs[0])
        configs = [form.understood(config) for config in configs]
        sets = prompt_lists.prompt_sets(configs[0], prompt_lists.resolve(configs[0]))
    except Refusal as refusal:
        with contextlib.suppress(Refusal):  # close words need no more than the concepts and the model
            config = form.config({name: values.get(name) for name in ("erase", "replace", "kind", "model")})
            limits.check(config)
            shown = shown or chips(config)
            offered = suggestions.close(prompt_lists.resolve(config))
        here = isinstance(refusal, limits.NotHere)
        return Draft(configs, None, offered, listed, form.in_words(refusal), refusal.field, shown, here)
    return Draft(configs, sets, suggestions.close(sets.lists), listed, chips=shown)


def chips(config: RunConfig) -> tuple[Chip, ...]:
    """The concepts as they were understood."""
    return tuple(
        Chip(concept.name, "" if meant.unsure else meant.kind, _possible(concept.name, meant), bool(meant.unsure))
        for concept, meant in prompt_lists.meanings(config)
    )


def _possible(name: str, meant: Meaning) -> tuple[str, ...]:
    """The kinds that a concept may have with its model."""
    if meant.unsure:
        return meant.unsure
    if meant.lexicon.closed:
        return tuple(kind for kind in kinds.KINDS if known(name, meant.lexicon.name, kind))
    return tuple(kind for kind in kinds.KINDS if kind != "category" or meant.kind == kind)


def follow(caller: Caller | None, values: Values) -> Answer:
    """Everything on the page that keeps in step with the form."""
    draft = read(values)
    possible = draft.configs and (draft.sets is not None or draft.elsewhere)
    return {
        "understood": understood(draft),
        "assist": assist(draft),
        "prompts": prompts(draft),
        "estimate": estimate(draft),
        "command": form.command(*draft.configs) if possible else "",
        "replace": gr.update(placeholder=instead(draft)),
    }


def instead(draft: Draft) -> str:
    """What will be drawn in the place of the concepts where nobody says it."""
    if draft.sets is None:
        return said("optional")
    if not draft.configs[0].erase[0].replace_with and not form.replaces(draft.configs[0]):
        return said("not used by this method")
    names = list(dict.fromkeys(map(plan.replacement, draft.sets.lists.targets)))
    shown = ", ".join([*names[:3], *(["…"] if len(names) > 3 else [])])
    return said("left empty: {0}").format(shown)


def understood(draft: Draft) -> Markup:
    """Each concept with its kind, which can be changed, and a question for one whose kind nobody knows."""
    return render("ui/erase_tab/understood.html", chips=draft.chips)


def words(model: object) -> Markup:
    """The words to choose from with this model; none for one that is refused."""
    try:
        limits.check_model(name := str(model))
        lexicon = find(name).lexicon
    except Refusal:
        return Markup()
    return render(
        "ui/erase_tab/words.html",
        groups=(groups := word_choice.groups(lexicon)),
        count=sum(len(group.words) for group in groups),
        closed=load(lexicon).closed,
        examples=word_choice.examples(lexicon),
        kinds={kind: MANY[internal] for kind, internal in kinds.KINDS.items()},
    )


def estimated(caller: Caller, values: Values) -> Answer:
    """The estimate, by what has run since the page was built; in another language all of it."""
    return {"estimate": estimate(read(values))} if LANGUAGE.get() == ENGLISH else follow(caller, values)


def assist(draft: Draft) -> Markup:
    """Close words, and remarks."""
    return render("ui/erase_tab/assist.html", draft=draft)


def prompts(draft: Draft) -> Markup:
    """A few prompts of each set that a run would use, and how wide the keep side is."""
    twins = suggestions.twins(draft.sets)[:EXAMPLES] if draft.sets else []
    breadth = suggestions.breadth(draft.sets) if draft.sets else []
    shown = {"twins": twins, "breadth": breadth, "kinds": MANY, "shown": EXAMPLES}
    return render("ui/erase_tab/prompts.html", draft=draft, sets=draft.sets, **shown)


def estimate(draft: Draft) -> Markup:
    """What each run of the form will take, and what stands in its way: then it cannot be begun."""
    expected = forecast.estimate(draft.configs[0], draft.sets) if draft.sets is not None else None
    hurdle, warning = draft.refusal, ""
    if expected:
        hurdle = expected.obstacle if expected.impossible else ""
        warning = "" if expected.impossible else expected.obstacle or expected.warning
        most = limits.LIMITS.seconds
        if limits.public() and expected.seconds > most and not hurdle:
            cut = f"This shared instance ends a run after {duration(most)}; fewer steps and pictures take less."
            warning = "" if (sure := expected.seconds > SURELY * most) else cut
            hurdle = cut if sure else ""
    config = draft.configs[0] if expected else None
    return render(
        "ui/erase_tab/estimate.html",
        words=forecast.sentence(expected) if expected else "",
        choice=f"{find(config.model).name}, {METHODS[settle(config).method].title.lower()}" if config else "",
        folds=form_fields.FOLDS.get(draft.field, ""),
        expected=expected,
        runs=len(draft.configs),
        hurdle=hurdle,
        field=draft.field if draft.field in form_fields.FIELDS else "",
        label=form_fields.FIELDS.get(draft.field, ""),
        warning=warning,
    )


def from_file(caller: Caller | None, values: Values) -> Answer:
    """The text of Keep with an uploaded list below it, and how many prompts it added and left out."""
    keep = values.get("keep")
    with uploaded(values.get("file")) as path:
        size, most = path.stat().st_size, limits.LIMITS.prompt_file_bytes
        if size > most:
            raise Refusal(f"The file has {size:,} bytes; a file of prompts of at most {most:,} is accepted.")
        before = form.lines(keep, "the prompts to keep")
        try:
            for text in before:
                plain_text.one_line(text)
        except ValueError as error:
            raise Refusal(f"In Keep, {error}.") from None
        room = (limits.LIMITS.keep if limits.public() else MAX_KEEP) - len(before)
        found = prompt_file.read(path, max(room, 0))
    added, remarks = found.texts, list(found.remarks)
    with contextlib.suppress(Refusal):  # a list that is refused is said above Keep
        config = form.config({name: values.get(name) for name in ("erase", "replace", "kind", "model")})
        limits.check(config)
        added, left_out = prompt_lists.that_may_stay(added, config)
        remarks += [left_out] if left_out else []
    while added and sum(map(len, added)) > ROOM:
        added = added[::2]
        remarks.append(f"Only {len(added):,} have room in Keep.")
    message = " ".join((f"{counted(len(added), 'prompt')} {'was' if len(added) == 1 else 'were'} added.", *remarks))
    typed = [keep.rstrip()] if isinstance(keep, str) and keep.rstrip() else []
    return {"keep": "\n".join([*typed, *([written(added, "\n")] if added else [])]), "added": notice(message, "remark")}
