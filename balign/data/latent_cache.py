"""The folder of what all runs share, what base models drew and curves of attacks, and how it is kept small."""

import contextlib
import itertools
import os
from pathlib import Path

LATENTS, ATTACKS = "latents", "attacks"


def cache_folder() -> Path:
    """Where both are kept: BALIGN_CACHE, or ~/.cache/balign."""
    return Path(os.environ.get("BALIGN_CACHE") or Path.home() / ".cache" / "balign")


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
