"""What a single .safetensors file is, by its header alone: which Stable Diffusion, or which other thing by its name."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from balign.models import tensor_file
from balign.models.tensor_file import Header
from balign.refusal import Refusal

UNET, VAE = "model.diffusion_model.", "first_stage_model."
CLIP, OPEN_CLIP = "cond_stage_model.transformer.", "cond_stage_model.model."
FIRST = UNET + "input_blocks.0.0.weight"
WORDS = 49408
"""Of CLIP's vocabulary."""
OTHERS = (
    (r"lora_|\.lora[._]|lora\.(up|down)|\.hada_w|\.lokr_w|\.oft_|\.dora_scale", "a LoRA, a change to a model"),
    (r"(^|\.)emb_params$|^string_to_param|^<.*>$|^clip_[gl]$", "an embedding, a word for a model"),
    (r"^control_model\.|controlnet|^input_hint_block", "a ControlNet"),
    (r"motion_modules?\.", "a motion module of AnimateDiff"),
    (r"^ip_adapter\.|^image_proj\.", "an IP-Adapter"),
    (r"joint_blocks\.", "a Stable Diffusion 3"),
    (r"double_blocks\.|double_stream_blocks\.", "a Flux or a kin of it"),
    (r"^cond_stage_model\.roberta|^noise_augmentor|^embedder\.", "an unCLIP or AltDiffusion"),
    (r"conditioner\.embedders\.|label_emb\.|add_embedding\.", "a Stable Diffusion XL or a kin of it"),
    (r"^model\.diffusion_model\.(layers|blocks|transformer_blocks)\.", "a diffusion transformer"),
)
"""What files of other kinds hold, the first that fits."""
PARTS = (
    (r"^unet\.|^(down|up)_blocks\.|^mid_block\.|^text_model\.|^transformer_blocks\.", "a part of a diffusers pipeline"),
    (r"^input_blocks\.|^model\.diffusion_model\.", "a denoiser alone"),
    (
        r"^(encoder|decoder|first_stage_model)\.(conv_|down|up|mid|encoder|decoder|layers\.\d+\.(weight|conv))",
        "an autoencoder (VAE) alone",
    ),
    (r"^(cond_stage_model|transformer|embeddings|encoder\.(layers|block))\.", "a text encoder alone"),
)
"""The same for what is in a whole checkpoint too."""
CHANNELS = {9: "an inpainting model", 8: "an InstructPix2Pix or a kin of it", 7: "an upscaler", 5: "a depth model"}
"""What takes more than the latent, by how many channels it takes."""
WANTED = "accepted is a whole checkpoint of Stable Diffusion 1 or 2"


class CheckpointKind(NamedTuple):
    """What is known of a checkpoint beside the shapes of its tensors."""

    generation: str
    """Whose configurations it has: sd1 or sd2."""
    prediction: str
    zero_snr: bool
    size: int
    """Width and height that it was trained at, in pixels."""


def identify(path: Path) -> CheckpointKind:
    """What this file is. Raises Refusal for all but whole checkpoints of Stable Diffusion 1 and 2, by their names."""
    ending = path.suffix.lower()
    if ending in (".ckpt", ".pt", ".pth", ".bin"):
        raise Refusal(
            f"{path} is pickled, which could run code; only .safetensors is accepted. If you trust it, convert it: "
            f"{conversion(path)}"
        )
    if ending not in (".safetensors", ".sft"):
        raise Refusal(
            f"{path} is a {f'{ending} file' if ending else 'file without an ending'}; a .safetensors file or a "
            "pipeline's folder is accepted."
        )
    header = tensor_file.read(path)
    _refuse_others(header)
    linear = len(header.tensors[_named(header, r"model\.diffusion_model\..*\.proj_in\.weight")].shape) == 2
    generation = "sd2" if linear else "sd1"
    prediction = _prediction(header, generation)
    size = _size(header) or (768 if generation == "sd2" and prediction == "v_prediction" else 512)
    return CheckpointKind(generation, prediction, "ztsnr" in header.tensors, size)


def conversion(path: Path) -> str:
    """The command that writes a pickled checkpoint as safetensors, without running what is in it."""
    return (
        'python -c "import torch; from safetensors.torch import save_file; '
        f"s = torch.load({str(path)!r}, map_location='cpu', weights_only=True); s = s.get('state_dict', s); "
        f"save_file({{k: v.clone().contiguous() for k, v in s.items() if torch.is_tensor(v)}}, "
        f'{str(path.with_suffix(".safetensors"))!r})"'
    )


def _refuse_others(header: Header) -> None:
    path, names = header.path, header.tensors
    whole = FIRST in names
    for pattern, what in OTHERS if whole else OTHERS + PARTS:
        if any(re.search(pattern, name) for name in names):
            raise Refusal(f"{path} is {what}; {WANTED}.")
    if not whole:
        raise Refusal(f"{path} holds {len(names):,} tensors and is no checkpoint that is known; {WANTED}.")
    channels = names[FIRST].shape[1]
    if channels != 4:
        what = CHANNELS.get(channels, "another model")
        raise Refusal(f"{path} is {what}: its denoiser takes {channels} channels; accepted are models that take 4.")
    for prefixes, what in (((CLIP, OPEN_CLIP), "text encoder"), ((VAE,), "autoencoder (VAE)")):
        if not any(name.startswith(prefixes) for name in names):
            raise Refusal(f"{path} has no {what}; {WANTED}, with all three parts in the file.")
    words = names[_named(header, r"cond_stage_model\..*token_embedding\.weight")].shape[0]
    if words != WORDS:
        raise Refusal(f"{path} has a vocabulary of {words:,} tokens; accepted are the {WORDS:,} of CLIP.")


def _named(header: Header, pattern: str) -> str:
    """The first tensor of such a name."""
    found = next((name for name in header.tensors if re.fullmatch(pattern, name)), None)
    if found is None:
        raise Refusal(f"{header.path} lacks a tensor like {pattern}; {WANTED}.")
    return found


def _prediction(header: Header, generation: str) -> str:
    """What the denoiser predicts: as the file or the .yaml beside it says, else as its weights suggest.

    The two kinds of Stable Diffusion 2 have the same shapes. They differ in the spread of one bias (0.09 parts those
    that are known), by which ComfyUI tells them apart too.
    """
    said = [header.metadata.get(f"modelspec.{key}", "") for key in ("predict_key", "prediction_type", "architecture")]
    yaml = header.path.with_suffix(".yaml")
    if yaml.is_file() and yaml.stat().st_size < 100_000:
        said += re.findall(r"parameterization:\s*[\"']?(\w+)", yaml.read_text(encoding="utf-8", errors="replace"))
    if "v_pred" in header.tensors or any(re.fullmatch(r"v|v_prediction|.*-768-v.*", text) for text in said):
        return "v_prediction"
    if generation == "sd1" or any(re.fullmatch(r"eps(ilon)?|.*-512.*", text) for text in said):
        return "epsilon"
    bias = UNET + "output_blocks.11.1.transformer_blocks.0.norm1.bias"
    values = header.values(bias) if bias in header.tensors else None
    return "v_prediction" if values is not None and np.std(values) > 0.09 else "epsilon"


def _size(header: Header) -> int | None:
    """The width that the file says it was trained at."""
    said = re.match(r"(\d{2,4})", header.metadata.get("modelspec.resolution", ""))
    return int(said[1]) if said and int(said[1]) % 8 == 0 else None
