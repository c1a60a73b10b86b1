"""Diversified prompts: the forget set, the retain set, and the prompts that both are tested on.

After the paper (§3, App. D): a concept is spread over every other dimension of a prompt; training and test prompts
share no wording and no combination; a retain prompt is a forget prompt's twin with another word in the concept's place.
Everything follows from the seed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from balign.data import captions
from balign.data.grammar import Grammar
from balign.data.lexicon import Word
from balign.data.plan import Plan
from balign.data.scenes import Labelled
from balign.data.spelling import names
from balign.data.targets import Lists, Target
from balign.refusal import Refusal

RIVALS = 24  # labels that an unlisted word is distinguished from

Choices = dict[str, list[dict[str, list[str]]]]
"""For every kind, rival sets of labels, each label with the captions to recognise it by."""


@dataclass(frozen=True)
class PromptSets:
    """All prompts of a run. `anchor[i]` is `forget[i]` with the replacement in the concept's place."""

    lists: Lists = field(repr=False)

    forget: list[str]
    anchor: list[str]
    retain: list[str]
    listed: int  # so many of the retain prompts, the first, come from the keep list; the rest are twins
    erased_test: list[Labelled]
    kept_test: list[Labelled]
    neighbours_test: list[Labelled]
    erased: dict[str, list[str]]  # kind -> the words to be erased
    choices: Choices = field(repr=False)
    warnings: list[str]
    own: dict[int, str] = field(default_factory=dict)
    """Which of `[*forget, *retain]` are captions of somebody's own pictures, and the sha256 of each."""
    trained_test: list[Labelled] = field(default_factory=list)
    """Retain prompts that are tested although they are trained on."""

    @property
    def tests(self) -> dict[str, list[Labelled]]:
        """The test groups by the names they have in a report; the fourth only where it was asked for."""
        groups = {"erased": self.erased_test, "kept": self.kept_test, "neighbours": self.neighbours_test}
        return groups | ({"trained": self.trained_test} if self.trained_test else {})


def build(
    lists: Lists,
    n_forget: int = 64,
    n_retain: int = 128,
    seed: int = 0,
    uniform: bool = False,
    n_test: int = 16,
    forget_pictures: Sequence[tuple[str, str]] = (),
    keep_pictures: Sequence[tuple[str, str]] = (),
    grammar: Grammar | None = None,
    n_trained: int = 0,
    only: Sequence[str] = (),
) -> PromptSets:
    """All prompts of a run that erases and keeps what is on these lists.

    uniform: one wording a concept on each side, as the paper's `rg` (the images differ by seed alone). n_test: prompts
    in each of the three test groups. forget_pictures, keep_pictures: caption and sha256 of somebody's own; the first
    stand for all that would be drawn to forget. grammar: what the prompts are made by, not the lexicon's wordings.
    n_trained: retain prompts that are tested as well. only: the words that alone are guarded in training. Raises
    Refusal where the lists leave too little to make prompts of.
    """
    plan, warnings, concepts = Plan(lists, seed, only), list(lists.warnings), len(lists.targets)
    most = n_retain // 2
    if len(lists.keep) > most and not uniform:
        warnings.append(f"Only {most} of {len(lists.keep)} texts to keep are trained on; more retain images make room.")
    if concepts > min(n_test, n_forget):
        warnings.append(
            f"{concepts} concepts are erased, with {n_forget:,} prompts to forget and {n_test:,} to test: "
            "some are never drawn; more of both cover them all."
        )
    if grammar is not None:
        _check_twins(grammar, lists)
        made = grammar.composed("train", 1 if uniform else max(n_forget, n_retain), seed)
        made = made * max(n_forget, n_retain) if uniform else made
        listed, forget = 0, [each.prompt for each in made[:n_forget]]
        anchor, retain = ([each.twin for each in made[:n]] for n in (n_forget, n_retain))
    elif uniform:
        forget, anchor = plan.forget(concepts)
        forget, anchor = ([half[i % concepts] for i in range(n_forget)] for half in (forget, anchor))
        listed, retain = 0, plan.uniform_retain(n_retain)
    else:
        forget, anchor = plan.forget(n_forget)
        listed, retain = plan.retain(n_retain)
    if forget_pictures:
        forget, anchor = captions.to_forget([caption for caption, _ in forget_pictures], lists.targets, plan.anchors)
    if keep_pictures:
        kept = captions.to_keep([caption for caption, _ in keep_pictures], lists.forms)
        listed, retain = listed + len(kept), [*kept, *retain[: max(n_retain - len(kept), 0)]]
    own = {k: sha for k, (_, sha) in enumerate(forget_pictures)}
    own |= {k: sha for k, (_, sha) in enumerate(keep_pictures, len(forget))}
    erased_test, kept_test, neighbours_test = (
        (plan.erased_test(n_test), plan.kept_test(n_test), plan.neighbours_test(n_test))
        if grammar is None
        else _tests(grammar, lists.targets[0], n_test, seed)
    )
    return PromptSets(
        lists=lists,
        forget=forget,
        anchor=anchor,
        retain=retain,
        listed=listed,
        erased_test=erased_test,
        kept_test=kept_test,
        neighbours_test=neighbours_test,
        trained_test=_labelled(dict.fromkeys(retain[:n_trained]), lists.targets[0]),
        erased=erased_words(lists.targets),
        choices=_choices(lists.targets),
        warnings=warnings,
        own=own,
    )


def _check_twins(grammar: Grammar, lists: Lists) -> None:
    """Refuse a grammar for several concepts, or one whose twins name what is erased."""
    if len(lists.targets) != 1:
        raise Refusal(f"{len(lists.targets)} concepts are erased with a grammar; it is made for one.")
    for word in (*grammar.twin, *grammar.neighbours):
        named = names(word, [*lists.forms, *grammar.concept])
        if named is not None:
            raise Refusal(f"The twin {word!r} of the grammar names {named!r}, which is to be erased; name another.")


def _tests(grammar: Grammar, target: Target, count: int, seed: int) -> tuple[list[Labelled], ...]:
    """The test prompts of a grammar: what is erased, its twins in the same order, and the neighbours."""
    made = grammar.composed("test", count, seed)
    erased = [Labelled(each.prompt, {target.word.kind: target.word.name}, each.twin) for each in made]
    return erased, _labelled((each.twin for each in made), target), _labelled(grammar.beside(count, seed), target)


def _labelled(prompts: Iterable[str], target: Target) -> list[Labelled]:
    """The prompts with the words of the target's lexicon that they hold."""
    return [Labelled(text, {word.kind: word.name for word in target.lexicon.named_in(text)}) for text in prompts]


def erased_words(targets: Sequence[Target]) -> dict[str, list[str]]:
    """The words to be erased, by kind."""
    kinds = dict.fromkeys(target.word.kind for target in targets)
    return {kind: [target.word.name for target in targets if target.word.kind == kind] for kind in kinds}


def _choices(targets: Sequence[Target]) -> Choices:
    """The labels to choose between: all words of a closed lexicon, a word's relatives in an open one."""
    choices: Choices = {}
    for target in targets:
        for kind, members in target.lexicon.words.items():
            for group in _rivals(target, kind, list(members.values())):
                entry = {word.name: target.lexicon.captions(word) for word in group}
                if entry not in choices.setdefault(kind, []):
                    choices[kind].append(entry)
    return choices


def _rivals(target: Target, kind: str, members: list[Word]) -> list[list[Word]]:
    if target.lexicon.closed:
        return [members]
    groups: Mapping[str | None, list[Word]] = {
        word.category: [other for other in members if other.category == word.category] for word in members
    }
    alone = [[*group, *[w for w in members if w not in group][:RIVALS]] for group in groups.values() if len(group) == 1]
    rivals = [*alone, *(group for group in groups.values() if len(group) > 1)]
    if kind == target.word.kind and target.word not in members:
        return [[target.word, *members[:RIVALS]], *rivals]
    return rivals
