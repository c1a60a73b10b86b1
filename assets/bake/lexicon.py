"""Write `assets/prompts/emoji.json`: the words that captions and prompts for the bundled models are made of.

Names and categories are those of the drawings. Synonyms of objects are keywords and labels of Unicode CLDR, as the npm
package `emojibase-data` carries them; CLDR also lists what a thing is near to ("pizza: cheese, hungry"), so only the
words allowed below by hand are kept, and only if CLDR really has them. It knows nothing of models.

    python assets/bake/lexicon.py        # BALIGN_BAKE_MODULES names a node_modules folder elsewhere
"""

import json
import os
from collections import Counter
from pathlib import Path

from drawings import BACKGROUNDS, CATEGORIES, CATEGORY_OF, ICONS, STYLES

HERE = Path(__file__).resolve().parent
MODULES = Path(os.environ.get("BALIGN_BAKE_MODULES", HERE / "node_modules"))
TARGET = HERE.parent / "prompts" / "emoji.json"

ALLOWED = {  # the keywords that name the same thing as the object
    "cat": "kitten kitty", "dog": "puppy", "rabbit": "bunny", "camel": "dromedary", "horse": "racehorse",
    "turtle": "tortoise terrapin", "bee": "honeybee bumblebee", "snake": "serpent", "hamburger": "burger",
    "bread": "loaf toast", "doughnut": "donut", "cake": "pastry", "lollipop": "candy", "car": "automobile",
    "bicycle": "bike cycle", "airplane": "aeroplane plane jet", "sailboat": "boat yacht", "train": "locomotive",
    "helicopter": "copter", "mushroom": "toadstool fungus", "clover": "shamrock", "house": "home", "church": "chapel",
    "mosque": "masjid", "saxophone": "sax", "piano": "keyboard", "shirt": "tshirt", "jeans": "denim trousers pants",
    "hat": "tophat", "glasses": "eyeglasses eyewear", "shoe": "sneaker", "backpack": "rucksack bookbag satchel",
    "television": "tv", "trophy": "prize", "gift": "present", "fire": "flame",
}  # fmt: skip
PLURAL = {"grapes", "jeans", "glasses", "scissors"}  # no article before these

STYLE_WORDS = {  # category, and other words; what is erased is replaced by the first other word of its category
    "glossy": ("material", ["shiny"]),
    "flat": ("print", ["vector"]),
    "ink": ("print", ["monochrome"]),
    "pixel": ("print", ["8-bit", "pixelated"]),
    "sticker": ("print", ["decal"]),
    "golden": ("material", ["gilded", "gold"]),
    "porcelain": ("material", ["china"]),
    "watercolor": ("material", ["aquarelle", "watercolour"]),
}

TEMPLATES = {
    "train": [
        "a {style} {object} on a {background} background",
        "{object} in {style} style, {background} backdrop",
        "a picture of a {object}, {style}, {background}",
        "{background} background, {style} {object}",
        "an image of a {object} drawn in {style} style on {background}",
        "{style} drawing of a {object} against a {background} background",
        "a {object}, {style} style, on a {background} backdrop",
        "{object}, {style}, {background}",
        "the {style} {object} over plain {background}",
        "an emoji of a {object} with a {style} look and a {background} background",
    ],
    "test": [
        "a {style} picture of a {object} on {background}",
        "{style} {object}, {background} background",
        "a drawing of a {object} in {style} style with a {background} backdrop",
        "{background} backdrop, a {object} with a {style} look",
    ],
}

ZERO_SHOT = {  # captions of one kind alone, to recognise a word by
    "object": ["a {object}", "{object}"],
    "style": ["{style} style", "a picture in {style} style"],
    "background": ["a {background} background"],
}


def keywords(modules: Path) -> dict[str, set[str]]:
    """Icon name -> the single words of its CLDR label and keywords."""
    entries = json.loads((modules / "emojibase-data" / "en" / "data.json").read_text())
    words = {}
    for entry in entries:
        names = {entry["label"], *entry.get("tags", ())}
        words[entry["label"].lower().replace(" ", "-")] = {name.lower() for name in names if " " not in name}
    return words


def synonyms(modules: Path) -> dict[str, list[str]]:
    """Every object's synonyms: allowed, found in CLDR, nobody's name or category, and no one else's synonym."""
    found = keywords(modules)
    listed = {name: [word for word in ALLOWED.get(name, "").split() if word in found[ICONS[name]]] for name in ICONS}
    shared = Counter(word for words in listed.values() for word in words)
    taken = set(ICONS) | set(CATEGORIES)
    return {name: [w for w in words if w not in taken and shared[w] == 1] for name, words in listed.items()}


def main() -> None:
    objects = {}
    for name, words in synonyms(MODULES).items():
        objects[name] = {"category": CATEGORY_OF[name], "synonyms": words} | (
            {"plural": True} if name in PLURAL else {}
        )
    lexicon = {
        "about": "Written by assets/bake/lexicon.py. Synonyms: Unicode CLDR by way of emojibase-data (MIT).",
        "objects": objects,
        "styles": {name: {"category": STYLE_WORDS[name][0], "synonyms": STYLE_WORDS[name][1]} for name in STYLES},
        "backgrounds": list(BACKGROUNDS),
        "templates": TEMPLATES,
        "zero_shot": ZERO_SHOT,
    }
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(lexicon, indent=1) + "\n")
    print(f"{len(objects)} objects, {sum(len(o['synonyms']) for o in objects.values())} synonyms -> {TARGET}")


if __name__ == "__main__":
    main()
