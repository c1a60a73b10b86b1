"""Named tensors as one safetensors file, written whole or not at all; and changed weights put into a denoiser."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from balign.atomic import atomic
from balign.refusal import Refusal


def save_changed(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write the tensors. Raises OSError for a full disk, which leaves the old file as it was."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    try:
        with atomic(path) as draft:
            save_file(stored, draft, dict(metadata or {}))
    except SafetensorError as error:
        raise OSError(f"The weights file {path} cannot be written ({error}); what was there before is kept.") from error


def read_changed(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors in the file, on the CPU, and its metadata. Raises Refusal for a missing or unreadable file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except FileNotFoundError as error:
        raise Refusal(f"There is no weights file {path}.") from error
    except (OSError, SafetensorError) as error:
        raise Refusal(f"The weights file {path} cannot be read as safetensors ({error}).") from error


def save_nested(path: Path, state: Any, metadata: Mapping[str, str]) -> None:
    """Write nested dictionaries and lists of tensors and json values. Raises what `save_changed` raises."""
    tensors: dict[str, Tensor] = {}
    values = _without_tensors(state, "state", tensors)
    save_changed(path, tensors, {**metadata, "state": json.dumps(values)})


def read_nested(path: Path) -> tuple[Any, dict[str, str]]:
    """What `save_nested` wrote, and its metadata. Raises Refusal, or KeyError or ValueError for another file."""
    tensors, metadata = read_changed(path)
    return _with_tensors(json.loads(metadata["state"]), tensors), metadata


def _without_tensors(value: Any, place: str, tensors: dict[str, Tensor]) -> Any:
    """The value as json; its tensors are put into `tensors` under their places."""
    if isinstance(value, Tensor):
        tensors[place] = value.detach().cpu().contiguous().clone()
        return {"tensor": place}
    if isinstance(value, dict):
        return {"pairs": [[key, _without_tensors(item, f"{place}.{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_without_tensors(item, f"{place}.{k}", tensors) for k, item in enumerate(value)]
    return value


def _with_tensors(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if "tensor" in value:
            return tensors[value["tensor"]]
        return {key: _with_tensors(item, tensors) for key, item in value["pairs"]}
    return [_with_tensors(item, tensors) for item in value] if isinstance(value, list) else value


@torch.no_grad()
def load_changed(
    path: str | Path, denoiser: nn.Module, strength: float = 1.0, base: Mapping[str, Tensor] | None = None
) -> dict[str, str]:
    """Put the weights of the file into the denoiser, and return the file's metadata.

    ``strength`` is how much of the change from ``base`` to apply: 0 is the base, 1 the file exactly, more goes beyond.
    The base is the denoiser as it is, unless the original weights are given. Raises Refusal, and changes nothing, if
    the weights are those of another model.
    """
    tensors, metadata = read_changed(path)
    weights = dict(denoiser.named_parameters())
    for name, tensor in tensors.items():
        if name not in weights or weights[name].shape != tensor.shape:
            actual = f"has shape {tuple(weights[name].shape)} there" if name in weights else "is not there"
            raise Refusal(
                f"The weights file {path} belongs to another model: {name} of shape {tuple(tensor.shape)} {actual}."
            )
    for name, tensor in tensors.items():
        weight = weights[name]
        changed = tensor.to(weight)
        if strength == 1.0:
            weight.copy_(changed)
        else:
            weight.copy_(torch.lerp((base[name] if base else weight).to(weight), changed, strength))
    return metadata
