"""Stable Diffusion 1 and 2 in one file under the names of its first release, as A1111, Forge and ComfyUI read it.

The U-Net's names are those of CompVis' latent-diffusion, the autoencoder's too; the text encoder is under `transformer`
as OpenAI's CLIP in generation 1, and as open_clip's in generation 2. No value changes. The metadata is Stability AI's
model specification (modelspec 1.0.0). A model that predicts the velocity has an empty tensor `v_pred`, and one whose
noise ends at a signal of zero an empty `ztsnr`, by which ComfyUI and Forge know it.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from balign.models import original_names
from balign.refusal import Refusal


def tensors_of(pipeline: Any) -> dict[str, Tensor]:
    """The tensors of this stock pipeline by their original names. Raises Refusal for one that has no such name."""
    unet, vae, text, scheduler = pipeline.unet, pipeline.vae, pipeline.text_encoder, pipeline.scheduler.config
    tensors = {_named("U-Net", original_names.unet, name, unet.config): t for name, t in unet.state_dict().items()}
    for name, tensor in vae.state_dict().items():
        matrix = ".attentions." in name and name.endswith(".weight") and tensor.ndim == 2
        place = _named("autoencoder", original_names.vae, name, vae.config)
        tensors[place] = tensor[:, :, None, None] if matrix else tensor  # there a convolution of one pixel
    words = {name: tensor for name, tensor in text.state_dict().items() if not name.endswith("position_ids")}
    if _second(text):
        tensors |= _open_clip(words)
    else:
        tensors |= {original_names.clip(name): tensor for name, tensor in words.items()}
    if scheduler.prediction_type == "v_prediction":
        tensors["v_pred"] = torch.empty(0)
    if scheduler.get("rescale_betas_zero_snr"):
        tensors["ztsnr"] = torch.empty(0)
    return tensors


def _named(part: str, naming: Callable[..., str], name: str, config: Any) -> str:
    try:
        return naming(name, config)
    except (KeyError, ValueError, IndexError):
        raise Refusal(f"The {part}'s {name} has no name in a checkpoint; export the whole folder instead.") from None


def _open_clip(words: dict[str, Tensor]) -> dict[str, Tensor]:
    """The query, key and value of a layer are one tensor, in this order."""
    tensors: dict[str, Tensor] = {}
    thirds: dict[str, dict[int, Tensor]] = {}
    for name, tensor in words.items():
        place, third = original_names.open_clip(name)
        if third is None:
            tensors[place] = tensor
        else:
            thirds.setdefault(place, {})[third] = tensor
    return tensors | {place: torch.cat([parts[k] for k in range(3)]) for place, parts in thirds.items()}


def metadata(pipeline: Any) -> dict[str, str]:
    """The modelspec of this stock pipeline."""
    velocity = pipeline.scheduler.config.prediction_type == "v_prediction"
    generation = ("v2-768-v" if velocity else "v2-512") if _second(pipeline.text_encoder) else "v1"
    latent: int | Sequence[int] = pipeline.unet.config.sample_size
    sides = (latent, latent) if isinstance(latent, int) else tuple(latent)  # height and width
    height, width = (side * 2 ** (len(pipeline.vae.config.block_out_channels) - 1) for side in sides)
    return {
        "modelspec.sai_model_spec": "1.0.0",
        "modelspec.architecture": f"stable-diffusion-{generation}",
        "modelspec.implementation": "https://github.com/Stability-AI/generative-models",
        "modelspec.resolution": f"{width}x{height}",
        "modelspec.prediction_type": "v" if velocity else "epsilon",
    }


def _second(text_encoder: Any) -> bool:
    """Whether the text encoder is open_clip's, as in generation 2: OpenAI's has another activation."""
    return bool(text_encoder.config.hidden_act != "quick_gelu")
