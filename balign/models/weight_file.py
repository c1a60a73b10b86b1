"""Named tensors as one safetensors file, written whole or not at all; and changed weights put into a denoiser."""

from collections.abc import Mapping
from pathlib import Path

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
