"""What a kill leaves behind: runs half created or half deleted in the root, and half written weights in a run."""

import contextlib
import logging
import os
import re
import secrets
import shutil
from pathlib import Path

from balign import locks

log = logging.getLogger(__name__)
LOCK = ".lock"
HALF_CREATED = re.compile(r"\.2\d{7}-\d{12}-[A-Za-z0-9_-]{22}")
"""A folder that becomes a run when it is complete. Until then its creator holds the lock in it."""
HALF_DELETED = re.compile(r"\.[A-Za-z0-9][A-Za-z0-9_-]{7,79}\.deleted")
WEIGHTS = (".*.safetensors.*.tmp", "tmp*/", "exports/.*.tmp")
"""What only the process that has claimed the run writes. A server has drafts of other files there at the same time."""


def remove_folder(folder: Path) -> None:
    """Remove a folder with everything in it. Raises OSError if something stays."""
    for parent in (waiting := [str(folder)]):
        with contextlib.suppress(OSError):  # what is gone meanwhile, or what is told of below
            with os.scandir(parent) as entries:
                paths = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
            for path in paths:
                os.chmod(path, 0o700)  # one that may not be entered can still be deleted
                waiting.append(path)
                if parent != waiting[0]:  # no tree is too deep for a way that goes on beside it
                    waiting[-1] = f"{folder}/{secrets.token_hex(16)}"
                    os.rename(path, waiting[-1])
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():  # a process that was about to claim it has put its lock there meanwhile
        shutil.rmtree(folder)


def clear_root(root: Path) -> None:
    """Remove the runs that nobody creates or deletes any more. Whoever calls this holds the lock of the scheduler."""
    for folder in root.glob(".*"):
        if folder.is_symlink() or not folder.is_dir():
            continue
        try:
            if HALF_DELETED.fullmatch(folder.name) or (HALF_CREATED.fullmatch(folder.name) and _abandoned(folder)):
                remove_folder(folder)
        except OSError as error:  # the next sweep tries again
            log.warning("what a kill left behind could not be removed: %s", error)


def clear_run(folder: Path) -> None:
    """Remove half written weights from a run's folder. Only for the process that has claimed the run."""
    for pattern in WEIGHTS:
        for draft in folder.glob(pattern):
            if draft.is_dir() and not draft.is_symlink():
                shutil.rmtree(draft, ignore_errors=True)
            else:
                draft.unlink(missing_ok=True)


def _abandoned(folder: Path) -> bool:
    """Whether something was put into the folder, and so its lock was taken before, and nobody holds it now."""
    return any(path.name != LOCK for path in folder.iterdir()) and not locks.held(folder / LOCK)
