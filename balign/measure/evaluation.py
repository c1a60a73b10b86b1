"""Before and after on the same prompts and seeds: alignment, zero-shot accuracy, UA, IRA, CRA.

- UA: share of the images asked to show an erased word that the scorer does not recognise as it.
- IRA: accuracy on kept and neighbour prompts in the kinds of what was erased (another object, when an object was).
- CRA: their accuracy in the other kinds (style and background, when an object was erased).

Who drew the images is not known here, nor where they are kept; a report adds their paths.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from balign.data.latents import image_seeds
from balign.data.prompts import Choices, PromptSets
from balign.measure.clip import Scorer
from balign.measure.intervals import change, verdict, wilson

TEST_SEEDS = 10_007  # added to a run's seed, so that no test image shares its noise with a training image


class Shot(NamedTuple):
    """One test image to draw: its group, prompt, what it should show (kind -> word), and its seed."""

    group: str
    prompt: str
    labels: dict[str, str]
    seed: int


def shots(prompts: PromptSets, seeds: int = 1, seed: int = 0) -> list[Shot]:
    """Every test image of a run, `seeds` of each prompt, grouped. The same for the same prompts and seed."""
    listed = [(group, labelled) for group, tests in prompts.tests.items() for labelled in tests for _ in range(seeds)]
    drawn = image_seeds([labelled.prompt for _, labelled in listed], seed + TEST_SEEDS)
    return [
        Shot(group, labelled.prompt, labelled.labels, image_seed)
        for (group, labelled), image_seed in zip(listed, drawn, strict=True)
    ]


def evaluate(
    tests: Sequence[Shot],
    before: Tensor,
    after: Tensor,
    scorer: Scorer,
    choices: Choices,
    erased: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """Scores of the test images, as report.json holds them: `scorer`, `groups`, `ua`, `ira`, `cra` and intervals.

    tests: what `shots` gave. before, after: uint8 images (N, H, W, 3) in the same order. choices, erased: of the run's
    `PromptSets`.
    """
    if not len(tests) == len(before) == len(after):
        raise ValueError(f"{len(tests)} tests, {len(before)} images before and {len(after)} after do not pair up.")
    texts = [test.prompt for test in tests]
    embedded = {"before": scorer.embed_images(before), "after": scorer.embed_images(after)}
    alignment = {side: scorer.alignment(images, texts).tolist() for side, images in embedded.items()}
    seen = {side: recognised(images, tests, scorer, choices) for side, images in embedded.items()}
    groups = {}
    for group in dict.fromkeys(test.group for test in tests):
        rows = [i for i, test in enumerate(tests) if test.group == group]
        groups[group] = _group(rows, tests, alignment, seen, erased)
    return {"scorer": scorer.name, "groups": groups, **_rates(tests, seen["after"], erased)}


def recognised(images: Tensor, tests: Sequence[Shot], scorer: Scorer, choices: Choices) -> list[dict[str, bool]]:
    """For each image, kind by kind, whether the scorer tells its label from the rivals, where it has any."""
    embedded = scorer.embed_images(images)
    found: list[dict[str, bool]] = [{} for _ in tests]
    for kind, rival_sets in choices.items():
        for rivals in rival_sets:
            rows = [i for i, t in enumerate(tests) if t.labels.get(kind) in rivals and kind not in found[i]]
            if len(rivals) < 2 or not rows:
                continue
            labels = list(rivals)
            for i, best in zip(rows, scorer.classify(embedded[rows], labels, rivals).tolist(), strict=True):
                found[i][kind] = labels[best] == tests[i].labels[kind]
    return found


def _group(
    rows: Sequence[int],
    tests: Sequence[Shot],
    alignment: Mapping[str, Sequence[float]],
    seen: Mapping[str, Sequence[Mapping[str, bool]]],
    erased: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    before, after = ([alignment[side][i] for i in rows] for side in ("before", "after"))
    found = change(before, after, [tests[i].prompt for i in rows])
    right = {
        side: [s for i in rows if (s := _shows(tests[i], kinds[i], erased)) is not None] for side, kinds in seen.items()
    }
    return {
        "n": len(rows),
        "prompts": found.n,
        "accuracy_before": _mean(right["before"]),
        "accuracy_after": _mean(right["after"]),
        "accuracy_after_interval": _interval(right["after"]),
        "alignment_before": _mean(before),
        "alignment_after": _mean(after),
        "alignment_change": {"mean": found.mean, "low": found.low, "high": found.high, "p": found.p},
        "verdict": verdict(found),
        "images": [
            {
                "prompt": tests[i].prompt,
                "seed": tests[i].seed,
                "labels": tests[i].labels,
                "alignment_before": alignment["before"][i],
                "alignment_after": alignment["after"][i],
                "recognised_before": dict(seen["before"][i]),
                "recognised_after": dict(seen["after"][i]),
            }
            for i in rows
        ],
    }


def _shows(test: Shot, seen: Mapping[str, bool], erased: Mapping[str, Sequence[str]]) -> bool | None:
    """Whether an image shows what counts in its group: the erased word, or a kept one of the same kind."""
    if test.group == "erased":
        kinds = [kind for kind in seen if test.labels[kind] in erased.get(kind, ())]
    else:
        kinds = [kind for kind in seen if kind in erased]
    return all(seen[kind] for kind in kinds) if kinds else None


def _rates(
    tests: Sequence[Shot], seen: Sequence[Mapping[str, bool]], erased: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    """UA, IRA and CRA with Wilson intervals; None where nothing could be counted."""
    gone = [
        not s
        for t, k in zip(tests, seen, strict=True)
        if t.group == "erased" and (s := _shows(t, k, erased)) is not None
    ]
    others = [k for t, k in zip(tests, seen, strict=True) if t.group != "erased"]
    within = [right for kinds in others for kind, right in kinds.items() if kind in erased]
    across = [right for kinds in others for kind, right in kinds.items() if kind not in erased]
    rates = {"ua": gone, "ira": within, "cra": across}
    return {name: _mean(hits) for name, hits in rates.items()} | {
        "intervals": {name: _interval(hits) for name, hits in rates.items()}
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _interval(hits: Iterable[bool]) -> list[float] | None:
    counted = list(hits)
    return list(wilson(sum(counted), len(counted))) if counted else None
