"""The folder of what all runs share, what base models drew and curves of attacks, and how it is kept small."""

import contextlib
import itertools
import math
import os
from pathlib import Path

from balign.atomic import write
from balign.plain_file import expanded
from balign.refusal import Refusal

LATENTS, ATTACKS = "latents", "attacks"
MODEL = "model"
"""A note, in the folder of a model's latents, of the model's name."""
GIGABYTES = 20.0
"""What both may hold together where BALIGN_CACHE_GB says nothing else."""


def cache_folder() -> Path:
    """Where both are kept: BALIGN_CACHE, or ~/.cache/balign."""
    return expanded(os.environ.get("BALIGN_CACHE") or "~/.cache/balign")


def most_bytes() -> int:
    """What both may hold together. Raises Refusal if BALIGN_CACHE_GB is no number of gigabytes."""
    said = os.environ.get("BALIGN_CACHE_GB", "").strip()
    try:
        most = float(said) if said else GIGABYTES
    except ValueError:
        most = math.nan
    if not 0 <= most <= 1e6:
        raise Refusal(f"BALIGN_CACHE_GB is {said[:40]!r}; a number of gigabytes from 0 to 1,000,000 is accepted.")
    return round(most * 1e9)


def note_model(fingerprint: str, name: str) -> None:
    """Note the name of a model beside its latents, for who looks what they hold; a cache may also be read-only."""
    folder = cache_folder() / LATENTS / fingerprint[:16]
    with contextlib.suppress(OSError):
        if not (folder / MODEL).exists():
            folder.mkdir(parents=True, exist_ok=True)
            write(folder / MODEL, name)


def used(file: Path) -> None:
    """Note that a file was used just now; in a cache that may only be read nobody deletes it either."""
    with contextlib.suppress(OSError):
        os.utime(file)


def shrink(most: int) -> int:
    """Delete the files that were used the longest ago until at most so many bytes of the disk are left; what is left.

    A run that misses one makes it again, the same bit for bit.
    """
    found = []
    walks = (os.walk(cache_folder() / kind) for kind in (LATENTS, ATTACKS))
    for folder, _, names in itertools.chain(*walks):
        for name in names:
            if name == MODEL:
                continue
            with contextlib.suppress(FileNotFoundError):
                stat = os.lstat(path := os.path.join(folder, name))
                found.append((stat.st_mtime, path, stat.st_blocks * 512))
    total = sum(size for _, _, size in found)
    for _, path, size in sorted(found):
        if total <= most:
            break
        Path(path).unlink(missing_ok=True)
        total -= size
    return total
