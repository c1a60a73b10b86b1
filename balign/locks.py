"""Locks on files, which the system frees however their holder ends.

A process is known by the lock that it holds and by no number or date: the number of a process means nothing in another
container, and a clock may be set. Whatever shares a kernel and a disk sees the lock.
"""

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from balign.plain_file import plain, raise_shortage
from balign.refusal import Refusal

POLL = 0.01
"""Seconds between two tries to get a lock that another holds."""


@contextlib.contextmanager
def hold(path: Path, refusal: str, wait: float = 0.0) -> Iterator[None]:
    """Hold the lock of a file, which is made if it is not there.

    Raises Refusal if another holds it for these seconds, and OSError if there can be no lock.
    """
    until = time.monotonic() + wait
    with open(path, "ab", opener=plain) as file:
        while not lock(file):
            if time.monotonic() >= until:
                raise Refusal(refusal)
            time.sleep(POLL)
        try:
            yield
        finally:
            unlock(file)


def lock(file: IO[bytes]) -> bool:
    """Take the lock of an open file, which a child that inherits the file holds as well; False if another holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock(file: IO[bytes]) -> None:
    """Give the lock back, also for a fork of this process that inherited the file."""
    fcntl.flock(file, fcntl.LOCK_UN)


def held(path: Path) -> bool:
    """Whether somebody holds the lock of this file. To ask is to share it for a moment.

    Raises OSError if the system cannot tell at this moment.
    """
    try:
        with open(path, "rb", opener=plain) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:  # there is no such file, or no lock on this disk
        raise_shortage(error)
    return False
