"""The page in another language: a table each in `languages/`, from the English text to its translation.

A table has two parts: what gradio and the scripts look up in the browser, and what the server says. The English stands
where it is used, in templates and in Python; nothing there is a key of its own. In a template every text between tags
and every attribute that is read out or shown is looked up, with `{0}`, `{1}` where values stand.
"""

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from functools import cache
from pathlib import Path

TABLES = Path(__file__).parent / "languages"
ENGLISH = "en"
LANGUAGE: ContextVar[str] = ContextVar("language", default=ENGLISH)
"""The language of the visitor who is being answered; what nobody asked for through the page is in English."""
ASKED = re.compile(r"([a-zA-Z]{1,8})(?:-[a-zA-Z0-9-]*)?\s*(?:;\s*q=([0-9.]+))?\s*", re.ASCII)
CODE = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
VALUE = re.compile(r"\{(\d+)\}")
SHOWN = re.compile(r'(\b(?:title|aria-label|placeholder|alt|data-(?:such|instead|near))=")([^"]*)(?=")')
PARTS = re.compile(r"(<[^<>]*>|\x02\d+\x03)")
"""Tags, and what is done rather than shown, in a template whose code is taken out."""


@cache
def languages() -> tuple[str, ...]:
    """The languages there are: English, and one for each table."""
    return (ENGLISH, *sorted(file.stem for file in TABLES.glob("*.json")))


@cache
def table(language: str, part: str = "") -> Mapping[str, str]:
    """The texts of a language by the English; empty for English.

    part: only those that are "sent" to the browser, which looks them up itself, or that the server has "told".
    """
    if language not in languages() or language == ENGLISH:
        return {}
    parts: dict[str, dict[str, str]] = json.loads((TABLES / f"{language}.json").read_text(encoding="utf-8"))
    return parts[part] if part else parts["sent"] | parts["told"]


def said(text: str) -> str:
    """The text in the visitor's language; as it is where that has none."""
    return table(LANGUAGE.get()).get(text, text)


def preferred(header: str) -> str:
    """The first language of an Accept-Language header that there is; English if none of them is."""
    asked = []
    for part in header[:200].split(","):
        found = ASKED.fullmatch(part.strip())
        if found and found[1].lower() in languages():
            with contextlib.suppress(ValueError):
                asked.append((float(found[2] or 1), found[1].lower()))
    return max(asked, key=lambda each: each[0])[1] if asked else ENGLISH


class Template:
    """A template in parts: its texts, and between them tags and code, which stay as they are."""

    def __init__(self, source: str) -> None:
        self.code: list[str] = []
        self.text = CODE.sub(self._out, source)

    def _out(self, found: re.Match[str]) -> str:
        self.code.append(found[0])
        ends = "\x00\x01" if found[0].startswith("{{") else "\x02\x03"
        return f"{ends[0]}{len(self.code) - 1}{ends[1]}"

    def told(self, words: Mapping[str, str]) -> str:
        """The template with its texts from a table."""
        parts = (self._tag(part, words) if part[:1] in "<\x02" else self._said(part, words) for part in self._parts())
        return re.sub(r"[\x00\x02](\d+)[\x01\x03]", lambda found: self.code[int(found[1])], "".join(parts))

    def texts(self) -> Iterator[str]:
        """The English of everything that is looked up."""
        for part in self._parts():
            inside = [found[2] for found in SHOWN.finditer(part)] if part.startswith("<") else [part]
            for text in (piece for shown in inside for piece in re.split(r"\x02\d+\x03", shown)):
                if not text.startswith("\x02") and (key := _key(text)[0]):
                    yield key

    def _parts(self) -> list[str]:
        return [part for part in PARTS.split(self.text) if part]

    def _tag(self, tag: str, words: Mapping[str, str]) -> str:
        def shown(found: re.Match[str]) -> str:
            pieces = re.split(r"(\x02\d+\x03)", found[2])
            return found[1] + "".join(piece if piece[:1] == "\x02" else self._said(piece, words) for piece in pieces)

        return SHOWN.sub(shown, tag)

    def _said(self, text: str, words: Mapping[str, str]) -> str:
        key, values = _key(text)
        if not key or key not in words:
            return text
        before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
        return before + VALUE.sub(lambda found: values[int(found[1])], words[key]) + after


def _key(text: str) -> tuple[str, list[str]]:
    """A text as it is looked up, and what stands in it for values; empty for one without a word."""
    values: list[str] = []

    def value(found: re.Match[str]) -> str:
        values.append(found[0])
        return f"{{{len(values) - 1}}}"

    key = " ".join(re.sub(r"\x00\d+\x01", value, text).split())
    worded = re.search(r"[A-Za-z]{2}", re.sub(r"&\w+;", "", key)) and '="' not in key  # which is an attribute alone
    return (key if worded else ""), values
