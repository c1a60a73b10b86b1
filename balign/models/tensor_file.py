"""The header of a safetensors file: which tensors it holds. Reading it needs no torch and none of the tensors."""

import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from balign.atomic import atomic
from balign.refusal import Refusal

MOST = 100_000_000
"""Bytes of the longest header, as the format has it."""
NUMBERS: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "F64": np.dtype("<f8"),
}


class Tensor(NamedTuple):
    """Where a tensor is in the file's body, and what shape it has."""

    kind: str
    shape: tuple[int, ...]
    begin: int
    end: int


class Header(NamedTuple):
    """All tensors of a file by their names, its metadata, and where its body begins."""

    path: Path
    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    body: int

    def values(self, name: str) -> Any:
        """The numbers of one tensor, as a flat array of doubles; None if they are in an unusual format."""
        tensor = self.tensors[name]
        if tensor.kind not in NUMBERS:
            return None
        with self.path.open("rb") as file:
            file.seek(self.body + tensor.begin)
            raw = np.frombuffer(file.read(tensor.end - tensor.begin), dtype=NUMBERS[tensor.kind])
        if tensor.kind == "BF16":  # the upper half of a float
            raw = (raw.astype("<u4") << 16).view("<f4")
        return raw.astype(np.float64)


def read(path: Path) -> Header:
    """The header of this file. Raises Refusal, naming what was found, if it is no whole safetensors file."""
    try:
        return _read(path)
    except Refusal:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refusal(
            f"The weights file {path} cannot be read as safetensors ({error}); copy or download it again."
        ) from error


def _read(path: Path) -> Header:
    size = path.stat().st_size
    with path.open("rb") as file:
        first = file.read(64)
        if first.startswith(b"version https://git-lfs"):
            raise Refusal(f"{path} is a pointer of git-lfs and holds no weights; run `git lfs pull` in its folder.")
        if first.lstrip().lower().startswith((b"<!doctype", b"<html")):
            raise Refusal(f"{path} is a web page and holds no weights; download the file itself.")
        length = int.from_bytes(first[:8], "little")
        if size < 8 or length > min(size - 8, MOST):
            raise ValueError(f"it has {size:,} bytes and no whole header")
        file.seek(8)
        names = json.loads(file.read(length))
    metadata = names.pop("__metadata__", None) or {}
    tensors = {
        str(name): Tensor(str(of["dtype"]), tuple(map(int, of["shape"])), *map(int, of["data_offsets"]))
        for name, of in names.items()
    }
    whole = 8 + length + max((tensor.end for tensor in tensors.values()), default=0)
    if whole != size:
        raise ValueError(f"it has {size:,} bytes where its header promises {whole:,}")
    return Header(path, tensors, {str(key): str(value) for key, value in metadata.items()}, 8 + length)


def copy(header: Header, target: Path, metadata: dict[str, str]) -> None:
    """Write the file once more with other metadata; its tensors are the same, byte for byte."""
    tensors = {
        name: {"dtype": t.kind, "shape": t.shape, "data_offsets": (t.begin, t.end)}
        for name, t in header.tensors.items()
    }
    head = json.dumps({"__metadata__": metadata} | tensors).encode()
    head += b" " * (-len(head) % 8)  # the tensors begin at a multiple of eight bytes
    with atomic(target) as draft, header.path.open("rb") as source, open(draft, "xb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        source.seek(header.body)
        shutil.copyfileobj(source, file, 2**20)
