"""Diversified prompts: what is forgotten, what is retained beside it, and what both are tested on.

After the paper (§3, App. D): a concept is spread over every other dimension of a prompt; the halves for training and
testing share no wording and no combination; a retain prompt is a forget prompt's twin with another word in the
concept's place. Everything follows from the seed. Whether the model draws these prompts well is not known here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from balign.data.lexicon import Word
from balign.data.plan import Plan
from balign.data.scenes import Labelled
from balign.data.targets import Asked, Concept, Target, check, kept, targets

__all__ = ["Concept", "Labelled", "PromptSets", "build", "check"]

RIVALS = 24  # labels that an unlisted word is told from

Choices = dict[str, list[dict[str, list[str]]]]
"""For every kind, rival sets of labels, each label with the captions to recognise it by."""


@dataclass(frozen=True)
class PromptSets:
    """Everything a run says to its model. `anchor[i]` is `forget[i]` with the replacement in the concept's place."""

    forget: list[str]
    anchor: list[str]
    retain: list[str]
    erased_test: list[Labelled]
    kept_test: list[Labelled]
    neighbours_test: list[Labelled]
    erased: dict[str, list[str]]  # kind -> the words to be erased
    choices: Choices = field(repr=False)
    warnings: list[str] = field(default_factory=list)

    @property
    def tests(self) -> dict[str, list[Labelled]]:
        """The three test groups by the names they have in a report."""
        return {"erased": self.erased_test, "kept": self.kept_test, "neighbours": self.neighbours_test}


def build(
    concepts: Sequence[Asked | str],
    keep: Sequence[str] = (),
    lexicon: str = "emoji",
    n_forget: int = 64,
    n_retain: int = 128,
    seed: int = 0,
    uniform: bool = False,
    n_test: int = 16,
) -> PromptSets:
    """All prompts of a run.

    concepts: what to erase; names, or anything with `name` and `replace_with`. keep: words or whole prompts to keep on
    purpose. uniform: one wording a concept on each side, as the paper's `rg` (the images differ by seed alone).
    n_test: prompts in each of the three test groups. Raises what `check` raises.
    """
    warnings = check(concepts, keep, lexicon)
    found, _ = targets(concepts, lexicon)
    asked, _ = kept(keep, found)
    plan = Plan(found, asked, seed)
    most = n_retain // 2
    if len(asked) > most and not uniform:
        warnings.append(f"Only {most} of {len(asked)} texts to keep are trained on; more retain images make room.")
    if uniform:
        forget, anchor = plan.forget(len(found))
        forget, anchor = ([half[i % len(found)] for i in range(n_forget)] for half in (forget, anchor))
    else:
        forget, anchor = plan.forget(n_forget)
    return PromptSets(
        forget=forget,
        anchor=anchor,
        retain=plan.uniform_retain(n_retain) if uniform else plan.retain(n_retain),
        erased_test=plan.erased_test(n_test),
        kept_test=plan.kept_test(n_test),
        neighbours_test=plan.neighbours_test(n_test),
        erased={kind: [t.word.name for t in found if t.word.kind == kind] for kind in {t.word.kind: 0 for t in found}},
        choices=_choices(found),
        warnings=warnings,
    )


def _choices(found: Sequence[Target]) -> Choices:
    """The labels to tell apart: all words of a closed lexicon, a word's relatives in an open one."""
    choices: Choices = {}
    for target in found:
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
