"""The lexicon of models that draw ImageNet's thousand classes: WordNet's words for each, as `timm` lists them.

A word that two classes share is the later one's, as in the stock DiTPipeline; a class left without a word of its own is
left out. The categories are ranges of numbers, which ImageNet orders by kind.
"""

import json
from pathlib import Path

import timm

KINDS = (
    (0, "fish"), (7, "bird"), (25, "amphibian"), (33, "reptile"), (69, "spider and kin"), (80, "bird"),
    (101, "other mammal"), (107, "sea animal"), (127, "bird"), (147, "sea mammal"), (151, "dog"), (269, "wild dog"),
    (281, "cat"), (286, "wild cat"), (294, "bear"), (298, "other mammal"), (300, "insect"), (327, "sea animal"),
    (330, "rodent"), (339, "hoofed animal"), (356, "other mammal"), (365, "primate"), (385, "other mammal"),
    (389, "fish"), (398, "thing"), (923, "food"), (970, "landscape"), (981, "person"), (984, "plant"), (999, "thing"),
)  # fmt: skip


def id2label() -> dict[int, str]:
    """Number of the class -> its words with commas between them."""
    folder = Path(timm.__file__).parent / "data" / "_info"
    lines = (folder / "imagenet_synset_to_lemma.txt").read_text("utf-8").splitlines()
    words = dict(line.split("\t", 1) for line in lines)
    return {k: words[synset] for k, synset in enumerate((folder / "imagenet_synsets.txt").read_text().split())}


def main() -> None:
    named = {k: [word.strip() for word in words.split(",")] for k, words in id2label().items()}
    owner = {word: k for k, words in named.items() for word in words}
    objects = {}
    for k, words in named.items():
        own = [word for word in words if owner[word] == k]
        if own:
            kind = next(kind for first, kind in reversed(KINDS) if k >= first)
            objects[own[0]] = {"category": kind} | ({"synonyms": own[1:]} if own[1:] else {})
    lexicon = {
        "about": "Written by assets/bake/imagenet.py: WordNet's words for the classes of ImageNet, by way of timm.",
        "objects": objects,
        "templates": {"train": ["{object}"], "test": ["{object}"]},
        "zero_shot": {"object": ["a photo of a {object}"]},
    }
    file = Path(__file__).parents[1] / "prompts" / "imagenet.json"
    file.write_text(json.dumps(lexicon, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(f"{len(objects)} of {len(named)} classes have a word of their own")


if __name__ == "__main__":
    main()
