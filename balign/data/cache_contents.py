"""What the caches on this machine hold, and emptying them: drawn latents, curves of attacks, and files of the hub."""

import contextlib
import datetime
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from balign.data.latent_cache import ATTACKS, LATENTS, MODEL, cache_folder
from balign.markup.formats import counted
from balign.refusal import Refusal

KINDS = {"latents": "pictures of base models", "attacks": "curves of attacks", "hub": "files from the hub"}


class CacheEntry(NamedTuple):
    """What is kept of one model, or of all attacks together."""

    kind: str
    name: str
    """The model's name, or of latents of an older version the beginning of its fingerprint."""
    files: int
    size: int
    """Bytes."""
    used: float
    """When something of it was used last, in seconds since 1970."""
    folder: Path

    def __str__(self) -> str:
        day = datetime.date.fromtimestamp(self.used).isoformat()
        return (
            f"{size_of(self.size):>9}  {KINDS[self.kind]}, {counted(self.files, 'file')}, last used {day}: {self.name}"
        )


def size_of(size: int) -> str:
    """Bytes as MB or GB."""
    return f"{size / 1e9:,.2f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def contents(model: str | None = None, days: float | None = None, now: float | None = None) -> list[CacheEntry]:
    """What is kept, of this model alone and unused for so many days if they are given; the largest first."""
    if days is not None and not 0 <= days <= 100_000:
        raise Refusal(f"--older is {days:g}; a number of days from 0 to 100,000 is accepted.")
    found = [*_drawn(), *_hub()]
    if model is not None:
        found = [entry for entry in found if entry.name == model or entry.folder.name == model]
    if days is not None:
        now = datetime.datetime.now().timestamp() if now is None else now
        found = [entry for entry in found if now - entry.used >= 86_400 * days]
    return sorted(found, key=lambda entry: -entry.size)


def by_kind() -> dict[str, list[CacheEntry]]:
    """All that is kept, kind by kind."""
    kinds: dict[str, list[CacheEntry]] = {}
    for entry in contents():
        kinds.setdefault(entry.kind, []).append(entry)
    return kinds


def clear(entries: Iterable[CacheEntry]) -> int:
    """Delete what is kept of these; bytes that were freed. A run that misses something draws or fetches it again."""
    freed = 0
    for entry in entries:
        if entry.kind == "hub":
            _forget(entry.folder)
        else:
            for file in _files(entry.folder):
                file.unlink(missing_ok=True)
        freed += entry.size
    return freed


def _drawn() -> Iterator[CacheEntry]:
    folders = [("latents", folder) for folder in sorted((cache_folder() / LATENTS).glob("*"))]
    for kind, folder in [*folders, ("attacks", cache_folder() / ATTACKS)]:
        stats = [file.stat() for file in _files(folder) if file.name != MODEL and file.exists()]
        if stats:
            size, used = sum(stat.st_size for stat in stats), max(stat.st_mtime for stat in stats)
            yield CacheEntry(kind, _name(folder) if kind == "latents" else "all models", len(stats), size, used, folder)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def _name(folder: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        return (folder / MODEL).read_text(encoding="utf-8").strip() or folder.name
    return folder.name


def _scan() -> Any:
    """The hub's cache as its client sees it; None if there is none."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        return scan_cache_dir()
    except CacheNotFound:
        return None


def _hub() -> Iterator[CacheEntry]:
    found = _scan()
    for repo in found.repos if found else ():
        yield CacheEntry(
            "hub", repo.repo_id, repo.nb_files, repo.size_on_disk, repo.last_accessed, Path(repo.repo_path)
        )


def _forget(folder: Path) -> None:
    found = _scan()
    for repo in found.repos if found else ():
        if Path(repo.repo_path) == folder:
            found.delete_revisions(*(revision.commit_hash for revision in repo.revisions)).execute()
