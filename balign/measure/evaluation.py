"""Scores of the test images, before and after on the same prompts and seeds: alignment, accuracy, UA, IRA, CRA.

- UA: share of the images of an erased word that the scorer does not recognise as it.
- IRA: accuracy on kept and neighbour prompts in the kinds of what was erased (another object, when an object was).
- CRA: their accuracy in the other kinds (style and background, when an object was erased).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from balign.data.latents import image_seeds
from balign.data.prompts import Choices, PromptSets
from balign.data.targets import Lists
from balign.measure.clip import Scorer
from balign.measure.intervals import change, wilson
from balign.measure.judges import judge_of, sensitive
from balign.measure.report import GROUPS, AlignmentChange, Group, GroupName, Pair, Scores, shows

TEST_SEEDS = 10_007  # added to a run's seed, so that no test image shares its noise with a training image
REFERENCE_SEEDS = 20_011  # the same for the pictures that KID and FID compare with


class Shot(NamedTuple):
    """One test image to draw: its group, prompt, what it should show (kind -> word), and its seed."""

    group: str
    prompt: str
    labels: dict[str, str]
    seed: int
    twin: str = ""
    """The prompt without what is to be erased, for a test of that."""


def shots(prompts: PromptSets, seeds: int = 1, seed: int = 0) -> list[Shot]:
    """Every test image of a run, `seeds` of each prompt, grouped. The same for the same prompts and seed."""
    listed = [(group, labelled) for group, tests in prompts.tests.items() for labelled in tests for _ in range(seeds)]
    drawn = image_seeds([labelled.prompt for _, labelled in listed], seed + TEST_SEEDS)
    return [
        Shot(group, labelled.prompt, labelled.labels, image_seed, labelled.twin)
        for (group, labelled), image_seed in zip(listed, drawn, strict=True)
    ]


def own_shots(own: Sequence[tuple[str, int | None]], lists: Lists, seeds: int = 1, seed: int = 0) -> list[Shot]:
    """A test image of every prompt of somebody's own that has a seed, and `seeds` of each that has none."""
    listed = [(prompt, given) for prompt, given in own for _ in range(seeds if given is None else 1)]
    drawn = image_seeds([prompt for prompt, _ in listed], seed + TEST_SEEDS)
    lexicons = list({target.lexicon.name: target.lexicon for target in lists.targets}.values())
    found = []
    for (prompt, given), otherwise in zip(listed, drawn, strict=True):
        labels = {word.kind: word.name for lexicon in lexicons for word in lexicon.named_in(prompt)}
        found.append(Shot("own", prompt, labels, otherwise if given is None else given))
    return found


def reference_shots(prompts: PromptSets, seeds: int = 1, seed: int = 0) -> list[Shot]:
    """The kept test prompts once more, from other seeds: what KID and FID compare with."""
    return [shot for shot in shots(prompts, seeds, seed + REFERENCE_SEEDS - TEST_SEEDS) if shot.group == "kept"]


def evaluate(
    tests: Sequence[Shot],
    before: Tensor,
    after: Tensor,
    scorer: Scorer | None,
    choices: Choices,
    erased: Mapping[str, Sequence[str]],
) -> Scores:
    """Scores of the test images, group by group, or none without a scorer; the pairs have no file names yet.

    tests: what `shots` gave. before, after: uint8 images (N, H, W, 3) in the same order. choices, erased: of the run's
    `PromptSets`.
    """
    if not len(tests) == len(before) == len(after):
        raise ValueError(f"{len(tests)} tests, {len(before)} images before and {len(after)} after do not pair up.")
    scored: list[dict[str, Any]] = [test._asdict() for test in tests]
    if scorer is not None:
        for side, images in (("before", before), ("after", after)):
            embedded = scorer.embed_images(images)
            alignment = scorer.alignment(embedded, [test.prompt for test in tests]).tolist()
            answers = recognised(embedded, tests, scorer, choices)
            for values, cosine, answer in zip(scored, alignment, answers, strict=True):
                values |= {f"alignment_{side}": cosine, f"recognised_{side}": answer}
            beside = scorer.alignment(embedded, [test.twin or test.prompt for test in tests]).tolist()
            for values, test, cosine in zip(scored, tests, beside, strict=True):
                if test.twin:
                    values[f"in_prompt_{side}"] = cosine
    pairs = [Pair(**values) for values in scored]
    members = {name: [pair for pair, test in zip(pairs, tests, strict=True) if test.group == name] for name in GROUPS}
    rates = _rates(members, erased)
    return Scores(
        scorer=scorer.name if scorer else "",
        groups={name: _group(name, of_group, erased) for name, of_group in members.items() if of_group},
        ua=_mean(rates["ua"]),
        ira=_mean(rates["ira"]),
        cra=_mean(rates["cra"]),
        intervals={name: _interval(hits) for name, hits in rates.items()},
        judged={kind: (scorer.told if scorer else "") or _said(kind, choices) for kind in erased},
        sensitive=sensitive(erased),
    )


def _said(kind: str, choices: Choices) -> str:
    return judge_of(kind).said(len(max(choices.get(kind, [{}]), key=len)))


def recognised(images: Tensor, tests: Sequence[Shot], scorer: Scorer, choices: Choices) -> list[dict[str, bool]]:
    """For each image (N, H, W, 3), kind by kind, whether the judge of the kind sees its label in it.

    The scorer prefers the label to its rivals, if it has any; or the prompt to its twin, for a kind judged so.
    """
    embedded = scorer.embed_images(images)  # (N, D)
    answers: list[dict[str, bool]] = [{} for _ in tests]
    twins = [i for i, test in enumerate(tests) if test.twin]
    own, other = (
        scorer.alignment(embedded[twins], [getattr(tests[i], text) for i in twins]).tolist()
        for text in ("prompt", "twin")
    )
    nearer = {i: a > b for i, a, b in zip(twins, own, other, strict=True)}
    for kind, rival_sets in choices.items():
        if judge_of(kind).by == "twin":
            for i in twins:
                if kind in tests[i].labels:
                    answers[i][kind] = nearer[i]
            continue
        for rivals in rival_sets:
            rows = [i for i, t in enumerate(tests) if t.labels.get(kind) in rivals and kind not in answers[i]]
            if len(rivals) < 2 or not rows:
                continue
            for i, nearest in zip(rows, scorer.classify(embedded[rows], rivals), strict=True):
                answers[i][kind] = nearest == tests[i].labels[kind]
    return answers


def _group(name: GroupName, pairs: Sequence[Pair], erased: Mapping[str, Sequence[str]]) -> Group:
    before = [pair.alignment_before for pair in pairs if pair.alignment_before is not None]
    after = [pair.alignment_after for pair in pairs if pair.alignment_after is not None]
    moved = change(before, after, [pair.prompt for pair in pairs if pair.scored])
    right_before = [right for p in pairs if (right := shows(name, p, p.recognised_before, erased)) is not None]
    right_after = [right for p in pairs if (right := shows(name, p, p.recognised_after, erased)) is not None]
    return Group(
        n=len(pairs),
        prompts=len({pair.prompt for pair in pairs}),
        accuracy_before=_mean(right_before),
        accuracy_after=_mean(right_after),
        accuracy_after_interval=_interval(right_after),
        alignment_before=_mean(before),
        alignment_after=_mean(after),
        alignment_change=AlignmentChange(mean=moved.mean, low=moved.low, high=moved.high, p=moved.p),
        in_prompt_before=_mean([pair.in_prompt_before for pair in pairs if pair.in_prompt_before is not None]),
        in_prompt_after=_mean([pair.in_prompt_after for pair in pairs if pair.in_prompt_after is not None]),
        images=tuple(pairs),
    )


def _rates(groups: Mapping[GroupName, Sequence[Pair]], erased: Mapping[str, Sequence[str]]) -> dict[str, list[bool]]:
    """What UA, IRA and CRA count: a hit or a miss for each image, or each kind of an image."""
    shown = [shows("erased", pair, pair.recognised_after, erased) for pair in groups["erased"]]
    others = [pair.recognised_after for name in ("kept", "neighbours") for pair in groups[name]]
    return {
        "ua": [not right for right in shown if right is not None],
        "ira": [right for kinds in others for kind, right in kinds.items() if kind in erased],
        "cra": [right for kinds in others for kind, right in kinds.items() if kind not in erased],
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _interval(hits: Sequence[bool]) -> tuple[float, float] | None:
    return wilson(sum(hits), len(hits)) if hits else None
