"""A zip in which nothing is packed: its size is known before it is made, and it can be made from any byte on.

The sums of a file stand in front of it. They are computed when its turn comes, a piece at a time, and once for all who
take a zip of it at the same time, so that the first bytes are sent at once however large the files are. A file that is
not what it was when the zip was begun ends it with a Refusal: no zip is whole that holds anything else than it says.
"""

import contextlib
import hashlib
import os
import struct
import threading
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from balign.plain_file import plain
from balign.refusal import Refusal

PIECE = 1 << 18
"""Bytes that are read and sent at once."""
MOST = 0xFFFFFFFF
"""What a plain zip can count to; larger sizes and places stand in an extra field."""
DATED = 0, 0x21
"""The time and the date of every file: the first of 1980. A zip does not depend on when it was made."""
LAYOUT = "stored 1"
"""To be changed with whatever changes the bytes of a zip, beside its members."""
Stamp = tuple[int, int, int, int]
Pieces = Generator[bytes, None, None]


class Sums(NamedTuple):
    """The two sums of a file in a zip."""

    crc: int
    sha256: str


class ZipMember(NamedTuple):
    """A file of the zip, and where in the zip its header begins."""

    name: str
    content: Path | bytes | None
    """None for the list of sums, which is made last."""
    stamp: Stamp
    """Which file it is, its size and its dates."""
    start: int

    @property
    def size(self) -> int:
        return self.stamp[1]

    @property
    def head(self) -> int:
        """Bytes of its header."""
        return 30 + len(self.name) + (20 if self.size >= MOST else 0)

    @property
    def listed(self) -> int:
        """Bytes of its entry in the zip's own list."""
        numbers = 2 * (self.size >= MOST) + (self.start >= MOST)
        return 46 + len(self.name) + (4 + 8 * numbers if numbers else 0)


class StoredZip:
    """The zip of these files and of a list of their sums in the form that sha256sum checks."""

    def __init__(self, members: Sequence[tuple[str, Path | bytes]], sums: str) -> None:
        self._members: list[ZipMember] = []
        self._digests: dict[str, _Digest] = {}
        what, place = hashlib.sha256(LAYOUT.encode()), 0
        length = sum(64 + 2 + len(name) + 1 for name, _ in members)
        for name, content in (*members, (sums, None)):
            stamp = _stamp(os.lstat(content)) if isinstance(content, Path) else (0, len(content or b""), 0, 0)
            stamp = (0, length, 0, 0) if content is None else stamp
            member = ZipMember(name, content, stamp, place)
            self._members.append(member)
            what.update(f"{name}\0{stamp}\0".encode())
            what.update(content if isinstance(content, bytes) else b"")
            place += member.head + member.size
        self._list = place
        self.size: int = place + sum(member.listed for member in self._members) + len(self._end())
        self.tag = what.hexdigest()[:40]
        """What is another text when any byte of the zip is another."""

    def pieces(self, start: int = 0, end: int | None = None) -> Pieces:
        """The bytes from `start` to before `end`; empty pieces come while sums are computed.

        Raises Refusal at the first file that is not any more what it was when this object was made.
        """
        end, place = self.size if end is None else end, 0
        for size, make, member in self._parts():
            first, last = max(start - place, 0), min(end - place, size)
            if first < last:
                yield from make(member, first, last)
            place += size

    def _parts(self) -> Iterator[tuple[int, Callable[[ZipMember, int, int], Pieces], ZipMember]]:
        """Each part of the zip: its size, and what makes any stretch of it."""
        for member in self._members:
            yield member.head, self._head, member
            yield member.size, self._content, member
        yield self.size - self._list, self._tail, member

    def _head(self, member: ZipMember, first: int, last: int) -> Pieces:
        sums = yield from self._sums(member)
        wide = member.size >= MOST
        size, extra = min(member.size, MOST), struct.pack("<HHQQ", 1, 16, member.size, member.size) if wide else b""
        fields = (45 if wide else 20, 0, 0, *DATED, sums.crc, size, size, len(member.name), len(extra))
        yield (struct.pack("<4s5H3L2H", b"PK\3\4", *fields) + member.name.encode() + extra)[first:last]

    def _content(self, member: ZipMember, first: int, last: int) -> Pieces:
        held = member.content if member.content is not None else (yield from self._sum_list())
        for at in range(first, last, PIECE):
            until = min(at + PIECE, last)
            yield _read(held, member.stamp, at, until) if isinstance(held, Path) else held[at:until]

    def _tail(self, _: ZipMember, first: int, last: int) -> Pieces:
        """The zip's own list of files, and its end."""
        listed = bytearray()
        for member in self._members:
            sums = yield from self._sums(member)
            numbers = [n for n in (member.size, member.size, member.start) if n >= MOST]
            extra = struct.pack(f"<HH{len(numbers)}Q", 1, 8 * len(numbers), *numbers) if numbers else b""
            size, needs = min(member.size, MOST), 45 if numbers else 20
            listed += struct.pack(
                "<4s6H3L5H2L", b"PK\1\2", 3 << 8 | needs, needs, 0, 0, *DATED, sums.crc, size, size, len(member.name),
                len(extra), 0, 0, 0, 0o644 << 16, min(member.start, MOST),
            )  # fmt: skip
            listed += member.name.encode() + extra
        yield bytes(listed + self._end())[first:last]

    def _end(self) -> bytes:
        count, size = len(self._members), sum(member.listed for member in self._members)
        wide = b""
        if count >= 0xFFFF or size >= MOST or self._list >= MOST:
            wide = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, self._list)
            wide += struct.pack("<4sLQL", b"PK\6\7", 0, self._list + size, 1)
        count = min(count, 0xFFFF)
        return wide + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, min(size, MOST), min(self._list, MOST), 0)

    def _sums(self, member: ZipMember) -> Generator[bytes, None, Sums]:
        """The sums of a member; an empty piece after each piece of it that was read."""
        digest = self._digests.get(member.name)
        if digest is None:
            held = member.content if member.content is not None else (yield from self._sum_list())
            digest = _shared(held, member.stamp) if isinstance(held, Path) else _Digest(held, member.stamp)
            self._digests[member.name] = digest
        while digest.sums is None:
            digest.go_on()
            yield b""
        return digest.sums

    def _sum_list(self) -> Generator[bytes, None, bytes]:
        lines = []
        for member in self._members[:-1]:
            sums = yield from self._sums(member)
            lines.append(f"{sums.sha256}  {member.name}\n")
        return "".join(lines).encode()


class _Digest:
    """The sums of a content, computed a piece at a time by whoever waits for them."""

    def __init__(self, content: Path | bytes, stamp: Stamp) -> None:
        self._content, self._stamp, self._read = content, stamp, 0
        self._crc, self._sha256, self._lock = 0, hashlib.sha256(), threading.Lock()
        self.sums: Sums | None = None

    def go_on(self) -> None:
        """Take in the next piece."""
        with self._lock:
            if self.sums is not None:
                return
            until = min(self._read + PIECE, self._stamp[1])
            held = self._content
            piece = _read(held, self._stamp, self._read, until) if isinstance(held, Path) else held[self._read : until]
            self._crc, self._read = zlib.crc32(piece, self._crc), until
            self._sha256.update(piece)
            if until == self._stamp[1]:
                self.sums = Sums(self._crc, self._sha256.hexdigest())


@lru_cache(maxsize=64)
def _shared(path: Path, stamp: Stamp) -> _Digest:
    """The sums of a file, for all zips that hold it as it is now. The weights come last and are thus remembered."""
    return _Digest(path, stamp)


def _stamp(facts: os.stat_result) -> Stamp:
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def _read(path: Path, stamp: Stamp, start: int, end: int) -> bytes:
    """A piece of a file. No file stays open in between, whatever becomes of who takes the zip."""
    with contextlib.suppress(OSError), open(path, "rb", opener=plain) as file:  # it may be gone
        file.seek(start)
        piece = file.read(end - start)
        if len(piece) == end - start and _stamp(os.fstat(file.fileno())) == stamp:
            return piece
    raise Refusal(f"{path.name} changed while the zip was made; make it again.")
