"""Random-weight class-conditional pipelines small enough for a test, saved as stock diffusers folders.

They have the exact classes of facebook/DiT-XL-2-256 and its thousand classes, which the stock pipeline counts on. They
draw noise: what they test is code, not pictures.
"""

import json
from pathlib import Path
from typing import Any

ID2LABEL = {"0": "T-shirt, top", "1": "ankle boot", "2": "crane", "207": "golden retriever", "517": "crane, derrick"}


def tiny_dit(
    folder: Path,
    prediction_type: str = "epsilon",
    *,
    sigma: bool = True,
    scheduler: str = "DDIMScheduler",
    **options: Any,
) -> str:
    """Save a pipeline that draws 16 x 16 px from latents half that wide, once; its folder.

    ``sigma``: it predicts a variance too, as the real one does. ``options`` are the scheduler's.
    """
    import diffusers
    import torch
    from diffusers import AutoencoderKL, DiTPipeline, DiTTransformer2DModel

    if (folder / "model_index.json").exists():
        return str(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformer = DiTTransformer2DModel(
            num_attention_heads=2,
            attention_head_dim=4,
            in_channels=4,
            out_channels=8 if sigma else 4,
            num_layers=2,
            sample_size=8,
            patch_size=2,
            num_embeds_ada_norm=1000,
        )
        vae = AutoencoderKL(
            block_out_channels=(8, 16),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            latent_channels=4,
            norm_num_groups=4,
            sample_size=16,
            scaling_factor=0.18215,
        )
    options = {"clip_sample": False} | options if scheduler == "DDIMScheduler" else options
    DiTPipeline(
        transformer, vae, getattr(diffusers, scheduler)(prediction_type=prediction_type, **options)
    ).save_pretrained(folder)
    index = folder / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"id2label": ID2LABEL}))
    return str(folder)
