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
from balign.refusal import Refusal

MOST_BYTES = 20_000_000
COLUMNS = (
    "prompt",
    "prompts",
    "text",
    "caption",
    "captions",
    "sentence",
    "description",
    "adv_prompt",
    "sensitive prompt",
)
"""Names of a column of prompts, the likeliest first; case, _ and - make no difference."""
SEEDS = ("evaluation_seed", "sd_seed", "seed", "image_seed", "noise_seed")
LISTS = (*COLUMNS, "data", "rows", "items", "anchor_prompts", "annotations", "examples")
"""Keys of a json object whose list holds the prompts."""
MOST_SEED = 2**31


class FilePrompt(NamedTuple):
    """One prompt of a file, and the seed that stands beside it."""

    prompt: str
    seed: int | None = None


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
    rows = [row for row in dict.fromkeys(_rows(text)) if row.prompt]
    if not rows:
        raise Refusal("The file has no text in it; one word or prompt a line, a table or json is accepted.")
    shown = [row for row in rows if _shows(row.prompt)]
    if len(shown) < len(rows):
        remarks.append(f"{len(rows) - len(shown):,} prompts with control characters were left out.")
    rows, kept = shown, [row for row in shown if len(row.prompt) <= longest]
    if len(kept) < len(rows):
        remarks.append(f"{len(rows) - len(kept):,} prompts of more than {longest:,} characters were left out.")
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
    if b"\x00" in content and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        wide = "utf-16-le" if content[1:2] == b"\x00" else "utf-16-be" if content[:1] == b"\x00" else ""
        if not wide:
            raise Refusal("The file is not text; one word or prompt a line, a table or json is accepted.")
        return _strict(content, wide), []
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return _strict(content, "utf-16"), []
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        if sum(byte < 32 and byte not in (9, 10, 13) for byte in content[:10_000]):
            raise Refusal("The file is not text; one word or prompt a line, a table or json is accepted.") from None
        return content.decode("cp1252", errors="replace"), ["The file is not UTF-8; it was read as cp1252."]


def _strict(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding).lstrip("\ufeff")
    except UnicodeDecodeError:
        raise Refusal("The file begins like UTF-16 and is not; UTF-8 text is accepted.") from None


def _rows(text: str) -> Iterator[FilePrompt]:
    """The prompts in their order, in whatever form they stand."""
    text = text.strip("\ufeff \r\n")
    if text.startswith(("[", "{")):
        yield from _json(text)
        return
    lines = [line for line in text.splitlines() if line.strip()]
    table = _table(text, lines[0]) if lines else None
    if table is not None:
        yield from table
        return
    yield from map(FilePrompt, split_prompts(text))


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
                yield from (FilePrompt(_one_line(line)) for line in lines)  # a prompt that begins with a bracket
                return
            raise Refusal(f"The file is not readable json: {error}.") from None
    for number, line in enumerate(lines, 1):
        try:
            yield from _walk(json.loads(line))
        except (ValueError, RecursionError):
            raise Refusal(f"Line {number:,} of the file is not readable json.") from None


def _walk(value: Any) -> Iterator[FilePrompt]:
    """The prompts in a json value: texts, objects with a prompt, lists and objects of these."""
    if isinstance(value, str):
        yield FilePrompt(_one_line(value))
    elif isinstance(value, list):
        for each in value:
            yield from _walk(each)
    elif isinstance(value, dict):
        keys = {_plain(key): key for key in value}
        column = next((keys[_plain(name)] for name in COLUMNS if _plain(name) in keys), None)
        if column is not None and isinstance(value[column], str):
            seed = next((value[keys[_plain(name)]] for name in SEEDS if _plain(name) in keys), None)
            yield FilePrompt(_one_line(value[column]), _seed(seed))
            return
        named = [keys[_plain(name)] for name in LISTS if _plain(name) in keys]
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
    names = next(csv.reader([head], delimiter=between)) if between in head else [head]
    plain = [_plain(name) for name in names]
    column = next((plain.index(_plain(name)) for name in COLUMNS if _plain(name) in plain), None)
    if column is None:
        if _looks_like_table(text, between, len(names)):
            shown = ", ".join(name.strip()[:30] for name in names[:6])
            raise Refusal(f"The table has no column named prompt; its columns are {shown}.")
        return None
    seeds = next((plain.index(_plain(name)) for name in SEEDS if _plain(name) in plain), None)
    csv.field_size_limit(MOST_BYTES)
    try:
        read = list(csv.reader(io.StringIO(text), delimiter=between))[1:]
    except csv.Error as error:
        raise Refusal(f"The table of the file cannot be read: {error}.") from None
    if len(names) == 1:
        return [FilePrompt(_one_line(",".join(row))) for row in read]
    return [
        FilePrompt(_one_line(row[column]), _seed(row[seeds]) if seeds is not None and seeds < len(row) else None)
        for row in read
        if column < len(row)
    ]


def _looks_like_table(text: str, between: str, columns: int) -> bool:
    """Whether most lines have as many cells as the first, and one is a number, as case numbers and seeds are."""
    if columns < 3:
        return False
    rows: Sequence[list[str]] = [row for row in csv.reader(text.splitlines()[1:60], delimiter=between) if row]
    alike = [row for row in rows if len(row) == columns]
    numbers = [row for row in alike if any(re.fullmatch(r"\s*-?\d+(?:\.\d+)?\s*", cell) for cell in row)]
    return bool(rows) and len(alike) > len(rows) / 2 and len(numbers) > len(rows) / 2


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name.strip().strip("\"'").lower())


def _one_line(text: str) -> str:
    return " ".join(text.split()).strip().strip('"').strip()


def _seed(value: Any) -> int | None:
    try:
        seed = int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None
    return seed if 0 <= seed < MOST_SEED else seed % MOST_SEED if seed > 0 else None
