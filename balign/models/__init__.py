"""Base models: the only floor that knows diffusers, and the only one with a file for each family.

Importing this package or `catalogue` needs no torch; `load` does.
"""

from typing import TYPE_CHECKING

from balign.models.catalogue import Entry, locate
from balign.refusal import Refusal

if TYPE_CHECKING:
    import torch

    from balign.models.base import BaseModel


def load(
    entry: Entry,
    device: "str | torch.device" = "cpu",
    dtype: "torch.dtype | None" = None,
    size: int | None = None,
    sampler: str = "dpm",
) -> "BaseModel":
    """The model of a catalogue entry, by its family; fetched from the hub if need be. `dtype` is fp32 if left out.

    It draws ``size`` x ``size`` px, or what it was trained at if that is left out, with one of `solver.SAMPLERS`.

    Raises Refusal for an unknown family, or for files that are not a model of it.
    """
    import torch

    from balign.models.diffusers_model import DiffusersModel
    from balign.models.dit import DiT
    from balign.models.stable_diffusion import StableDiffusion

    families: dict[str, type[DiffusersModel]] = {"Stable Diffusion": StableDiffusion, "DiT": DiT}
    if entry.family not in families:
        raise Refusal(f"The model {entry.id!r} is of the family {entry.family!r}; accepted are {', '.join(families)}.")
    return families[entry.family].load(locate(entry), device, dtype or torch.float32, size, sampler)
