"""Lists as people type them: split on the usual separators, alike in the form, on the command line and in calls.

What stands in quotes is one entry, whatever is in it. A list to erase is split at every comma; one to keep only where
all parts are short, since a prompt has commas of its own.
"""

import re
from collections.abc import Callable, Iterable

SEPARATOR = re.compile(r"[\n\r\t\v\f\u0085\u2028\u2029;\uff1b\u061b|\uff5c\u2022]+")
COMMA = re.compile(
    r"[,\uff0c\u3001\u060c\u055d\u1363\uff64]+"
    r"(?!\s*(?:D\.?C\.?|Jr\b|Sr\b|I{1,3}\b)(?:\.|\s|$))(?!\d{3}\b)"  # Washington, D.C. and 1,000 are one
)
JOINED = re.compile(r"\s+(?:and|or|&|\+|und|et|y|/)\s+|\s*[&/+]\s*")
MARKER = re.compile(r"^\s*(?:[-*\u2022\u00b7\u2013]|\(?\d{1,3}[.)])\s+")
QUOTED = re.compile(
    r"(?<!\w)(?:\"[^\"\n]*\"|\u201c[^\u201d\n]*\u201d|\u00ab[^\u00bb\n]*\u00bb|\u300c[^\u300d\n]*\u300d)(?!\w)"
)
PICTURE = re.compile(
    r"(?:[\U0001f1e6-\U0001f1ff]{2}|[\u2190-\u2bff\U0001f000-\U0001fbff])"
    r"[\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*"
    r"(?:\u200d[\u2190-\u2bff\U0001f000-\U0001fbff][\ufe0f\U0001f3fb-\U0001f3ff]*)*"
)
"""One emoji, whatever it is joined of."""
QUOTES = "\"'`\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb\u300c\u300d\u2039\u203a"
SHORT = 3
"""Words of each part between commas, at most, for a line to keep to be several entries."""
HELD = "\ufdd0"
"""Stands for a quoted entry while the rest is split; no text may contain it."""


def split(text: str, known: Callable[[str], bool] | None = None) -> list[str]:
    """The entries of a list to erase; "cat and dog" is two if `known` says so of both."""
    return _entries(text, lambda line: _apart(COMMA.split(line), known))


def split_prompts(text: str) -> list[str]:
    """The entries of a list of words and prompts to keep."""

    def parts(line: str) -> list[str]:
        found = COMMA.split(line)
        return found if all(len(part.split()) <= SHORT for part in found) else [line]

    return _entries(text, parts)


def written(entries: Iterable[str], between: str) -> str:
    """The list as text that is split into the same entries again."""
    parted = split if between.strip() == "," else split_prompts
    return between.join(entry if parted(entry) == [entry] else f'"{entry}"' for entry in entries)


def unquoted(text: str) -> str:
    """The text without the space, quotes and closing commas around it."""
    text = text.strip()
    while len(text) > 1 and text[0] in QUOTES and text[-1] in QUOTES:
        text = text[1:-1].strip()
    return text.strip('"\u201c\u201d\u00ab\u00bb\u300c\u300d').strip() if text.count('"') == 1 else text


def _entries(text: str, parts: Callable[[str], list[str]]) -> list[str]:
    held: list[str] = []

    def hold(found: re.Match[str]) -> str:
        held.append(found[0])
        return f"{HELD}{len(held) - 1}{HELD}"

    stripped = text.strip()
    if stripped.startswith("[") and stripped.endswith("]"):
        text = stripped[1:-1]
    text = QUOTED.sub(hold, text)
    entries = []
    for line in SEPARATOR.split(text):
        for part in parts(MARKER.sub("", line)):
            if whole := unquoted(re.sub(f"{HELD}(\\d+){HELD}", lambda found: held[int(found[1])], part)):
                entries.append(whole)
    return entries


def _apart(parts: list[str], known: Callable[[str], bool] | None) -> list[str]:
    """Each part, or what "and" joins in it where all of that is known."""
    found: list[str] = []
    for part in parts:
        part = re.sub(r"^\s*(?:and|or|&)\s+", "", part) if len(parts) > 1 else part
        if not PICTURE.sub("", part).strip():
            found += PICTURE.findall(part)  # emoji in a row are one each
            continue
        pieces = JOINED.split(part.strip()) if known and HELD not in part else [part]
        apart = len(pieces) > 1 and known is not None and not known(part) and all(p and known(p) for p in pieces)
        found += pieces if apart else [part]
    return found
