"""Reads a Dockerfile and a .dockerignore as Docker does, as far as ours go.

It starts nothing and knows no root; what it cannot read it refuses.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Step(NamedTuple):
    """One instruction: its word, its `--name=value` flags, and what follows."""

    word: str
    flags: dict[str, str]
    rest: str

    def __str__(self) -> str:
        return f"{self.word} {' '.join(self.rest.split())}"

    @property
    def argv(self) -> list[str]:
        """A command as Docker starts it: a json list as it is, anything else through a shell."""
        return json.loads(self.rest) if self.rest.startswith("[") else ["/bin/sh", "-c", self.rest]


def steps(path: Path) -> Iterator[Step]:
    """Every instruction, with comments left out and continued lines put together."""
    lines = [line for line in path.read_text("utf-8").splitlines() if not re.match(r"\s*(#|$)", line)]
    for line in re.sub(r"\\\n", "", "\n".join(lines)).splitlines():
        word, rest = line.strip().split(None, 1)
        flags = {}
        while found := re.match(r"--([\w-]+)=(\S+)\s+", rest):
            flags[found[1]] = found[2]
            rest = rest[found.end() :]
        yield Step(word.upper(), flags, rest)


def pairs(text: str) -> dict[str, str]:
    """The `NAME=value` of an ENV or ARG; quotes are not read."""
    if re.search(r"[\"'\\]", text):
        raise ValueError(f"Quotes are not read here: {text!r}.")
    return dict(pair.split("=", 1) for pair in text.split())


def context(root: Path) -> list[Path]:
    """The files that `docker build` would send, relative to the root: all that .dockerignore leaves."""
    lines = [line.strip() for line in (root / ".dockerignore").read_text("utf-8").splitlines()]
    rules = [(_pattern(line.lstrip("!")), line.startswith("!")) for line in lines if line and line[0] != "#"]
    files = (path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file())
    return [path for path in files if _sent(path, rules)]


def _sent(path: Path, rules: list[tuple[re.Pattern[str], bool]]) -> bool:
    """The last rule that names the path or a folder it is in decides."""
    names = [path.as_posix(), *(parent.as_posix() for parent in path.parents)]
    hits = [back for pattern, back in rules if any(pattern.fullmatch(name) for name in names)]
    return not hits or hits[-1]


def _pattern(text: str) -> re.Pattern[str]:
    """A pattern always begins at the root; `**` stands for any number of folders."""
    if "[" in text or "\\" in text:
        raise ValueError(f"This pattern is not read here: {text!r}.")
    parts = re.split(r"(\*\*/?|\*|\?)", text.strip("/"))
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(known.get(part) or re.escape(part) for part in parts))
