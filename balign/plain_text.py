"""Which text is accepted from people and files, and how text from outside is shown where a character can do harm."""

import logging
import re
import sys
import traceback
import unicodedata
from types import TracebackType
from typing import Any

HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0001]"
)
"""Control characters, those that turn the direction of writing, invisible ones, halves of characters."""
FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,7}\U000e007f")
"""The flag of a part of a country: a black flag and the letters of its code as tags."""
EMOJI = range(0x1F000, 0x1FB00)
"""Set aside by Unicode for pictures; Python does not know the latest of them."""
JOINERS = "\u200c\u200d"
JOINED = ("Lo", "Lm", "Mn", "Mc", "Me", "So", "Sk")
"""What a joiner may follow: letters of Arabic and Indic scripts, their signs, emoji with their variants."""
BLANK = "\u115f\u1160\u2800\u303f\u3164\uffa0\ufffc\U0001d159"
"""Letters and symbols that show nothing."""
SEPARATED = re.compile(r"(?<![\w./:-])/(?:[^\s/'\"`]+/)+")


def check(text: str) -> None:
    """Raise ValueError unless this is a line of text that shows something: in any script, emoji and flags included."""
    before, shown = "", False
    for char in FLAG.sub("\U0001f3f4", text):
        kind = _kind(char)
        if not (char.isprintable() or kind == "So" or (char in JOINERS and before in JOINED)):
            raise ValueError(f"{text[:40]!r} contains control characters; plain text is accepted")
        before, shown = kind, shown or (kind[0] in "LNPS" and char not in BLANK)
    if not shown:
        raise ValueError(f"{text[:40]!r} shows nothing; text that can be seen is accepted")


def one_line(text: str) -> str:
    """One line of printable text, without the space around it. Raises ValueError for what shows nothing."""
    text = " ".join(text.split())
    if not text:
        raise ValueError("an empty text was given; write at least one word")
    check(text)
    return text


def harmless(text: str) -> str:
    """The text with every character escaped that could steer a terminal or disguise what is shown."""
    return HARMFUL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def without_folders(text: str) -> str:
    """The text with the last two parts at most of every path in it, so that it tells nobody where things lie here."""

    def shorter(found: re.Match[str]) -> str:
        folders = found[0].strip("/").split("/")
        return f"{folders[-1]}/" if len(folders) > 3 else ""

    return SEPARATED.sub(shorter, text)


class PlainRecord(logging.LogRecord):
    """A record that is one line of a log, and its trace lines that begin with a space, whatever a stranger wrote."""

    def __init__(self, *values: Any, **named: Any) -> None:
        super().__init__(*values, **named)
        if self.exc_info and self.exc_info[1]:
            self.exc_text = _trace(*self.exc_info)

    def getMessage(self) -> str:
        """The message with its line breaks escaped."""
        return harmless(super().getMessage()).replace("\n", "\\n")


def guard_output() -> None:
    """Have every log and uncaught exception of this process written without harmful characters."""
    logging.setLogRecordFactory(PlainRecord)
    sys.excepthook = lambda *error: print(_trace(*error), file=sys.stderr)


def _kind(char: str) -> str:
    return "So" if ord(char) in EMOJI and unicodedata.category(char) == "Cn" else unicodedata.category(char)


def _trace(kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> str:
    lines = "".join(traceback.format_exception(kind, error, trace)).splitlines()
    return harmless("\n ".join(lines))
