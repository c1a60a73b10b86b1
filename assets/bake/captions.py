"""Captions for the pictures: wordings put together from parts, synonyms, and now and then only a part of what is shown.

Words and synonyms come from `assets/prompts/emoji.json` (made by `lexicon.py` from Unicode CLDR keywords). This file
knows nothing of pictures; an index row is (object, style, placement, background), as `common.Pictures` gives it.
"""

import json
from collections.abc import Sequence
from functools import cache

import torch
from common import HERE
from drawings import BACKGROUNDS, OBJECTS, STYLES

# What a whole caption is put together from. Ten fixed wordings were too few: on wordings of the test half, the
# denoiser drew the right object for 32 % of "a {style} picture of a {object} on {background}" and 97 % of others.
LEADS = (
    "",
    "a ",
    "the ",
    "one ",
    "an image of a ",
    "a picture of a ",
    "a drawing of a ",
    "an emoji of a ",
    "an icon of a ",
)
FIGURES = (
    "{style} {object}",
    "{object} in {style} style",
    "{object} drawn in {style} style",
    "{object} with a {style} look",
    "{object}, {style} style",
    "{object}, {style}",
)
WORKS = ("a {style} picture of a {object}", "a {style} drawing of a {object}", "{style} drawing of a {object}")
BEHIND = (
    " on {background}", " on a {background} background", " on a {background} backdrop", " over plain {background}",
    " against a {background} background", " with a {background} backdrop", " and a {background} background",
    ", {background} background", ", {background} backdrop", ", {background}",
)  # fmt: skip
BEFORE = ("{background} background, ", "{background} backdrop, ", "on {background}, ")
KINDS = (0, 1, 3)  # object, style, background in an index row
PARTIAL = [  # captions that leave something out, with what they mention: object, style, background
    ("a {object}", (True, False, False)),
    ("{object}", (True, False, False)),
    ("a {style} {object}", (True, True, False)),
    ("a {object} in {style} style", (True, True, False)),
    ("{style} style", (False, True, False)),
    ("a picture in {style} style", (False, True, False)),
    ("a {background} background", (False, False, True)),
    ("a {object} on a {background} background", (True, False, True)),
    ("something {style} on a {background} background", (False, True, True)),
]


@cache
def lexicon() -> dict:
    return json.loads((HERE.parent / "prompts" / "emoji.json").read_text())


def choose(options: Sequence, generator: torch.Generator):
    return options[int(torch.randint(len(options), (1,), generator=generator))]


def word(name: str, synonyms: list[str], share: float, generator: torch.Generator) -> str:
    """The name itself, or for a share of the draws one of its synonyms."""
    return choose(synonyms, generator) if synonyms and torch.rand(1, generator=generator) < share else name


def wording(generator: torch.Generator) -> str:
    """A template of object, style and background that none of the test half's is."""
    while True:
        figure = choose(LEADS, generator) + choose(FIGURES, generator)
        if torch.rand(1, generator=generator) < 0.25:
            figure = choose(WORKS, generator)
        first = torch.rand(1, generator=generator) < 0.2
        template = choose(BEFORE, generator) + figure if first else figure + choose(BEHIND, generator)
        if template not in lexicon()["templates"]["test"]:
            return template


def caption(
    row: torch.Tensor, generator: torch.Generator, partial: float, synonyms: float = 0.15
) -> tuple[str, tuple[bool, ...]]:
    """A caption of one index row and what it mentions of (object, style, background)."""
    words = lexicon()
    name, style, background = OBJECTS[row[0]], list(STYLES)[row[1]], list(BACKGROUNDS)[row[3]]
    template, mentions = wording(generator), (True, True, True)
    if torch.rand(1, generator=generator) < partial:
        template, mentions = choose(PARTIAL, generator)
    text = template.format(
        object=word(name, words["objects"][name]["synonyms"], synonyms, generator),
        style=word(style, words["styles"][style]["synonyms"], synonyms, generator),
        background=background,
    )
    return text, mentions


def captions(
    index: torch.Tensor, generator: torch.Generator, partial: float, synonyms: float = 0.15
) -> tuple[list[str], torch.Tensor]:
    """A caption a row of `index` (N, 4), and what each mentions: bool (N, 3) for object, style, background."""
    drawn = [caption(row, generator, partial, synonyms) for row in index]
    return [text for text, _ in drawn], torch.tensor([mentions for _, mentions in drawn])


def every_name(generator: torch.Generator) -> list[list[str]]:
    """A caption of every object, of every style and of every background, worded at random."""
    words, texts = lexicon(), []
    for kind, names in (("object", OBJECTS), ("style", STYLES), ("background", BACKGROUNDS)):
        known = words[f"{kind}s"]
        said = [word(n, known[n]["synonyms"] if kind != "background" else [], 0.2, generator) for n in names]
        texts.append([choose(words["zero_shot"][kind], generator).format(**{kind: name}) for name in said])
    return texts


def matches(index: torch.Tensor, captioned: torch.Tensor, mentions: torch.Tensor) -> torch.Tensor:
    """Which picture each caption is true of: bool (pictures, captions).

    A caption matches a picture when everything that it mentions agrees, whoever's caption it is.
    """
    agree = index[:, None, list(KINDS)] == captioned[None, :, list(KINDS)]  # (pictures, captions, 3)
    return (agree | ~mentions[None]).all(dim=-1)


def contrastive(logits: torch.Tensor, match: torch.Tensor) -> torch.Tensor:
    """Cross-entropy both ways with every true pair as a target, shared evenly (supervised contrastive loss)."""
    target = match.float()
    rows = -(target / target.sum(1, keepdim=True) * logits.log_softmax(dim=1)).sum(1)
    columns = -(target / target.sum(0, keepdim=True) * logits.log_softmax(dim=0)).sum(0)
    return (rows.mean() + columns.mean()) / 2


def told_apart(
    logits: torch.Tensor, index: torch.Tensor, mentions: torch.Tensor, names: list[list[str]]
) -> tuple[torch.Tensor, dict[str, float]]:
    """The loss of a batch of pictures against its own captions and against every name, and the shares right.

    logits: (pictures, their captions and then all of `names`). A batch's own captions are told apart by style and
    background alone, so objects need the second term.
    """
    own, *kinds = logits.split([len(index), *(len(kind) for kind in names)], dim=1)
    loss, right = contrastive(own, matches(index, index, mentions)), {}
    for name, found, k in zip(("object", "style", "background"), kinds, KINDS, strict=True):
        loss = loss + torch.nn.functional.cross_entropy(found, index[:, k])
        right[name] = (found.argmax(1) == index[:, k]).float().mean().item()
    return loss, {"loss": loss.item()} | right
