"""Stable Diffusion 1 and 2 in one file under the names of its first release, as A1111, Forge and ComfyUI read it.

The U-Net's names are those of CompVis' latent-diffusion, the autoencoder's too; the text encoder is under `transformer`
as OpenAI's CLIP in generation 1, and as open_clip's in generation 2. No value changes. The metadata is Stability AI's
model specification (modelspec 1.0.0). A model that predicts the velocity has an empty tensor `v_pred`, and one whose
noise ends at a signal of zero an empty `ztsnr`, by which ComfyUI and Forge know it.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from balign.refusal import Refusal

UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model."
WIDTHS = (320, 640, 1280, 1280)
"""Channels of a U-Net of Stable Diffusion 1 or 2; the programs other than diffusers know no other."""
Rename = Sequence[tuple[str, str]]

_UNET_ENDS: Rename = (
    (r"^time_embedding\.linear_1\.", "time_embed.0."),
    (r"^time_embedding\.linear_2\.", "time_embed.2."),
    (r"^conv_in\.", "input_blocks.0.0."),
    (r"^conv_norm_out\.", "out.0."),
    (r"^conv_out\.", "out.2."),
)
_UNET_RESNET: Rename = (
    (r"\.norm1\.", ".in_layers.0."),
    (r"\.conv1\.", ".in_layers.2."),
    (r"\.norm2\.", ".out_layers.0."),
    (r"\.conv2\.", ".out_layers.3."),
    (r"\.time_emb_proj\.", ".emb_layers.1."),
    (r"\.conv_shortcut\.", ".skip_connection."),
)
_VAE: Rename = (
    (r"\.conv_norm_out\.", ".norm_out."),
    (r"\.mid_block\.resnets\.0\.", ".mid.block_1."),
    (r"\.mid_block\.resnets\.1\.", ".mid.block_2."),
    (r"\.mid_block\.attentions\.0\.", ".mid.attn_1."),
    (r"\.group_norm\.", ".norm."),
    (r"\.to_([qkv])\.", r".\1."),
    (r"\.to_out\.0\.", ".proj_out."),
    (r"\.conv_shortcut\.", ".nin_shortcut."),
    (r"\.down_blocks\.(\d+)\.resnets\.", r".down.\1.block."),
    (r"\.down_blocks\.(\d+)\.downsamplers\.0\.", r".down.\1.downsample."),
    (r"\.up_blocks\.(\d+)\.resnets\.", r".up.\1.block."),
    (r"\.up_blocks\.(\d+)\.upsamplers\.0\.", r".up.\1.upsample."),
)
_OPEN_CLIP: Rename = (
    (r"^embeddings\.token_embedding\.weight$", "token_embedding.weight"),
    (r"^embeddings\.position_embedding\.weight$", "positional_embedding"),
    (r"^final_layer_norm\.", "ln_final."),
    (r"^encoder\.layers\.", "transformer.resblocks."),
    (r"\.layer_norm([12])\.", r".ln_\1."),
    (r"\.self_attn\.", ".attn."),
    (r"\.mlp\.fc1\.", ".mlp.c_fc."),
    (r"\.mlp\.fc2\.", ".mlp.c_proj."),
)


def tensors_of(pipeline: Any) -> dict[str, Tensor]:
    """The tensors of this stock pipeline by their original names. Raises Refusal for one that has no such name."""
    unet, vae, text, scheduler = pipeline.unet, pipeline.vae, pipeline.text_encoder, pipeline.scheduler.config
    tensors = {UNET + name: tensor for name, tensor in _unet(unet.state_dict(), unet.config.layers_per_block).items()}
    levels = len(vae.config.block_out_channels)
    tensors |= {VAE + name: tensor for name, tensor in _vae(vae.state_dict(), levels).items()}
    words = {name.removeprefix("text_model."): tensor for name, tensor in text.state_dict().items()}
    words.pop("embeddings.position_ids", None)
    if _second(text):
        tensors |= {f"{TEXT}model.{name}": tensor for name, tensor in _open_clip(words).items()}
    else:
        tensors |= {f"{TEXT}transformer.text_model.{name}": tensor for name, tensor in words.items()}
    if scheduler.prediction_type == "v_prediction":
        tensors["v_pred"] = torch.empty(0)
    if scheduler.get("rescale_betas_zero_snr"):
        tensors["ztsnr"] = torch.empty(0)
    return tensors


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


def _renamed(name: str, rules: Rename) -> str:
    for pattern, there in rules:
        name = re.sub(pattern, there, name)
    return name


def _unet(state: Mapping[str, Tensor], layers: int) -> dict[str, Tensor]:
    """Levels and their layers are numbered through: a level down is `layers` blocks and one that halves the picture."""
    last = layers + 1
    attended = {match[1] for name in state if (match := re.match(r"up_blocks\.(\d+)\.attentions\.", name))}

    def place(name: str) -> str:
        match = re.match(r"(down|mid|up)_block(?:s\.(\d+))?\.(\w+)\.(\d+)\.(?:conv\.(?=weight|bias))?", name)
        if match is None:
            if (end := _renamed(name, _UNET_ENDS)) == name:
                raise Refusal(f"The U-Net's {name} has no name in a checkpoint; export the whole folder instead.")
            return end
        side, level, kind, k = match[1], int(match[2] or 0), match[3], int(match[4])
        rest = name[match.end() :]
        if side == "mid":
            there = f"middle_block.{1 if kind == 'attentions' else 2 * k}."
        elif kind == "downsamplers":
            there = f"input_blocks.{(level + 1) * last}.0.op."
        elif kind == "upsamplers":
            there = f"output_blocks.{level * last + layers}.{2 if str(level) in attended else 1}.conv."
        else:
            first = f"input_blocks.{1 + level * last + k}" if side == "down" else f"output_blocks.{level * last + k}"
            there = f"{first}.{int(kind == 'attentions')}."
        return there + rest if kind != "resnets" else _renamed(f"{there}{rest}", _UNET_RESNET)

    return {place(name): tensor for name, tensor in state.items()}


def _vae(state: Mapping[str, Tensor], levels: int) -> dict[str, Tensor]:
    """Levels up are numbered from the last; the attention's matrices are convolutions of one pixel."""

    def tensor(name: str, value: Tensor) -> Tensor:
        matrix = ".mid.attn_1." in name and name.endswith(".weight") and value.ndim == 2
        return value[:, :, None, None] if matrix else value

    def place(name: str) -> str:
        name = _renamed(name, _VAE)
        return re.sub(r"\.up\.(\d+)\.", lambda match: f".up.{levels - 1 - int(match[1])}.", name)

    return {(there := place(name)): tensor(there, value) for name, value in state.items()}


def _open_clip(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The query, key and value of a layer are one tensor, in this order."""
    tensors: dict[str, Tensor] = {}
    for name, tensor in state.items():
        match = re.fullmatch(r"(.*\.self_attn\.)([qkv])_proj\.(weight|bias)", name)
        if match is None:
            tensors[_renamed(name, _OPEN_CLIP)] = tensor
        elif match[2] == "q":
            parts = [state[f"{match[1]}{part}_proj.{match[3]}"] for part in "qkv"]
            tensors[f"{_renamed(match[1], _OPEN_CLIP)}in_proj_{match[3]}"] = torch.cat(parts)
    return tensors
