"""The configurations of a single-file checkpoint: those of its generation, with the sizes that its tensors have."""

import json
import re
from pathlib import Path
from typing import Any

from balign.models.checkpoint_kind import CheckpointKind
from balign.models.original_names import CLIP, OPEN_CLIP, UNET, VAE
from balign.models.tensor_file import Header

STOCK = Path(__file__).parent / "stock"
"""A pipeline's folder without weights for each generation."""
HEAD = 64
"""Channels of an attention head, of all text encoders and of the denoiser of Stable Diffusion 2."""


def configs(header: Header, kind: CheckpointKind) -> dict[str, dict[str, Any]]:
    """The configuration of each part."""
    folder = STOCK / kind.generation
    parts = {
        part: json.loads((folder / part / "config.json").read_text(encoding="utf-8"))
        for part in ("unet", "vae", "text_encoder")
    }
    scheduler = json.loads((folder / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))
    vae = parts["vae"] | _vae(header) | {"sample_size": kind.size}
    factor = 2 ** (len(vae["block_out_channels"]) - 1)
    spacing = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"} if kind.zero_snr else {}
    return {
        "model_index": json.loads((folder / "model_index.json").read_text(encoding="utf-8")),
        "scheduler": scheduler | {"prediction_type": kind.prediction} | spacing,
        "unet": parts["unet"] | _unet(header, kind.generation) | {"sample_size": kind.size // factor},
        "vae": vae,
        "text_encoder": parts["text_encoder"] | _text_encoder(header),
    }


def _unet(header: Header, generation: str) -> dict[str, Any]:
    tensors = header.tensors
    levels = 1 + sum(1 for name in tensors if re.fullmatch(rf"{UNET}input_blocks\.\d+\.0\.op\.weight", name))
    each = _count(header, rf"{UNET}input_blocks\.(\d+)\.") // levels
    firsts = [f"{UNET}input_blocks.{1 + level * each}" for level in range(levels)]
    channels = [tensors[f"{first}.0.out_layers.3.bias"].shape[0] for first in firsts]
    attends = [f"{first}.1.proj_in.weight" in tensors for first in firsts]
    reads = next(tensors[name].shape[1] for name in tensors if name.endswith("attn2.to_k.weight"))
    heads = {"attention_head_dim": [max(1, count // HEAD) for count in channels]} if generation == "sd2" else {}
    return {
        "block_out_channels": channels,
        "layers_per_block": each - 1,
        "cross_attention_dim": reads,
        "down_block_types": ["CrossAttnDownBlock2D" if there else "DownBlock2D" for there in attends],
        "up_block_types": ["CrossAttnUpBlock2D" if there else "UpBlock2D" for there in reversed(attends)],
    } | heads


def _vae(header: Header) -> dict[str, Any]:
    levels = _count(header, rf"{VAE}encoder\.down\.(\d+)\.")
    return {
        "block_out_channels": [
            header.tensors[f"{VAE}encoder.down.{level}.block.0.conv1.bias"].shape[0] for level in range(levels)
        ],
        "layers_per_block": _count(header, rf"{VAE}encoder\.down\.0\.block\.(\d+)\."),
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
    }


def _text_encoder(header: Header) -> dict[str, Any]:
    """Of OpenCLIP's 24 layers the last is not used, and some checkpoints leave it out.

    Under CLIP's names it may be either's, as a folder is converted; then the activation is the generation's.
    """
    tensors = header.tensors
    if OPEN_CLIP + "positional_embedding" in tensors:
        length, width = tensors[OPEN_CLIP + "positional_embedding"].shape
        layers = min(_count(header, rf"{OPEN_CLIP}transformer\.resblocks\.(\d+)\."), 23)
        inner, own = tensors[OPEN_CLIP + "transformer.resblocks.0.mlp.c_fc.bias"].shape[0], {"hidden_act": "gelu"}
    else:
        length, width = tensors[CLIP + "embeddings.position_embedding.weight"].shape
        layers = _count(header, rf"{CLIP}encoder\.layers\.(\d+)\.")
        inner, own = tensors[CLIP + "encoder.layers.0.mlp.fc1.bias"].shape[0], {}
    return {
        "max_position_embeddings": length,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, width // HEAD),
    } | own


def _count(header: Header, pattern: str) -> int:
    """How many different numbers stand in such names."""
    found = (re.match(pattern, name) for name in header.tensors)
    return len({match[1] for match in found if match})
