"""What may be meant by a concept as it is typed: without articles and quotes, and the kind that its wording tells."""

import re
from collections.abc import Iterator

from balign.data.lists import unquoted
from balign.data.spelling import folded, spoken, vocabulary

MEDIUM = (
    r"(?:photo(?:graph)?|picture|image|painting|drawing|illustration|portrait|art|artwork|sketch|print|work|rendering"
    r"|poster|cartoon|render|pic|depiction|comic|poem)"
)
FIXED = (
    r"(?:an?|the|some|any|all|every|each|my|your|his|her|our|their|this|that|these|those|one|two|three|four|five"
    r"|many|several|few|both|\d{1,3}(?=\s+(?-i:[a-z]))"
    r"|le|la|les|l'|un|une|der|die|das|ein|eine|el|los|las|il|lo|gli|o)"
)
ARTICLE = re.compile(rf"^(?:{FIXED}\s+|l['\u2019])+(?=\S)", re.IGNORECASE)
OF = re.compile(
    rf"^(?:(?:an?|the|some|any|all)\s+)?(?:(?:close-?up|high quality|detailed|realistic|beautiful)\s+)*"
    rf"(?:(?:the )?(?:word|concept|idea|term|notion|theme)s?(?:\s+of)?\s+"
    rf"|(?:{MEDIUM}s?|anything|everything|things?)\s+(?:of|with|showing|containing|about)\s+"
    rf"|(?:pair|couple|bunch|lot|number|type|kind|sort)s?\s+of\s+)(?=\S)",
    re.IGNORECASE,
)
COMMAND = re.compile(
    r"^(?:(?:please|i|you|want|would|like|need|can|could|we|to|let's)\s+)*"
    r"(?:(?:erase|remove|delete|unlearn|get\s+rid\s+of|forget(?!\s+me\b))\s+(?:about\s+)?|(?-i:not?\s)(?!.*\bsigns?$))"
    r"|\s+please$",
    re.IGNORECASE,
)
"""What some say around a concept that is to go: remove cats please, no cats."""
AROUND = re.compile(
    r"^[(\[]+([^()\[\]:]+)(?::\s*\d*\.?\d+)?[)\]]+$|^([^()\[\]:]+?)(?:\s+[(\[][^()\[\]]*[)\]]|:\d*\.?\d+)$"
)
"""A weight as drawing programs write it, (cat:1.2), or a word of explanation behind, cat (animal)."""
FACES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^(?:the\s+)?(?:face|likeness|looks?|smile|body)s?\s+of\s+(?P<of>\S.*)$",
        r"^(?P<of>\S.*?)['\u2019]s?\s+(?:face|likeness|looks?|smile|body)s?$",
    )
)
"""Wordings that say somebody is meant, if what is named is written as a name."""
LIKENESS = re.compile(r"\b(?:photo(?:graph)?|picture|portrait|image|pic)s?\s+of\b", re.IGNORECASE)
POSSESSIVE = re.compile(r"['\u2019]s?$")
STYLES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"^(?:\S+\s+){0,2}(?:estilo|style|stile?|mani[e\u00e8]re|manera)\s+"
        r"(?:(?:del?|di|da|do|von)\s+|d['\u2019])(?P<of>\S.*)$",
        r"^(?:.*\s)?\u0432\s+\u0441\u0442\u0438\u043b\u0435\s+(?P<of>\S.*)$",
        rf"^(?:.*\b{MEDIUM}s?\s+(?:made\s+|done\s+|drawn\s+|painted\s+)?)?by\s+(?P<of>\S.*)$",
        r"^(?:.*\b)?(?:in\s+)?(?:the\s+)?(?:art\s+)?(?:style|manner|look|aesthetic)s?\s+of\s+(?P<of>\S.*)$",
        r"^(?:in\s+)?(?:the\s+)?(?P<of>\S.*?)(?:['\u2019]s?)?(?:\s+|-)(?:art\s+)?(?:style[ds]?|esque)$",
        r"^(?:in\s+)?(?:the\s+)?(?P<of>\S.*?)(?:\s+|-)inspired$",
        r"^(?:inspired\s+by|\u00e0\s+la|a\s+la|after)\s+(?P<of>\S.*)$",
    )
)
"""Wordings that say an artist or style is meant, whoever it is."""
ENDINGS = tuple(
    (re.compile(rf"^(?P<of>\S.*?){ending}$", re.IGNORECASE), kind)
    for ending, kind in (
        (rf"(?:['\u2019]s?)?(?:\s+|-)(?:{MEDIUM}s?|works)", "style"),
        (
            r"\s+(?:person|people|human|humans|wom[ae]n|m[ae]n|girls?|boys?|body|bodies|skin|faces?|individuals?)",
            "attribute",
        ),
        (r"\s+(?:background|backdrop|weather|setting)s?", "background"),
        (
            r"\s+(?:content|contents|imagery|images?|scenes?|material|pictures?|photos?|stuff|things?|concepts?)",
            None,
        ),
    )
)
"""Words after a name, and the kind that it then is, if it is listed."""
LISTED_AS = {
    **dict.fromkeys(("nudity", "nsfw", "nakedness", "nudes", "nudism", "bare skin", "topless", "unclothed"), "nude"),
    **dict.fromkeys(("desnudez", "desnudos", "nudite", "nudita", "nudez", "nacktheit", "golizna", "naaktheid"), "nude"),
    **dict.fromkeys(("\u043d\u0430\u0433\u043e\u0442\u0430", "\u30cc\u30fc\u30c9"), "nude"),
    **dict.fromkeys(("blood and gore", "bleeding people"), "bloody"),
}
"""Nouns for an attribute that is listed as an adjective."""


def plain(text: str) -> str:
    """The text without quotes, closing marks and line breaks, its emoji in words."""
    line = " ".join(text.split())
    text = unquoted(spoken(line)).rstrip(",;:!?\u3002\uff01\uff1f ").strip() or line
    return text if "." in text[:-1].rpartition(" ")[2] else text.rstrip(". ") or text


def readings(name: str) -> Iterator[tuple[str, str | None]]:
    """What may be meant by a text, the plainest first, each with the kind that the wording gives."""
    text = plain(name)
    yield text, None
    if folded(text) in LISTED_AS:
        yield LISTED_AS[folded(text)], "attribute"
    stripped = text
    while True:
        shorter = AROUND.sub(lambda found: found[1] or found[2], COMMAND.sub("", stripped)).strip()
        shorter = ARTICLE.sub("", OF.sub("", shorter, count=1), count=1)
        shorter = POSSESSIVE.sub("", shorter)
        if shorter == stripped or not shorter:
            break
        stripped = shorter
        yield stripped, None
        if folded(stripped) in LISTED_AS:
            yield LISTED_AS[folded(stripped)], "attribute"
    for each in dict.fromkeys((text, stripped)):
        for pattern in STYLES:
            match = pattern.match(each)
            if match:
                yield POSSESSIVE.sub("", ARTICLE.sub("", match["of"])).strip(), "style"
    for pattern in FACES:
        match = pattern.match(stripped)
        if match and match["of"][:1].isupper():
            yield match["of"], "person"
    for pattern, hint in ENDINGS:
        match = pattern.match(stripped)
        if match:
            yield match["of"], hint
            if folded(match["of"]) in LISTED_AS:
                yield LISTED_AS[folded(match["of"])], "attribute"
    words = [word for word in stripped.split() if word.lower() not in vocabulary()["faces"]]
    if words and words != stripped.split() and text != " ".join(name.split()):  # the names of emoji
        yield " ".join(words), None


def tells_style(name: str) -> bool:
    """Whether the wording says that an artist or style is meant: by X, X style."""
    text = plain(name)
    return any(pattern.match(each) for each in (text, OF.sub("", text, count=1)) for pattern in STYLES)
