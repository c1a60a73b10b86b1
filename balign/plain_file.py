"""Open a file of a folder in which anything may lie: a plain file, without following a link or waiting.

A system that is short of something says nothing about the file, so nobody may take that for "there is no such file".
"""

import errno
import os
import stat
from pathlib import Path

from balign.refusal import Refusal

MOST = 64_000_000
"""Bytes that are read of a file at most; those of a run that are read whole have far fewer."""


SHORTAGES = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT)
"""What the system says when it is short of something at this moment, whichever file was asked for."""


def plain(path: str, flags: int) -> int:
    """The opener for `open(path, …, opener=plain)`. Raises OSError for a link, a folder, a pipe, a device."""
    number = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)  # a pipe would wait for its other end
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "Not a plain file", path)
    return number


def read_plain(path: str | os.PathLike[str], most: int = MOST) -> bytes:
    """The content of a plain file. Raises OSError if it is none, or has more bytes than `most`."""
    with open(path, "rb", opener=plain) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, "File too large", str(path))
    return content


def expanded(path: str | Path) -> Path:
    """The path with `~` as the home folder. Raises Refusal if nobody has that home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise Refusal(f"There is no home folder for {str(path)[:200]!r}; give the whole path.") from None


def is_file(path: str | os.PathLike[str]) -> bool:
    """Whether there is a file here. Raises OSError if the system cannot tell at this moment."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError as error:
        raise_shortage(error)
        return False


def raise_shortage(error: Exception) -> None:
    """Raise the error again if it says nothing about the file: the system is short of something, or the disk failed."""
    if isinstance(error, OSError) and error.errno in (*SHORTAGES, errno.EIO):
        raise error
