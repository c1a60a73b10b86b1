"""The folders of all runs, each looked into again only when something was put into it or taken out of it.

A server looks for new runs every second; with a thousand of them in the root, one date of each is all it can read.
"""

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

SETTLED = 3.0
"""Seconds after which the date of a folder tells every change of it; some disks count in steps of two."""
Stamp = tuple[int, int, int]


class RunFolder(NamedTuple):
    """A folder in which there is a config."""

    path: Path
    stamp: Stamp | None
    """What changes when a file is put into the folder, replaced or removed; None if that was only a moment ago."""


_known: dict[str, RunFolder] = {}


def run_folders(root: Path) -> list[RunFolder]:
    """The folders of the runs in this root, the last by name first. Hidden ones and links are none."""
    global _known
    seen, settled = {}, (time.time() - SETTLED) * 1e9
    try:
        with os.scandir(root.absolute()) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and (folder := _look(entry, settled)):
                    seen[entry.path] = folder
    except OSError:  # no root, or one that went away meanwhile
        return []
    _known = seen
    return [seen[path] for path in sorted(seen, reverse=True)]


def _look(entry: os.DirEntry[str], settled: float) -> RunFolder | None:
    try:
        facts = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    stamp, known = (facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns), _known.get(entry.path)
    if known is not None and known.stamp == stamp:
        return known
    if not stat.S_ISDIR(facts.st_mode) or not os.path.isfile(os.path.join(entry.path, "config.json")):
        return None
    return RunFolder(known.path if known else Path(entry.path), stamp if max(stamp[1:]) < settled else None)


class FolderSearch:
    """Finds the folders that a question is answered yes for; a no is believed until the folder changes."""

    def __init__(self, ask: Callable[[Path], bool]) -> None:
        self._ask = ask
        self._no: dict[Path, Stamp] = {}

    def found(self, root: Path) -> list[Path]:
        """The folders, the last by name first."""
        found, no = [], {}
        for path, stamp in run_folders(root):
            if stamp is not None and self._no.get(path) == stamp:
                no[path] = stamp
            elif self._ask(path):
                found.append(path)
            elif stamp is not None:
                no[path] = stamp
        self._no = no
        return found
