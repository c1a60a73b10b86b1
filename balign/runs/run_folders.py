"""The folders of all runs, each looked into again only when something was put into it or taken out of it; their names.

A server looks for new runs all the time; with a thousand of them in the root, one date of each is all it can read.
"""

import os
import re
import stat
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from balign.plain_file import is_file, raise_shortage

RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{7,79}")
"""The name of a run's folder. Any other folder is none of ours."""
MOMENT = re.compile(r"(20\d\d[01]\d[0-3]\d)-(\d{6})(\d{6})?-")
"""How the name of a run begins: date, time and millionths of a second; of an older one without these, in local time."""
SETTLED = 3.0
"""Seconds after which the date of a folder tells every change of it; some disks count in steps of two."""


class RunFolder(NamedTuple):
    """A folder in which there is a config; the same object until something in it is put there, replaced or removed."""

    path: Path
    stamp: tuple[int, int, int] | None
    """Which folder it is, and its dates; None if they are of a moment ago and may not tell the next change."""


_known: dict[str, RunFolder] = {}
_others: dict[str, tuple[int, int, int] | None] = {}
"""The stamps of folders in which there was no config."""


def run_folders(root: Path) -> dict[str, RunFolder]:
    """The folders of the runs in this root by path, the last by name first. Links, and other names, are none.

    Raises OSError if the system cannot tell at this moment.
    """
    global _known, _others
    known, seen, settled = _known, {}, (time.time() - SETTLED) * 1e9
    others: dict[str, tuple[int, int, int] | None] = {}
    try:
        entries = os.scandir(root.absolute())
    except OSError as error:  # no root
        raise_shortage(error)
        return {}
    with entries:
        for entry in entries:
            path = entry.path
            if not RUN_ID.fullmatch(entry.name):
                continue
            try:
                facts, before = entry.stat(follow_symlinks=False), known.get(path)
            except OSError as error:  # deleted at this moment
                raise_shortage(error)
                continue
            stamp = (facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns)
            if before is not None and before.stamp == stamp:
                seen[path] = before
            elif _others.get(path) == stamp:
                others[path] = stamp
            elif stat.S_ISDIR(facts.st_mode):
                lasting = stamp if max(stamp[1:]) < settled else None
                if _holds_config(path):
                    seen[path] = RunFolder(Path(path), lasting)
                else:
                    others[path] = lasting
    _others = others
    _known = {path: seen[path] for path in sorted(seen, reverse=True)}
    return _known


def linked(root: Path) -> list[str]:
    """The names in this root that are symbolic links to a run's folder elsewhere, which is no run of this root."""
    try:
        entries = [e for e in os.scandir(root.absolute()) if e.is_symlink() and RUN_ID.fullmatch(e.name)]
        return sorted(entry.name for entry in entries if _holds_config(entry.path))
    except OSError:  # no root
        return []


def _holds_config(path: str) -> bool:
    return is_file(os.path.join(path, "config.json"))


class FolderSearch:
    """Finds the folders that a question is answered yes for; a no is believed until the folder changes."""

    def __init__(self, ask: Callable[[Path], bool]) -> None:
        self._ask = ask
        self._no: dict[str, RunFolder] = {}

    def found(self, root: Path) -> list[Path]:
        """The folders, the last by name first."""
        found, no, before = [], {}, self._no
        for path, folder in run_folders(root).items():
            if before.get(path) is folder or not self._ask(folder.path):
                no[path] = folder
            else:
                found.append(folder.path)
        self._no = no
        return found


def next_moment(names: Iterable[str]) -> str:
    """The time in UTC to a millionth of a second as a name begins with it, later than that of any of these names.

    A clock that was set back, or stands still, thus leaves everything in the order in which it was made.
    """
    now = time.time_ns() // 1000
    moment = time.strftime("%Y%m%d%H%M%S", time.gmtime(now // 10**6)) + f"{now % 10**6:06d}"
    known = ("".join(part or "999999" for part in found.groups()) for found in map(MOMENT.match, names) if found)
    after = max((int(digits) + 1 for digits in known), default=0)
    digits = str(max(int(moment), after))
    return f"{digits[:8]}-{digits[8:]}"
