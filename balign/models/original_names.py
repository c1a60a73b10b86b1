"""The names of tensors in a checkpoint of the original Stable Diffusion, from their names in a diffusers pipeline."""

import re
from collections.abc import Mapping
from typing import Any

WIDTHS = (320, 640, 1280, 1280)
"""Channels of a U-Net of Stable Diffusion 1 or 2; the programs other than diffusers know no other."""
UNET, VAE = "model.diffusion_model.", "first_stage_model."
CLIP, OPEN_CLIP = "cond_stage_model.transformer.text_model.", "cond_stage_model.model."
TIME = {"linear_1": "0", "linear_2": "2"}
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
ENDS = {"conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
OPEN_CLIP_ENDS = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}


def unet(name: str, config: Mapping[str, Any]) -> str:
    """The original name of a tensor of the U-Net with this configuration."""
    place, kind = name.rsplit(".", 1)
    each = config["layers_per_block"] + 1
    if place in ENDS:
        return f"{UNET}{ENDS[place]}.{kind}"
    if place.startswith("time_embedding."):
        return f"{UNET}time_embed.{TIME[place.split('.')[1]]}.{kind}"
    side, *rest = place.split(".")
    if side == "mid_block":
        layer, number, inner = rest[0], int(rest[1]), ".".join(rest[2:])
        block = f"middle_block.{1 if layer == 'attentions' else 2 * number}"
        return f"{UNET}{block}.{RESNET.get(inner, inner)}.{kind}"
    level, layer, number, inner = int(rest[0]), rest[1], int(rest[2]), ".".join(rest[3:])
    if layer == "downsamplers":
        return f"{UNET}input_blocks.{(level + 1) * each}.0.op.{kind}"
    if layer == "upsamplers":
        after_attention = "CrossAttn" in config["up_block_types"][level]
        return f"{UNET}output_blocks.{level * each + each - 1}.{1 + after_attention}.conv.{kind}"
    block = (
        f"input_blocks.{1 + level * each + number}"
        if side == "down_blocks"
        else f"output_blocks.{level * each + number}"
    )
    inside = f"1.{inner}" if layer == "attentions" else f"0.{RESNET[inner]}"
    return f"{UNET}{block}.{inside}.{kind}"


def vae(name: str, config: Mapping[str, Any]) -> str:
    """The original name of a tensor of the autoencoder with this configuration."""
    last = len(config["block_out_channels"]) - 1
    name = name.replace("conv_norm_out.", "norm_out.").replace("conv_shortcut.", "nin_shortcut.")
    name = re.sub(r"\.(down|up)samplers\.0\.", r".\1sample.", name)
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}", name)
    name = re.sub(r"down_blocks\.(\d+)", r"down.\1", name)
    name = re.sub(r"up_blocks\.(\d+)", lambda found: f"up.{last - int(found[1])}", name).replace(".resnets.", ".block.")
    attention = re.fullmatch(r"(\w+)\.mid_block\.attentions\.0\.(.+)\.(\w+)", name)
    if attention:
        name = f"{attention[1]}.mid.attn_1.{VAE_ATTENTION[attention[2]]}.{attention[3]}"
    return VAE + name


def clip(name: str) -> str:
    """The original name of a tensor of CLIP's text encoder, of Stable Diffusion 1."""
    return CLIP + name.removeprefix("text_model.")


def open_clip(name: str) -> tuple[str, int | None]:
    """That of OpenCLIP's, of Stable Diffusion 2, and which third of that tensor it is: query, key or value."""
    name = name.removeprefix("text_model.")
    if name in OPEN_CLIP_ENDS:
        return OPEN_CLIP + OPEN_CLIP_ENDS[name], None
    layer = re.fullmatch(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)", name)
    if layer is None:
        raise KeyError(name)
    place = f"{OPEN_CLIP}transformer.resblocks.{layer[1]}"
    third = re.fullmatch(r"self_attn\.([qkv])_proj", layer[2])
    if third:
        return f"{place}.attn.in_proj_{layer[3]}", "qkv".index(third[1])
    return f"{place}.{LAYER[layer[2]]}.{layer[3]}", None
