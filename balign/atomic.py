"""Write a file or a folder whole or not at all: a draft beside it is renamed when it is complete."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic(target: Path) -> Iterator[Path]:
    """A free hidden path beside the target, to write a file or make a folder at; it replaces the target at the end.

    If the block fails, the target stays as it was and the draft is removed. Raises the OSError of a disk that refuses.
    """
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    old = draft.with_suffix(".old.tmp")
    try:
        yield draft
        if target.is_dir():  # a folder with files in it cannot be replaced in one call
            os.replace(target, old)
        os.replace(draft, target)
    finally:
        for path in (draft, old):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def write(path: Path, content: str | bytes) -> None:
    """Write a file and wait until the disk has it; a full disk leaves what was there before."""
    with atomic(path) as draft, open(draft, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        os.fsync(file.fileno())
