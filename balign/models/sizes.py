"""The height and width that a model was trained at, from its configurations."""

from collections.abc import Mapping
from typing import Any

from balign.refusal import Refusal

LEVELS, LATENT = 4, 64
"""Of the autoencoder and of the latent of Stable Diffusion, where a configuration says nothing."""


def factor(vae: Mapping[str, Any]) -> int:
    """Pixels in a row for each of the latent's."""
    channels = vae.get("block_out_channels")
    return int(2 ** ((len(channels) if isinstance(channels, list) else LEVELS) - 1))


def own(denoiser: Mapping[str, Any], vae: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width in pixels: what the denoiser's configuration says, else the autoencoder's, else 512.

    Raises Refusal for a size that is none.
    """
    pixels = factor(vae)
    said = denoiser.get("sample_size")
    if said is None:
        height, width = _pair(vae.get("sample_size") or LATENT * pixels)
        return height // pixels * pixels, width // pixels * pixels
    height, width = _pair(said)
    return height * pixels, width * pixels


def _pair(said: Any) -> tuple[int, int]:
    pair = said if isinstance(said, list | tuple) else [said, said]
    if len(pair) != 2 or not all(type(side) is int and 0 < side <= 10_000 for side in pair):
        raise Refusal(f"The model's sample_size is {said!r}; a whole number, or a height and a width, is accepted.")
    return pair[0], pair[1]
