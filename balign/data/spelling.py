"""How names are compared: normalised, in small letters, without accents, in singular and plural; emoji by their names.

A name is a row of tokens: a word, or one sign of a script that puts no space between words. Zero-width joiners are part
of what is written and make no difference to what it means.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "prompts"
JOINERS = "\u200c\u200d"
ASCII_WORD = re.compile(r"[a-z0-9]+(?:[-.][a-z0-9]+)*")
PEOPLE = "\U0001f468\U0001f469\U0001f9d1\U0001f467\U0001f466\U0001f9d2\U0001f476"
INITIAL = re.compile(r"\b([a-z])\.(?=[a-z]\b)")
"""H.R. Giger is H. R. Giger."""
WHOLE = {"ø": "o", "ł": "l", "đ": "d", "\u0131": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "\u2019": "'"}
"""Letters that Unicode does not take apart."""
POINTS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c7\u0640\u064b-\u0655\u0670\ufe00-\ufe0f]")
"""Accents, the vowel points of Hebrew and Arabic, variants of emoji."""
ACCENTED = ("LATIN", "GREEK")
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Thai, Lao, Burmese, Khmer, kana and Han: a word may stand inside a longer row of signs."""
LATIN_START = re.compile(r"[A-Za-z0-9\u00c0-\u024f]")


@cache
def vocabulary() -> Any:
    """What is known of single words: `assets/prompts/words/vocabulary.json`."""
    return json.loads((FOLDER / "words" / "vocabulary.json").read_text(encoding="utf-8"))


@lru_cache(maxsize=4_096)
def folded(text: str) -> str:
    """The text as it is compared: composed alike, in small letters, Latin and Greek letters without accents."""
    if text.isascii():
        return text.lower()
    plain, base = [], ""
    for char in unicodedata.normalize("NFKD", text).casefold():
        if POINTS.match(char):
            if not base.startswith(ACCENTED) and "\u0300" <= char <= "\u036f":
                plain.append(char)  # й is another letter than и
            continue
        base = unicodedata.name(char, "") if char.isalpha() else ""
        if char not in JOINERS:
            plain.append(WHOLE.get(char, char))
    return unicodedata.normalize("NFC", "".join(plain)).replace("\u0451", "\u0435")


def forms(token: str) -> frozenset[str]:
    """A word and what may be its singular: `cherries` -> cherries, cherrie, cherry. `glasses` are no `glass`."""
    found = {token}
    known = vocabulary()
    if token in known["irregular"]:
        found.add(known["irregular"][token])
    if len(token) > 3 and token.endswith("s") and not token.endswith("ss") and token not in known["plural_only"]:
        found.add(token[:-1])
        if token.endswith(("ses", "xes", "zes", "ches", "shes", "oes")) and len(token) > 4:
            found.add(token[:-2])
        if token.endswith("ies") and len(token) > 4:
            found.add(token[:-3] + "y")
    return frozenset(found)


@lru_cache(maxsize=8_192)
def tokens(text: str) -> tuple[frozenset[str], ...]:
    """The text as tokens, each with what may be its singular; a text of signs alone is one of them."""
    whole = INITIAL.sub(r"\1 ", folded(text))
    found = ASCII_WORD.findall(whole) if whole.isascii() else _words(whole)
    return tuple(forms(token) for token in found)


def _words(text: str) -> list[str]:
    """Rows of letters, digits and their marks, with - or . inside; every sign of an unspaced script, every emoji."""
    found, word = [], ""
    for place, char in enumerate(text):
        kind = unicodedata.category(char)
        inner = char in "-." and word and text[place + 1 : place + 2].isalnum()
        if UNSPACED.match(char) or kind in ("So", "Cn"):
            found += [word, char]
            word = ""
        elif kind[0] in "LMN" or inner:
            word += char
        else:
            found.append(word)
            word = ""
    return [each for each in (*found, word) if each]


def same(one: str, other: str) -> bool:
    """Whether two names are one, whatever their case, accents, spacing or number."""
    a, b = tokens(one), tokens(other)
    return bool(a) and len(a) == len(b) and all(x & y for x, y in zip(a, b, strict=True))


def names(text: str, phrases: Iterable[str]) -> str | None:
    """The first of `phrases` that the text contains as whole words, whatever case or number; None when it has none."""
    whole = tokens(text)
    for phrase in phrases:
        if next(places(whole, tokens(phrase)), None) is not None:
            return phrase
    return None


def places(whole: tuple[frozenset[str], ...], part: tuple[frozenset[str], ...]) -> Iterator[int]:
    """Where in `whole` the tokens of `part` begin."""
    for start in range(len(whole) - len(part) + 1):
        if part and all(token & whole[start + k] for k, token in enumerate(part)):
            yield start


def bare(name: str) -> bool:
    """Whether an unlisted name takes no article: a proper name, a plural, a mass, a word of another script."""
    words = name.split()
    known = vocabulary()
    last = folded(words[-1]) if words else ""
    if not LATIN_START.match(name) or name.lower().startswith(("the ", "a ", "an ")):
        return True
    if last in known["no_article"] or last in known["irregular"]:
        return True
    plural = last in known["plural_only"] and last.endswith("s") and not last.endswith(("us", "as", "ss", "is"))
    proper = all(word[0].isupper() or not word[0].isalpha() or len(word) < 4 for word in words)
    return plural or (proper and any(word[0].isupper() for word in words))


def singular(name: str) -> str:
    """An unlisted thing's name in the singular, where it is written small: `dragons` -> dragon."""
    head, _, last = name.rpartition(" ")
    known = vocabulary()
    one = known["irregular"].get(last, last)
    if one == last and last.isascii() and last.islower() and last in {*forms(last)} and len(forms(last)) > 1:
        if last.endswith("ies") and len(last) > 4:
            one = last[:-3] + ("ie" if len(last) < 7 and last[:-1] in ("movie", "cookie", "selfie", "zombie") else "y")
        elif last.endswith(("sses", "xes", "ches", "shes", "oes")) and not last.endswith("shoes"):
            one = last[:-2]
        else:
            one = last[:-1] if not last.endswith(("us", "is")) else last
    return f"{head} {one}".strip()


def spoken(text: str) -> str:
    """The text with its emoji said in words: `🐱` -> cat face. Beside words they are left out."""
    if text.isascii():
        return text
    said, rest = [], []
    for char in text:
        if unicodedata.category(char) == "So" and ord(char) > 0x2000:
            said.append(char)
        elif not (POINTS.match(char) or 0x1F3FB <= ord(char) <= 0x1F3FF or (said and char in JOINERS)):
            rest.append(char)
    left = " ".join("".join(rest).split())
    if not said or any(char.isalnum() for char in left):
        return left if said else text
    flag = "".join(chr(ord(char) - 0x1F1E6 + ord("A")) for char in said if 0x1F1E6 <= ord(char) <= 0x1F1FF)
    if flag:
        return str(vocabulary()["flags"].get(flag, f"{flag} flag"))
    joined = "".join(said)
    if joined in vocabulary()["joined"]:
        return str(vocabulary()["joined"][joined])
    if len(said) > 1 and not set(said) - set(PEOPLE):
        return "family"
    if said[0] in "\U0001f468\U0001f469\U0001f9d1" and said[-1] in vocabulary()["jobs"]:
        return str(vocabulary()["jobs"][said[-1]])
    return unicodedata.name(said[0], text).lower()
