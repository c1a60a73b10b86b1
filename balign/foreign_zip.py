"""A stranger's zip, opened without trust: its list of files is bounded and refused before a byte of content is read."""

import contextlib
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from balign.plain_file import raise_shortage
from balign.refusal import Refusal

MAX_DIRECTORY = 8_000_000
"""Most bytes of a zip's own list of files; that of 50,000 pictures fits."""
GROWS, ROOM = 4, 64_000_000
"""A zip may hold this many times its size, and this many bytes more; pictures and weights do not compress."""
DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError,
    OverflowError,
)  # fmt: skip
"""The exceptions of zipfile for a damaged zip; a name that is no text, or an offset that no file has, is a ValueError,
an OverflowError or an OSError."""
END, LOCATOR, END64 = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"
TAIL = 65_535 + 22 + 20 + 56
"""Bytes at the end of a zip in which zipfile looks for its list: the longest comment, and the three ends."""


@contextlib.contextmanager
def foreign(path: Path, what: str, none: str) -> Iterator[tuple[zipfile.ZipFile, Mapping[str, zipfile.ZipInfo]]]:
    """The zip and its files by name, while it is open; what zipfile then raises of a damaged one is a Refusal, too.

    what: what a good one is, such as a bundle; none: the sentence for what is no zip of that kind.
    """
    try:
        file = open(path, "rb")  # noqa: SIM115
    except FileNotFoundError:
        raise Refusal(f"There is no file {path.name}.") from None
    with file:
        size = _size(file, what, none)
        try:
            with zipfile.ZipFile(file) as archive:
                yield archive, _members(archive, size, what)
        except Refusal:
            raise
        except DAMAGE as error:
            raise_shortage(error)
            raise Refusal(f"The zip is damaged ({str(error)[:120]!r}); download or copy it again.") from None


def _size(file: IO[bytes], what: str, none: str) -> int:
    """The zip's size. zipfile reads its list of files whole, so a long one is refused first, wherever it finds it."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - TAIL, 0))
    tail = file.read()
    ends = [found.start() for found in re.finditer(END, tail)]
    if not any(int.from_bytes(tail[at + 20 : at + 22], "little") == len(tail) - at - 22 for at in ends):
        raise Refusal(none)
    told = [int.from_bytes(tail[at + 12 : at + 16], "little") for at in ends]
    long = [
        int.from_bytes(tail[found.start() + 40 : found.start() + 48], "little") for found in re.finditer(END64, tail)
    ]
    if max(long, default=0) > MAX_DIRECTORY or any(MAX_DIRECTORY < each < 0xFFFFFFFF for each in told):
        raise Refusal(f"The zip lists far more files than a {what} has.")
    if (0xFFFFFFFF in told or LOCATOR in tail) and not long:
        raise Refusal(none)
    file.seek(0)
    return size


def _members(archive: zipfile.ZipFile, size: int, what: str) -> dict[str, zipfile.ZipInfo]:
    """The files by name. Raises Refusal for kinds and sizes that no good zip has."""
    members = {info.filename: info for info in archive.infolist()}
    if len(members) != len(archive.infolist()):
        raise Refusal(f"The zip holds two files of one name; it is not a {what}.")
    if any(i.flag_bits & 1 or i.compress_type not in (0, zipfile.ZIP_DEFLATED) for i in members.values()):
        raise Refusal(f"The zip is encrypted or packed in a way that no {what} is.")
    held = sum(info.file_size for info in members.values())
    if held > GROWS * size + ROOM:
        raise Refusal(f"The zip would unpack from {size:,} to {held:,} bytes; no {what} does.")
    return members
