"""The same run again from a bundle: what may be read of a stranger's zip, and whether the weights came out the same.

Nothing of a zip is unpacked onto the disk. All of it is checked against its own list of sha256; then its config begins
a new run, and only the hash of its weights stays, in that run's folder. How a zip is made is known in `bundle`.
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
from typing import IO, Any, NamedTuple

from balign.atomic import write
from balign.refusal import Refusal
from balign.runs.config import RunConfig
from balign.runs.folder import Run
from balign.runs.outcome.bundle import CHUNK, FORMAT, SUMS, WEIGHTS

NOTE = "reproduces.json"
MEMBER = re.compile(
    r"README\.md|(bundle|config|report)\.json|report\.html|telemetry\.jsonl|(prompts|metrics|steps)\.csv"
    r"|(previews|images/before|images/after)/[0-9]{1,9}\.png|erased\.safetensors|SHA256SUMS"
)
RUN_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
MAX_DIRECTORY = 8_000_000
"""Bytes of a zip's own list of files; that of 50,000 pictures fits."""
MAX_TEXT = 8_000_000
"""Bytes of a file that is read as text."""
GROWS, ROOM = 4, 64_000_000
"""A zip may hold this many times its size, and this much more; pictures and weights do not pack."""
DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, OSError)
"""What zipfile raises over a zip that is not whole: an offset before the start of the file is an OSError."""
END, LOCATOR, END64 = b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"


class Bundle(NamedTuple):
    """What of a zip matters to who makes the run again."""

    config: RunConfig
    run: str
    """The id of the run it was made from."""
    weights: str
    """The hash of its tensors."""
    facts: dict[str, Any]
    """The steps, device, model and versions it was made with."""


def read(path: Path) -> Bundle:
    """Check a whole zip and give what matters; ValueError of one sentence if anything in it is not as it should be."""
    try:
        file = open(path, "rb")  # noqa: SIM115
    except FileNotFoundError:
        raise Refusal(f"There is no file {path}.") from None
    with file:
        size = _size(file)
        try:
            with zipfile.ZipFile(file) as archive:
                return _read(archive, size)
        except DAMAGE as error:
            raise Refusal(f"The zip is damaged ({str(error)[:120]!r}); download or copy it again.") from None


def begin(bundle: Bundle, root: Path | None = None) -> Run:
    """A new folder with the bundle's config that knows what it is to come out as."""
    run = Run.create(bundle.config, root)
    note(run, bundle)
    return run


def note(run: Run, bundle: Bundle) -> None:
    """Leave in the run's folder what it is to be compared with."""
    facts = {"run": bundle.run, "weights": bundle.weights, **bundle.facts}
    write(run.path / NOTE, json.dumps(facts, indent=1) + "\n")


def original(run: Run) -> dict[str, Any] | None:
    """What the run is to come out as; None if it reproduces nothing."""
    try:
        found = json.loads((run.path / NOTE).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("weights"), str) else None


def outcome(run: Run, facts: Mapping[str, Any]) -> dict[str, Any]:
    """For the report of a run that reproduces another: whether its weights are the same, and what may explain if not.

    facts: `steps`, `device`, `fingerprint` and `versions` of this run, as in a bundle.
    """
    wanted = original(run)
    if wanted is None:
        return {}
    with open(run.path / WEIGHTS, "rb") as file:
        equal = digest(file) == wanted["weights"]
    name = str(wanted.get("run"))
    if equal:
        words = f"The weights are those of {name}, bit for bit."
    else:
        unlike = _unlike(wanted, facts)
        words = f"The weights are not those of {name}: " + (
            f"{'; '.join(unlike)}." if unlike else "same settings and versions, so the machine's arithmetic differs."
        )
    return {"reproduces": {"run": name, "equal": equal, "words": words}}


def digest(file: IO[bytes]) -> str:
    """The tensors of a safetensors file as one hash: names, types, shapes, every bit; not what is noted beside them."""
    size = int.from_bytes(file.read(8), "little")
    if size > MAX_TEXT:
        raise Refusal("The weights are not a safetensors file; its header is too long.")
    header = _object(file.read(size), "the header of the weights")
    header.pop("__metadata__", None)
    found = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    while chunk := file.read(CHUNK):
        found.update(chunk)
    return found.hexdigest()


def _unlike(wanted: Mapping[str, Any], facts: Mapping[str, Any]) -> list[str]:
    """Each thing known of both runs that differs, as words."""
    words = []
    for key, what in (("steps", "steps were taken"), ("device", "was the device")):
        if wanted.get(key) and facts.get(key) and wanted[key] != facts[key]:
            words.append(f"{facts[key]} {what} here and {str(wanted[key])[:40]} there")
    if wanted.get("fingerprint") != facts.get("fingerprint"):
        words.append("the files of the base model are not the same")
    told, ours = wanted.get("versions"), facts.get("versions") or {}
    theirs = told if isinstance(told, dict) else {}
    for name in sorted(ours.keys() & theirs.keys()):
        if ours[name] != theirs[name]:
            words.append(f"{name} is {ours[name]} here and was {str(theirs[name])[:40]} there")
    return words


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
    sums = _sums(_text(archive, SUMS))
    if sums.keys() != members.keys() - {SUMS}:
        odd = min(sums.keys() ^ (members.keys() - {SUMS}))
        raise Refusal(f"{odd[:80]!r} is in the zip or in its {SUMS}, not in both; the bundle is not whole.")
    for name, wanted in sums.items():
        with archive.open(name) as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != wanted:  # type: ignore[arg-type]
                raise Refusal(f"{name} is not what its sha256 says; the bundle was damaged or changed.")
    about = _object(_text(archive, "bundle.json"), "bundle.json")
    if about.get("format") != FORMAT:
        raise Refusal(f"The bundle's format is {str(about.get('format'))[:40]!r}; {FORMAT!r} is accepted.")
    config = RunConfig.parse(_text(archive, "config.json"))
    with archive.open(WEIGHTS) as file:
        weights = digest(file)
    name = str(about.get("run"))
    facts = {key: about.get(key) for key in ("steps", "device", "fingerprint", "versions")}
    return Bundle(config, name if RUN_NAME.fullmatch(name) else "another run", weights, facts)


def _refuse_what_no_bundle_holds(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], size: int) -> None:
    """Names, kinds and sizes, before a byte of content is read."""
    if len(members) != len(archive.infolist()):
        raise Refusal("The zip holds two files of one name; it is not a bundle.")
    strange = [name for name in members if not MEMBER.fullmatch(name)]
    if strange:
        raise Refusal(f"The zip holds {strange[0][:80]!r}, which no bundle does.")
    for name in ("bundle.json", "config.json", WEIGHTS, SUMS):
        if name not in members:
            raise Refusal(f"The zip holds no {name}; a bundle does.")
    if any(i.flag_bits & 1 or i.compress_type not in (0, zipfile.ZIP_DEFLATED) for i in members.values()):
        raise Refusal("The zip is encrypted or packed in a way that no bundle is.")
    held = sum(info.file_size for info in members.values())
    if held > GROWS * size + ROOM:
        raise Refusal(f"The zip would unpack from {size:,} to {held:,} bytes; no bundle does.")


def _text(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > MAX_TEXT:
        raise Refusal(f"{name} has more than {MAX_TEXT:,} bytes; no bundle's has.")
    return archive.read(name)


def _sums(text: bytes) -> dict[str, str]:
    lines = [line.split("  ", 1) for line in text.decode("utf-8", "replace").splitlines()]
    if not all(len(line) == 2 for line in lines):
        raise Refusal(f"{SUMS} is not a list of sha256 and names.")
    return {name: value for value, name in lines}


def _object(text: bytes, what: str) -> dict[str, Any]:
    with contextlib.suppress(ValueError, RecursionError):
        found = json.loads(text)
        if isinstance(found, dict):
            return found
    raise Refusal(f"{what[0].upper()}{what[1:]} is not readable json.")
