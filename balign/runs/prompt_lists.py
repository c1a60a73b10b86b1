"""What a config stands for before a model is loaded: its two lists, its prompts, and how many pictures it draws."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from balign.data import targets
from balign.data.lists import split
from balign.data.meaning import Meaning, understand
from balign.data.prompts import PromptSets, build
from balign.data.targets import Lists, clash
from balign.markup.formats import counted
from balign.measure import nudity
from balign.measure.judges import NUDITY
from balign.measure.report import TESTED
from balign.method.objectives import settle
from balign.models import distilled, prompt_length, solver
from balign.models.catalogue import Entry, find, scheduler
from balign.refusal import Refusal, about
from balign.runs.config import Concept, RunConfig

BATCH = 8
"""Pictures drawn at once. Test pictures are drawn in fixed groups of this many."""
PREVIEWED = 4
"""Pictures of each group in a preview."""
FIRST = 12
"""Pictures of each side, to forget and to keep, that are shown as they are drawn, and as many pairs."""


class Pictures(NamedTuple):
    """How many pictures a run draws."""

    training: int
    compared: int
    """Test pictures, before and after."""
    reference: int
    """Of the kept test prompts, from other seeds, by the base alone."""
    checked: int
    """Drawn once more, to check that unchanged weights change nothing."""
    previews: int
    """Previews on the way."""
    in_preview: int
    """Pictures in each of them."""


def settled(config: RunConfig, how: str = "--kind") -> RunConfig:
    """The config with the kind of every concept that is no plain listed thing, as a new run stores it.

    how: where the kind can be said. Raises Refusal for a name that no list has and whose wording tells nothing.
    """
    unsure = questions(config)
    if unsure:
        name, kinds = next(iter(unsure.items()))
        more = f" {len(unsure) - 1} more names are unknown too." if len(unsure) > 1 else ""
        with about("erase"):
            raise Refusal(
                f"{name!r} is in no list of words: say with {how} what it is, most likely {kinds[0]}; "
                f"accepted are {', '.join(kinds)}.{more}"
            )
    erase = []
    for concept, meant in meanings(config):
        listed = meant.words[0] in meant.lexicon.words.get("object", {}).values()
        plain = meant.lexicon.closed or (listed and len(meant.words) == 1)
        erase.append(concept if concept.kind or plain else concept.model_copy(update={"kind": meant.kind}))
    return config.model_copy(update={"erase": tuple(erase)})


def questions(config: RunConfig) -> dict[str, tuple[str, ...]]:
    """Each name whose kind nobody knows, and the kinds it may be, the likeliest first."""
    return {concept.name: meant.unsure for concept, meant in meanings(config) if meant.unsure}


def meanings(config: RunConfig) -> list[tuple[Concept, Meaning]]:
    """The concepts, each with what it stands for. Raises Refusal for a word that the model does not know."""
    with about("model"):
        lexicon = find(config.model).lexicon
    with about("erase"):
        return [(concept, understand(concept.name, lexicon, concept.kind)) for concept in config.erase]


def that_may_stay(texts: Sequence[str], config: RunConfig) -> tuple[list[str], str]:
    """The texts of a file that name nothing which the config erases, and a sentence for the others, if any."""
    lists = resolve(config)
    clashes = [clash(text, lists.forms, lists.targets[0].lexicon) for text in texts]
    kept = [text for text, (name, merely) in zip(texts, clashes, strict=True) if name is None or merely]
    out = len(texts) - len(kept)
    return kept, f"Left out: {counted(out, 'prompt')} with the name of what is erased." if out else ""


def resolve(config: RunConfig) -> Lists:
    """The config's two lists, resolved and checked, with what is to be said of the model, as far as that is known yet.

    Raises Refusal for what cannot be erased or kept.
    """
    lists = targets.resolve(config.erase, config.keep, find(config.model).lexicon)
    remarks = model_remarks(config)
    if any(target.word.category in NUDITY for target in lists.targets) and not nudity.installed():
        remarks.append(nudity.INSTALL)
    return replace(lists, warnings=(*lists.warnings, *remarks))


def model_entry(config: RunConfig) -> Entry:
    """The model's entry, at the size that the run asks for."""
    entry = find(config.model)
    return replace(entry, size=(config.size, config.size)) if config.size else entry


def model_remarks(config: RunConfig) -> list[str]:
    """A sentence for each thing about drawing with this model that is not as one might expect."""
    entry = find(config.model)
    noise = scheduler(entry)
    steps = config.sampling_steps or entry.steps
    guidance = entry.guidance if config.guidance is None else config.guidance
    remarks = [distilled.remark(entry.id, noise, steps, guidance)]
    if config.size and entry.size != (config.size, config.size):
        height, width = entry.size
        remarks.append(
            f"Drawn is at {config.size} px; the model was trained at {width} x {height} and draws worse at other sizes."
        )
    return [*filter(None, remarks), *(solver.overridden(noise) if noise and entry.family != "DiT" else ())]


def prompt_sets(config: RunConfig, lists: Lists) -> PromptSets:
    """The prompts of a run, from its config and what `resolve` gave for it."""
    sets = build(
        lists,
        n_forget=config.n_forget,
        n_retain=config.n_retain,
        seed=config.seed,
        uniform=not settle(config).objective.diversified,
        n_test=config.n_eval,
        forget_pictures=[(picture.caption or "", picture.sha256) for picture in config.forget_pictures],
        keep_pictures=[(picture.caption or "", picture.sha256) for picture in config.keep_pictures],
        grammar=config.grammar,
        n_trained=config.n_trained,
        only=split(config.retain_words),
    )
    unlisted = [target for target in lists.targets if target.word.name not in target.lexicon.listed]
    typed = [*lists.keep, *(sets.forget[: len(lists.targets)] if unlisted else ())]
    sets.warnings.extend(prompt_length.warnings(find(config.model), typed))
    return sets


def pictures(config: RunConfig, sets: PromptSets | None = None) -> Pictures:
    """How many pictures the run draws; without its prompts, how many at most."""
    prompts = sum(map(len, sets.tests.values())) if sets else len(TESTED) * config.n_eval + config.n_trained
    tests = prompts * config.eval_seeds + sum(config.eval_seeds if t.seed is None else 1 for t in config.tests)
    training = (0 if config.forget_pictures else config.n_forget) + max(config.n_retain - len(config.keep_pictures), 0)
    steps = settle(config).steps
    return Pictures(
        training=training if steps else 0,
        compared=2 * tests,
        reference=(len(sets.kept_test) if sets else config.n_eval) * config.eval_seeds,
        checked=min(BATCH, tests),
        previews=steps // config.preview_every if config.preview_every else 0,
        in_preview=len(TESTED) * min(PREVIEWED, config.n_eval * config.eval_seeds),
    )
