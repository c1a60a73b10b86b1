"""Files of prompts as the field has them: a table with a prompt column and seeds, json, json lines, or one a line.

Text is UTF-8, UTF-16 or, if it is neither, cp1252, as spreadsheets write it. Nothing in a file is executed or opened.
"""

import csv
import io
import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from balign import plain_text
from balign.data.lists import split_prompts
from balign.data.prompt_columns import COLUMNS, SEEDS, FilePrompt, one_line, plain_name, prompt_column, seed_of
from balign.refusal import Refusal

MOST_BYTES = 20_000_000
LISTS = (*COLUMNS, "data", "rows", "items", "anchor_prompts", "annotations", "examples")
"""Keys of a json object whose list holds the prompts."""
ACCEPTED = "one word or prompt a line, a table or json is accepted"
CP1252 = "The file is not UTF-8; it was read as cp1252. If its letters are wrong, save it as UTF-8."
OTHER = re.compile(
    r"\s*(?:<!doctype|<html|<\?xml|\{\\rtf|%pdf-|-?\s*\w+:\s*(?:[|>]-?)?\n\s*-\s|-\s+prompts?:)", re.IGNORECASE
)
"""How web pages, documents and yaml begin."""
COMMENT = re.compile(r"(?:sep=.$|#(?:\s|$)|[\s|:-]+$)", re.IGNORECASE)
"""Lines of a list or table that are none of its entries."""


class PromptFile(NamedTuple):
    """The prompts of a file, each once with each of its seeds, and a sentence for everything that was left out."""

    prompts: tuple[FilePrompt, ...]
    remarks: tuple[str, ...]

    @property
    def texts(self) -> list[str]:
        """The prompts without their seeds, each once."""
        return list(dict.fromkeys(each.prompt for each in self.prompts))


def read(path: Path, most: int, longest: int = 2_000) -> PromptFile:
    """The prompts of a file, at most so many, of at most so many characters. Raises Refusal for one without any."""
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise Refusal(f"The file has {size:,} bytes; one of at most {MOST_BYTES:,} is accepted.")
    return parse(path.read_bytes(), most, longest)


def parse(content: bytes, most: int, longest: int = 2_000) -> PromptFile:
    """The prompts of a file's bytes, as `read` gives them; too many are sampled down, the same ones every time."""
    text, remarks = _decoded(content)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if OTHER.match(text):
        raise Refusal(f"The file is a document of another kind; {ACCEPTED}.")
    rows = [row for row in dict.fromkeys(_rows(text)) if row.prompt]
    if not rows:
        raise Refusal(f"The file has no prompts in it; {ACCEPTED}.")
    shown = [row for row in rows if _shows(row.prompt)]
    if len(shown) < len(rows):
        remarks.append(f"{len(rows) - len(shown):,} prompts with control characters were left out.")
    rows, kept = shown, [row for row in shown if len(row.prompt) <= longest]
    if len(kept) < len(rows):
        remarks.append(f"{len(rows) - len(kept):,} prompts of more than {longest:,} characters were left out.")
    if not kept:
        raise Refusal(f"None of the file's prompts can be used: {' '.join(remarks)}")
    if len(kept) > most:
        chosen = sorted(random.Random("prompts of a file").sample(range(len(kept)), max(most, 0)))
        remarks.append(f"{most:,} of the file's {len(kept):,} prompts were taken, spread over all of it.")
        kept = [kept[i] for i in chosen]
    return PromptFile(tuple(kept), tuple(remarks))


def _shows(text: str) -> bool:
    try:
        plain_text.check(text)
    except ValueError:
        return False
    return True


def _decoded(content: bytes) -> tuple[str, list[str]]:
    if content.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        return _strict(content, "utf-32"), []
    if b"\x00" in content and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        wide = "utf-16-le" if content[1:2] == b"\x00" else "utf-16-be" if content[:1] == b"\x00" else ""
        if not wide:
            raise Refusal(f"The file is not text; {ACCEPTED}.")
        return _strict(content, wide), []
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _strict(content, "utf-16"), []
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        if sum(byte < 32 and byte not in (9, 10, 13) for byte in content[:10_000]):
            raise Refusal(f"The file is not text; {ACCEPTED}.") from None
        return content.decode("cp1252", errors="replace"), [CP1252]


def _strict(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding).lstrip("\ufeff")
    except UnicodeDecodeError:
        raise Refusal("The file begins like UTF-16 or UTF-32 and is not; UTF-8 text is accepted.") from None


def _rows(text: str) -> Iterator[FilePrompt]:
    """The prompts in their order, in whatever form they stand."""
    text = text.strip("\ufeff \r\n")
    if text.startswith(("[", "{")):
        yield from _json(text)
        return
    while (first := text.partition("\n"))[0] and COMMENT.match(first[0].strip()):
        text = first[2].lstrip("\n")
    lines = [line for line in text.splitlines() if line.strip()]
    table = _table(text, lines[0]) if lines else None
    if table is not None:
        yield from table
        return
    yield from map(FilePrompt, split_prompts("\n".join(line for line in lines if not COMMENT.match(line.strip()))))


def _json(text: str) -> Iterator[FilePrompt]:
    try:
        yield from _walk(json.loads(text))
        return
    except RecursionError:
        raise Refusal("The json of the file is nested too deep; a list of prompts is accepted.") from None
    except ValueError as error:
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2 or not all(line.lstrip().startswith(("{", '"', "[")) for line in lines):
            if re.match(r"\[[^\]\n]*\]\s*\w", text):
                yield from (FilePrompt(one_line(line)) for line in lines)  # a prompt that begins with a bracket
                return
            said = str(error).partition(";")[0]
            raise Refusal(f"The file is not readable json ({said}); {ACCEPTED}.") from None
    for number, line in enumerate(lines, 1):
        try:
            yield from _walk(json.loads(line))
        except (ValueError, RecursionError):
            raise Refusal(f"Line {number:,} of the file is not readable json.") from None


def _walk(value: Any) -> Iterator[FilePrompt]:
    """The prompts in a json value: texts, objects with a prompt, lists and objects of these."""
    if isinstance(value, str):
        yield FilePrompt(one_line(value))
    elif isinstance(value, list):
        for each in value:
            yield from _walk(each)
    elif isinstance(value, dict):
        keys = {plain_name(key): key for key in value}
        column = prompt_column(list(value))
        prompts = value[column] if column is not None else None
        seeds = next((value[keys[name]] for name in map(plain_name, (*SEEDS, "seeds")) if name in keys), None)
        if isinstance(prompts, str):
            for seed in seeds if isinstance(seeds, list) and seeds else [seeds]:
                yield FilePrompt(one_line(prompts), seed_of(seed))
            return
        if isinstance(prompts, list | dict) and isinstance(seeds, type(prompts)) and len(prompts) == len(seeds):
            columns = [each.values() if isinstance(each, dict) else each for each in (prompts, seeds)]
            for prompt, seed in zip(*columns, strict=True):
                yield from _walk({"prompt": prompt, "seed": seed})
            return
        if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
            for row in value["data"]:
                yield from _walk(
                    dict(zip(map(str, value["columns"]), row, strict=False)) if isinstance(row, list) else row
                )
            return
        named = [keys[plain_name(name)] for name in LISTS if plain_name(name) in keys]
        inner = [value[key] for key in named if isinstance(value[key], list | dict)] or [
            each for each in value.values() if isinstance(each, list | dict | str)
        ]
        for each in inner:
            yield from _walk(each)


def _table(text: str, head: str) -> list[FilePrompt] | None:
    """The rows of a table whose first line names a prompt column; None for a text that is no table.

    Raises Refusal for a table without such a column.
    """
    between = max("\t,;|", key=head.count)
    names = next(csv.reader([head], delimiter=between, skipinitialspace=True)) if between in head else [head]
    plain = [plain_name(name) for name in names]
    numbered = _looks_like_table(text, between, len(names))
    exact = any(plain_name(name) in plain for name in COLUMNS)
    named = prompt_column(names) if exact or (numbered and len(names) > 1) else None
    if named is None:
        if numbered:
            shown = ", ".join(name.strip()[:30] for name in names[:6])
            raise Refusal(
                f"The table has no column named prompt; its columns are {shown}. Name that of the prompts so in its "
                "first line."
            )
        return None
    column = names.index(named)
    seeds = next((plain.index(plain_name(name)) for name in SEEDS if plain_name(name) in plain), None)
    csv.field_size_limit(MOST_BYTES)
    try:
        read = list(csv.reader(io.StringIO(text), delimiter=between, skipinitialspace=True))[1:]
    except csv.Error as error:
        raise Refusal(f"The table of the file cannot be read: {error}.") from None
    if len(names) == 1:
        return [FilePrompt(one_line(",".join(row))) for row in read]
    return [
        FilePrompt(one_line(row[column]), seed_of(row[seeds]) if seeds is not None and seeds < len(row) else None)
        for row in read
        if column < len(row) and not COMMENT.match(row[column].strip())
    ]


def _looks_like_table(text: str, between: str, columns: int) -> bool:
    """Whether most lines have as many cells as the first, and one is a number, as case numbers and seeds are."""
    if columns < 2:
        return False
    rows: Sequence[list[str]] = [row for row in csv.reader(text.splitlines()[1:60], delimiter=between) if row]
    alike = [row for row in rows if len(row) == columns]
    numbers = [row for row in alike if any(re.fullmatch(r"\s*-?\d+(?:\.\d+)?\s*", cell) for cell in row)]
    return bool(rows) and len(alike) > len(rows) / 2 and len(numbers) > len(rows) / 2
