"""Read a stranger's zip of a run safely, and the hash of its weights.

Nothing of it is unpacked onto the disk. All of it is checked against its own list of sha256.
"""

import contextlib
import hashlib
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO, Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from balign import plain_text
from balign.data.own_pictures import check_png
from balign.foreign_zip import foreign
from balign.refusal import Refusal
from balign.runs.accepted_text import SHORT
from balign.runs.config import MAX_STEPS, RunConfig, explain
from balign.runs.folder import PICTURES
from balign.runs.outcome.bundle import FORMAT, SUMS, WEIGHTS
from balign.stored_zip import PIECE

MEMBER = re.compile(
    r"README\.md|(bundle|config|report)\.json|report\.html|telemetry\.jsonl|(prompts|metrics|steps)\.csv"
    r"|(previews|images/(own-[0-9a-f]{12}/)?(before|after|reference))/[0-9]{1,9}\.png"
    r"|pictures/[0-9a-f]{64}\.png|erased\.safetensors|SHA256SUMS"
)
RUN_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
MAX_TEXT = 8_000_000
"""Most bytes of a file that is read as text."""


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
    pictures: Mapping[str, bytes] = MappingProxyType({})
    """Somebody's own that the run learnt from, by their sha256."""


def read(path: Path) -> Bundle:
    """Check a whole zip and return what is needed of it. Raises Refusal if anything in it is not as it should be."""
    with foreign(path, "bundle", "This is not a bundle; one is the zip that balign makes of a run.") as (
        archive,
        members,
    ):
        return _read(archive, members)


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
        raise Refusal(
            f"The header of the weights is not that of a safetensors file: {explain(error, settings=False)}"
        ) from None
    tensors = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    while chunk := file.read(PIECE):
        tensors.update(chunk)
    return tensors.hexdigest()


def _read(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo]) -> Bundle:
    _refuse_what_no_bundle_holds(members)
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
        raise Refusal(f"bundle.json is not that of a bundle: {explain(error, settings=False)}") from None
    known = run if isinstance(run, str) and RUN_NAME.fullmatch(run) else "another run"
    return Bundle(config, known, weights, made_with, _pictures(archive, members, config))


def _pictures(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], config: RunConfig) -> dict[str, bytes]:
    """The pictures that the config names. Raises Refusal for one that is missing or none."""
    found = {}
    for sha in {picture.sha256 for picture in (*config.forget_pictures, *config.keep_pictures)}:
        member = members.get(f"{PICTURES}/{sha}.png")
        if member is None or member.file_size > MAX_TEXT:
            raise Refusal(f"The zip holds no {PICTURES}/{sha[:12]}… of at most {MAX_TEXT:,} bytes, as its run does.")
        found[sha] = archive.read(member)
        check_png(found[sha], sha)
    return found


def _refuse_what_no_bundle_holds(members: Mapping[str, zipfile.ZipInfo]) -> None:
    """Names and sizes of text, before a byte of content is read."""
    strange = [name for name in members if not MEMBER.fullmatch(name)]
    if strange:
        raise Refusal(f"The zip holds {strange[0][:80]!r}, which no bundle does.")
    for name in ("bundle.json", "config.json", SUMS, WEIGHTS):
        if name not in members:
            raise Refusal(f"The zip holds no {name}; a bundle does.")
        if name != WEIGHTS and members[name].file_size > MAX_TEXT:
            raise Refusal(f"{name} has more than {MAX_TEXT:,} bytes; no bundle's has.")


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
