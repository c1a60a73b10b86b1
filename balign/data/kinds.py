"""The kinds of concepts as people name them, and which of them an unknown name most likely is."""

import re

KINDS = {
    "thing": "object",
    "style": "style",
    "person": "person",
    "attribute": "attribute",
    "theme": "theme",
    "place": "place",
    "background": "background",
    "category": "category",
}
"""What a kind is called in forms, flags and configs -> what it is called in lexicons and reports."""
ALIASES = {
    **dict.fromkeys(("object", "item", "animal", "character"), "thing"),
    **dict.fromkeys(("artist", "painter", "medium", "movement"), "style"),
    **dict.fromkeys(("people", "celebrity", "name"), "person"),
    **dict.fromkeys(("adjective", "property", "look"), "attribute"),
    **dict.fromkeys(("topic", "subject"), "theme"),
    **dict.fromkeys(("location", "landmark", "city"), "place"),
    **dict.fromkeys(("weather", "setting", "backdrop"), "background"),
    **dict.fromkeys(("group", "class"), "category"),
}
HOMES = {
    "object": ("objects",),
    "style": ("styles",),
    "person": ("people", "portraits"),
    "attribute": ("people",),
    "theme": ("themes",),
    "place": ("places",),
    "background": ("backgrounds",),
}
"""The open lexicons of a kind; the last one takes its unlisted words."""
TITLES = {internal: name for name, internal in KINDS.items()}
MANY = {"person": "people", "category": "categories"}
WORK = re.compile(r"(?:er|or|ist|man|woman|ian|nurse|chef|cook|maid|king|queen|boy|girl)$")
COLOURS = re.compile(r"(?:black|white|red|blue|green|yellow|orange|purple|pink|brown|gr[ae]y|golden|silver)$")
ADJECTIVE = re.compile(r"(?:ese|ed|ful|ous|ish|less|ic|able|ible|ing|ive|y)$")
MOVEMENT = re.compile(r"(?:ism|ist|esque|core|wave|punk|art)$", re.IGNORECASE)
REGION = re.compile(r"(?:land|ville|burgh?|stan|town|shire|city|ia|polis|grad)$", re.IGNORECASE)
ABSTRACT = re.compile(r"(?:tion|ness|ment|ity|hood|cide|phobia|ance|ence)$")


def kind_named(text: str) -> str | None:
    """The kind meant by a word, in singular, plural or one of its other names; None for any other word."""
    word = text.strip().lower()
    for name in (word, MANY_BACK.get(word, word), word.removesuffix("s")):
        if name in KINDS:
            return name
        if name in ALIASES:
            return ALIASES[name]
    return None


MANY_BACK = {many: one for one, many in MANY.items()}


def likeliest(name: str) -> tuple[str, ...]:
    """Every kind that an unknown name may be, the likeliest first."""
    words = name.split()
    last = words[-1] if words else ""
    capital = [word[:1].isupper() for word in words]
    first: tuple[str, ...]
    if COLOURS.match(last.lower()):
        first = ("background", "attribute", "thing")
    elif MOVEMENT.search(last) and len(last) > 4:
        first = ("style", "theme", "thing")
    elif capital and all(capital) and REGION.search(last) and len(last) > 4:
        first = ("place", "person", "style", "thing")
    elif len(words) >= 2 and capital[0] and capital[-1] and not any(char.isdigit() for char in name):
        first = ("person", "style", "place", "thing")
    elif capital and capital[0] and len(words) == 1:
        first = ("thing", "person", "style", "place")
    elif ABSTRACT.search(last):
        first = ("theme", "thing", "attribute")
    elif WORK.search(last.removesuffix("s")) and name.islower():
        first = ("person", "thing", "style")
    elif ADJECTIVE.search(last) and len(words) == 1:
        first = ("attribute", "thing", "theme")
    elif len(words) == 2 and name.isascii() and name.islower():
        first = ("thing", "person", "style", "place")
    else:
        first = ("thing", "person", "place", "style")
    return tuple(dict.fromkeys((*first, *(kind for kind in KINDS if kind != "category"))))
