"""Open a file of a folder in which anything may lie: a plain file, without following a link or waiting."""

import errno
import os
import stat

MOST = 64_000_000
"""Bytes that are read of a file at most; those of a run that are read whole have far fewer."""


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
