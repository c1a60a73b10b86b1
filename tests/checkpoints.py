"""Small checkpoints in one file, with the tensor names of the original code, as model sites have them.

The pipelines are Stable Diffusion in all but their widths: four levels, CLIP's vocabulary and tokenizer.
"""

import itertools
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from balign.models import original_names
from balign.models.checkpoint_shapes import STOCK

CONVERSION = Path(__file__).parent / "models" / "diffusers_conversion.txt"
"""What diffusers' own script, convert_diffusers_to_original_stable_diffusion.py, made of a small pipeline of either
generation: the generation, the name it wrote and the tensors it wrote there; {k} is a layer, * is weight and bias."""


def small_pipeline(like: str = "sd1", each: int = 1) -> Any:
    """A ``StableDiffusionPipeline`` with random weights; ``like`` is "sd1" or "sd2", ``each`` the layers of a block."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    two = like == "sd2"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return StableDiffusionPipeline(
            vae=AutoencoderKL(
                block_out_channels=(32, 32, 32, 64),
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
                layers_per_block=each,
                latent_channels=4,
                scaling_factor=0.18215,
            ),
            unet=UNet2DConditionModel(
                sample_size=8,
                block_out_channels=(32, 64, 64, 64),
                layers_per_block=each,
                cross_attention_dim=64,
                use_linear_projection=two,
                attention_head_dim=[1, 1, 1, 1] if two else 8,
            ),
            text_encoder=CLIPTextModel(
                CLIPTextConfig(
                    vocab_size=49408,
                    hidden_size=64,
                    intermediate_size=96,
                    num_hidden_layers=23 if two else 2,
                    num_attention_heads=1,
                    hidden_act="gelu" if two else "quick_gelu",
                )
            ),
            tokenizer=CLIPTokenizer.from_pretrained(STOCK / like / "tokenizer"),
            scheduler=DDIMScheduler.from_pretrained(STOCK / like / "scheduler"),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )


def tensors(pipeline: Any) -> dict[str, Any]:
    """The weights of a pipeline under their original names and in their original shapes."""
    import torch

    unet, vae, text = pipeline.unet, pipeline.vae, pipeline.text_encoder.state_dict()
    found = {original_names.unet(name, unet.config): tensor for name, tensor in unet.state_dict().items()}
    for name, tensor in vae.state_dict().items():
        convolution = ".attentions." in name and tensor.ndim == 2
        found[original_names.vae(name, vae.config)] = tensor[:, :, None, None] if convolution else tensor
    if not unet.config.use_linear_projection:
        return found | {original_names.clip(name): tensor for name, tensor in text.items()}
    thirds: dict[str, list[Any]] = {}
    for name, tensor in text.items():
        original, third = original_names.open_clip(name)
        if third is None:
            found[original] = tensor
        else:
            thirds.setdefault(original, [None] * 3)[third] = tensor
    return found | {name: torch.cat(three) for name, three in thirds.items()}


def converted(pipeline: Any, like: str, *, prefixed: bool = True) -> dict[str, Any]:
    """The checkpoint that diffusers' script writes of this pipeline, with two layers in a block.

    Not prefixed: of a folder whose text encoder is saved without ``text_model.``; as it then takes any for CLIP's, it
    leaves its names as they are. It makes a convolution of the autoencoder's attention, biases and all.
    """
    import torch

    parts = {part: getattr(pipeline, part).state_dict() for part in ("unet", "vae", "text_encoder")}
    own = {f"{part}.{name}": tensor for part, state in parts.items() for name, tensor in state.items()}
    found = {}
    for name, names in _conversion(like, pipeline.text_encoder.config.num_hidden_layers):
        tensor = torch.cat([own[each] for each in names])
        convolution = ".mid.attn_1." in name and ".norm." not in name
        found[name] = tensor[..., None, None] if convolution else tensor
    if not prefixed:
        found = {name: tensor for name, tensor in found.items() if not name.startswith("cond_stage_model.")}
        found |= {f"cond_stage_model.transformer.{name}": tensor for name, tensor in parts["text_encoder"].items()}
    return found


def _conversion(like: str, layers: int) -> Iterator[tuple[str, list[str]]]:
    for line in CONVERSION.read_text(encoding="utf-8").splitlines():
        generation, *names = line.split()
        if generation not in (like, "both"):
            continue
        numbers = range(layers if "{k}" in line else 1)
        kinds = ("weight", "bias") if "*" in line else ("",)
        for k, kind in itertools.product(numbers, kinds):
            first, *rest = [name.replace("{k}", str(k)).replace("*", kind) for name in names]
            yield first, rest


def write(path: Path, tensors: Mapping[str, Any], **metadata: str) -> Path:
    """A .safetensors file of these tensors; a metadata key ``a__b`` is written ``a.b``."""
    from safetensors.torch import save_file

    whole = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
    save_file(whole, path, {key.replace("__", "."): value for key, value in metadata.items()})
    return path


def small_folder(folder: Path, like: str = "sd1", **options: Any) -> Path:
    """The same as a folder of diffusers; its scheduler and tokenizer are as those of the real ones."""
    small_pipeline(like).save_pretrained(folder, **options)
    for part in ("scheduler", "tokenizer"):
        shutil.rmtree(folder / part)
        shutil.copytree(STOCK / like / part, folder / part)
    return folder
