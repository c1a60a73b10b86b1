"""Files of prompts as the field has them: a table with a prompt column and seeds, json, or one prompt a line.

I2P is a table with `prompt` and `sd_seed`; those of UCE and ESD have `prompt` and `evaluation_seed`. Excel writes
utf-16 or cp1252, and semicolons in half of Europe.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from balign.refusal import Refusal

PROMPTS = ("prompt", "prompts", "text", "caption")
"""Columns, or keys, that hold the prompt: the first that is there does."""
SEEDS = ("evaluation_seed", "sd_seed", "seed", "seeds")
MOST_BYTES = 20_000_000
ENDS = {"\t", ",", ";"}


class ReadPrompt(NamedTuple):
    """A prompt of a file, and the seed that stands with it."""

    prompt: str
    seed: int | None = None


def read(path: Path) -> list[ReadPrompt]:
    """The prompts of a file, each with its seed, duplicates left out. Raises Refusal for a file that holds none."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Refusal(f"The file {path.name} cannot be read: {error.strerror}.") from None
    return parse(content, path.name)


def parse(content: bytes, name: str = "the file") -> list[ReadPrompt]:
    """The same of the bytes of a file."""
    if len(content) > MOST_BYTES:
        raise Refusal(f"{name} has more than {MOST_BYTES:,} bytes; a file of prompts has fewer.")
    text = _text(content, name)
    found = _json(text, name) if text.lstrip()[:1] in ("[", "{") else _table(text, name)
    prompts = [each._replace(prompt=" ".join(each.prompt.split())) for each in found]
    unique = list(dict.fromkeys(each for each in prompts if each.prompt))
    if not unique:
        raise Refusal(f"{name} holds no prompt; a table with a column `prompt`, json or one prompt a line is accepted.")
    return unique


def _text(content: bytes, name: str) -> str:
    """The text, in the encodings of the field. Raises Refusal for a file that is no text."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encodings: Sequence[str] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise Refusal(f"{name} is no text; a table, json or one prompt a line is accepted.")


def _json(text: str, name: str) -> list[ReadPrompt]:
    """A list of prompts or of objects, one object a line, or an object of columns or of a list."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        try:
            value = [json.loads(line) for line in text.splitlines() if line.strip()]
        except (ValueError, RecursionError):
            raise Refusal(f"{name} begins as json and is not readable as it.") from None
    if isinstance(value, dict):
        value = _entries(value)
    if not isinstance(value, list):
        raise Refusal(f"{name} is json without a list of prompts.")
    rows = [row for row in value if isinstance(row, dict)]
    keys = _columns(list(rows[0]), name) if rows else ("", "")
    return [
        _entry(row.get(keys[0]), row.get(keys[1]), name) if isinstance(row, dict) else _entry(row, None, name)
        for row in value
    ]


def _entries(value: Mapping[str, Any]) -> Any:
    """The list in an object: its columns side by side, the one list that it has, or the values of a numbered one."""
    lists = {key: part for key, part in value.items() if isinstance(part, list)}
    known = [key for key in lists if str(key).strip().lower() in (*PROMPTS, *SEEDS)]
    if len(known) > 1:
        return [dict(zip(known, row, strict=True)) for row in zip(*(lists[key] for key in known), strict=False)]
    if lists:
        return lists[known[0]] if known else next(iter(lists.values()))
    if any(str(key).strip().lower() in PROMPTS for key in value):
        return [dict(value)]
    return list(value.values())


def _table(text: str, name: str) -> list[ReadPrompt]:
    """A table, if its first line names a prompt column; else one prompt a line."""
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    mark = max(ENDS, key=first.count)
    try:
        heads = next(csv.reader([first], delimiter=mark), [])
        known = any(head.strip().lower() in PROMPTS for head in heads)
        if not known and len(heads) < 3:
            return [_entry(line, None, name) for line in lines]
        prompt, seed = _columns(heads, name)
        rows = csv.DictReader(io.StringIO(text.lstrip("\r\n")), delimiter=mark)
        return [_entry(row.get(prompt), row.get(seed), name) for row in rows]
    except csv.Error as error:
        raise Refusal(f"{name} is no readable table ({error}).") from None


def _columns(heads: Sequence[str], name: str) -> tuple[str, str]:
    """The prompt's column and that of the seed, if there is one. Raises Refusal if no column is the prompt's."""
    folded = {head.strip().lower(): head for head in reversed(heads) if isinstance(head, str)}
    prompt = next((folded[known] for known in PROMPTS if known in folded), None)
    if prompt is None:
        listed = ", ".join(repr(head[:30]) for head in heads[:6])
        raise Refusal(f"{name} has no column `prompt`; it has {listed}.")
    return prompt, next((folded[known] for known in SEEDS if known in folded), "")


def _entry(prompt: Any, seed: Any, name: str) -> ReadPrompt:
    if not isinstance(prompt, str | None):
        raise Refusal(f"{name} holds {str(prompt)[:60]!r} where a prompt should be.")
    given = str(seed if seed is not None else "").strip()
    if not given:
        return ReadPrompt(prompt or "")
    try:
        number = int(float(given)) if "." in given else int(given)
    except (ValueError, OverflowError):
        raise Refusal(f"{name} holds {given[:40]!r} where a seed should be.") from None
    if not 0 <= number < 2**63:
        raise Refusal(f"{name} holds the seed {given[:40]}; a whole number from 0 up is accepted.")
    return ReadPrompt(prompt or "", number)
