"""Diversified prompts: the forget set, the retain set, and the prompts that both are tested on.

After the paper (§3, App. D): a concept is spread over every other dimension of a prompt; training and test prompts
share no wording and no combination; a retain prompt is a forget prompt's twin with another word in the concept's place.
Everything follows from the seed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from balign.data import captions
from balign.data.lexicon import Word
from balign.data.plan import Plan
from balign.data.scenes import Labelled
from balign.data.targets import Lists, Target

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

    @property
    def tests(self) -> dict[str, list[Labelled]]:
        """The three test groups by the names they have in a report."""
        return {"erased": self.erased_test, "kept": self.kept_test, "neighbours": self.neighbours_test}


def build(
    lists: Lists,
    n_forget: int = 64,
    n_retain: int = 128,
    seed: int = 0,
    uniform: bool = False,
    n_test: int = 16,
    forget_pictures: Sequence[tuple[str, str]] = (),
    keep_pictures: Sequence[tuple[str, str]] = (),
    only: Sequence[str] = (),
) -> PromptSets:
    """All prompts of a run that erases and keeps what is on these lists.

    uniform: one wording a concept on each side, as the paper's `rg` (the images differ by seed alone). n_test: prompts
    in each of the three test groups. forget_pictures, keep_pictures: caption and sha256 of somebody's own; the first
    stand for all that would be drawn to forget. only: the words that alone are guarded in training. Raises Refusal
    where the lists leave too little to make prompts of.
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
    if uniform:
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
    return PromptSets(
        lists=lists,
        forget=forget,
        anchor=anchor,
        retain=retain,
        listed=listed,
        erased_test=plan.erased_test(n_test),
        kept_test=plan.kept_test(n_test),
        neighbours_test=plan.neighbours_test(n_test),
        erased=erased_words(lists.targets),
        choices=_choices(lists.targets),
        warnings=warnings,
        own=own,
    )


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
