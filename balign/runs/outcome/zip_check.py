"""Read a stranger's zip of a run safely, and the hash of its weights.

Nothing of it is unpacked onto the disk. All of it is checked against its own list of sha256.
"""

import contextlib
import hashlib
import json
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from balign import plain_text
from balign.plain_file import raise_shortage
from balign.refusal import Refusal
from balign.runs.accepted_text import SHORT
from balign.runs.config import MAX_STEPS, RunConfig, explain
from balign.runs.outcome.bundle import FORMAT, SUMS, WEIGHTS
from balign.stored_zip import PIECE

MEMBER = re.compile(
    r"README\.md|(bundle|config|report)\.json|report\.html|telemetry\.jsonl|(prompts|metrics|steps)\.csv"
    r"|(previews|images/before|images/after)/[0-9]{1,9}\.png|erased\.safetensors|SHA256SUMS"
)
RUN_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
MAX_DIRECTORY = 8_000_000
"""Most bytes of a zip's own list of files; that of 50,000 pictures fits."""
MAX_TEXT = 8_000_000
"""Most bytes of a file that is read as text."""
GROWS, ROOM = 4, 64_000_000
"""A zip may hold this many times its size, and this many bytes more; pictures and weights do not compress."""
DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError,
    OverflowError,
)  # fmt: skip
"""The exceptions of zipfile for a damaged zip; a name that is no text, or an offset that no file has, is a ValueError,
an OverflowError or an OSError."""
END, LOCATOR, END64 = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"


def _printable(text: str) -> str:
    plain_text.check(text)
    return text


Fact = Annotated[str, Field(max_length=100), AfterValidator(_printable)]
Length = Annotated[int, Field(ge=0, lt=2**63)]


class MadeWith(BaseModel):
    """What may explain that two runs of one config differ; None is unknown. A stranger wrote it, and it is kept."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    steps: Annotated[int, Field(ge=0, le=MAX_STEPS)] | None = None
    device: Fact | None = None
    fingerprint: Fact | None = None
    """The hash of the base model's files."""
    versions: Annotated[dict[Fact, Fact], Field(max_length=50)] = {}


class StoredTensor(BaseModel):
    """What the header of the weights says of one tensor."""

    model_config = ConfigDict(extra="forbid", strict=True)

    dtype: Fact
    shape: Annotated[list[Length], Field(max_length=16)]
    data_offsets: Annotated[list[Length], Field(min_length=2, max_length=2)]


HEADER = TypeAdapter(dict[str, StoredTensor])


class Bundle(NamedTuple):
    """The part of a zip that is needed to repeat the run: its config, id, the hash of its tensors, and the rest."""

    config: RunConfig
    run: str
    weights: str
    made_with: MadeWith


def read(path: Path) -> Bundle:
    """Check a whole zip and return what is needed of it. Raises Refusal if anything in it is not as it should be."""
    try:
        file = open(path, "rb")  # noqa: SIM115
    except FileNotFoundError:
        raise Refusal(f"There is no file {path.name}.") from None
    with file:
        size = _size(file)
        try:
            with zipfile.ZipFile(file) as archive:
                return _read(archive, size)
        except Refusal:
            raise
        except DAMAGE as error:
            raise_shortage(error)
            raise Refusal(f"The zip is damaged ({str(error)[:120]!r}); download or copy it again.") from None


def digest(file: IO[bytes]) -> str:
    """The sha256 of a safetensors file's tensors: names, types, shapes and every bit, without the file's metadata."""
    size = int.from_bytes(file.read(8), "little")
    if size > MAX_TEXT:
        raise Refusal("The weights are not a safetensors file; its header is too long.")
    header = _object(file.read(size), "the header of the weights")
    header.pop("__metadata__", None)
    try:
        HEADER.validate_python(header)
    except ValidationError as error:
        raise Refusal(f"The header of the weights is not that of a safetensors file: {explain(error)}") from None
    tensors = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    while chunk := file.read(PIECE):
        tensors.update(chunk)
    return tensors.hexdigest()


def _size(file: IO[bytes]) -> int:
    """The zip's size. zipfile reads its list of files whole, so a long one is refused first. Ours have no comment."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 98, 0))
    tail = file.read().rjust(98, b"\0")
    if tail[-22:-18] != END or tail[-2:] != b"\0\0":
        raise Refusal("This is not a bundle; one is the zip that balign makes of a run.")
    directory = int.from_bytes(tail[-10:-6], "little")
    if tail[-42:-38] == LOCATOR and tail[:4] == END64:
        directory = max(directory if directory != 0xFFFFFFFF else 0, int.from_bytes(tail[40:48], "little"))
    if directory > MAX_DIRECTORY:
        raise Refusal("The zip lists far more files than a run has; it is not a bundle.")
    file.seek(0)
    return size


def _read(archive: zipfile.ZipFile, size: int) -> Bundle:
    members = {info.filename: info for info in archive.infolist()}
    _refuse_what_no_bundle_holds(archive, members, size)
    sums = _sums(archive.read(SUMS))
    if sums.keys() != members.keys() - {SUMS}:
        odd = min(sums.keys() ^ (members.keys() - {SUMS}))
        raise Refusal(f"{odd[:80]!r} is in the zip or in its {SUMS}, not in both; the bundle is not whole.")
    for name, expected in sums.items():
        with archive.open(name) as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != expected:  # type: ignore[arg-type]
                raise Refusal(f"{name} is not what its sha256 says; the bundle was damaged or changed.")
    about = _object(archive.read("bundle.json"), "bundle.json")
    if about.get("format") != FORMAT:
        raise Refusal(f"The bundle's format is {SHORT.repr(about.get('format'))}; {FORMAT!r} is accepted.")
    config = RunConfig.parse(_object(archive.read("config.json"), "config.json"))
    with archive.open(WEIGHTS) as file:
        weights = digest(file)
    run = about.get("run")
    try:
        made_with = MadeWith.model_validate(about)
    except ValidationError as error:
        raise Refusal(f"bundle.json is not that of a bundle: {explain(error)}") from None
    known = run if isinstance(run, str) and RUN_NAME.fullmatch(run) else "another run"
    return Bundle(config, known, weights, made_with)


def _refuse_what_no_bundle_holds(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], size: int) -> None:
    """Names, kinds and sizes, before a byte of content is read."""
    if len(members) != len(archive.infolist()):
        raise Refusal("The zip holds two files of one name; it is not a bundle.")
    strange = [name for name in members if not MEMBER.fullmatch(name)]
    if strange:
        raise Refusal(f"The zip holds {strange[0][:80]!r}, which no bundle does.")
    for name in ("bundle.json", "config.json", SUMS, WEIGHTS):
        if name not in members:
            raise Refusal(f"The zip holds no {name}; a bundle does.")
        if name != WEIGHTS and members[name].file_size > MAX_TEXT:
            raise Refusal(f"{name} has more than {MAX_TEXT:,} bytes; no bundle's has.")
    if any(i.flag_bits & 1 or i.compress_type not in (0, zipfile.ZIP_DEFLATED) for i in members.values()):
        raise Refusal("The zip is encrypted or packed in a way that no bundle is.")
    held = sum(info.file_size for info in members.values())
    if held > GROWS * size + ROOM:
        raise Refusal(f"The zip would unpack from {size:,} to {held:,} bytes; no bundle does.")


def _sums(text: bytes) -> dict[str, str]:
    lines = [line.split("  ", 1) for line in text.decode("utf-8", "replace").splitlines()]
    if not all(len(line) == 2 for line in lines):
        raise Refusal(f"{SUMS} is not a list of sha256 and names.")
    return {name: value for value, name in lines}


def _object(text: bytes, what: str) -> dict[str, Any]:
    """The json object of a text that readers cannot take for different things: each key once, no nan, utf-8."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key is there twice")
        return dict(pairs)

    def no_number(name: str) -> None:
        raise ValueError(f"{name} is no number of json")

    with contextlib.suppress(ValueError, RecursionError):
        value = json.loads(text.decode(), object_pairs_hook=once, parse_constant=no_number)
        if isinstance(value, dict):
            return value
    raise Refusal(f"{what[0].upper()}{what[1:]} is not readable json.")
