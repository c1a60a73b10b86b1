"""Random-weight Stable Diffusion pipelines small enough for a test, saved as stock diffusers folders.

They have the exact classes and options of the real ones (1.x: epsilon, PNDM, a safety checker; 2.1: v prediction,
DDIM, linear projections, head counts per level). They draw noise: what they test is code, not pictures.
"""

import json
from pathlib import Path

WORDS = [
    *("a", "an", "the", "of", "in", "on", "and", "with", "painting", "picture", "drawing"),
    *("cat", "dog", "pizza", "guitar", "red", "blue", "ink", "pixel", "background"),
]
LENGTH = 16
VOCABULARY = 576
"""More than the symbols of the tokenizer below, whose last two are numbered to end it."""


def tiny_pipeline(
    folder: str | Path,
    prediction_type: str = "epsilon",
    size: int = 16,
    latent_channels: int = 4,
    *,
    like: str = "sd1",
    seed: int = 0,
) -> str:
    """Save a pipeline that draws ``size`` x ``size`` px from latents half that wide, once; its folder.

    ``like`` is "sd1" (1.4 and 1.5) or "sd2" (2.1).
    """
    import torch
    from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel

    folder = Path(folder)
    if (folder / "model_index.json").exists():
        return str(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipeline = StableDiffusionPipeline(
            vae=AutoencoderKL(
                block_out_channels=(8, 16),
                down_block_types=("DownEncoderBlock2D",) * 2,
                up_block_types=("UpDecoderBlock2D",) * 2,
                latent_channels=latent_channels,
                norm_num_groups=4,
                sample_size=size,
                scaling_factor=0.18215,
            ),
            unet=UNet2DConditionModel(
                sample_size=size // 2,
                in_channels=latent_channels,
                out_channels=latent_channels,
                layers_per_block=1,
                block_out_channels=(8, 16),
                down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
                up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
                cross_attention_dim=16,
                norm_num_groups=4,
                use_linear_projection=like == "sd2",
                attention_head_dim=[2, 4] if like == "sd2" else 2,
            ),
            text_encoder=_text_encoder("gelu" if like == "sd2" else "quick_gelu"),
            tokenizer=_tokenizer(folder),
            scheduler=_scheduler(like, prediction_type),
            safety_checker=_safety_checker() if like == "sd1" else None,
            feature_extractor=_feature_extractor() if like == "sd1" else None,
            requires_safety_checker=like == "sd1",
        )
    pipeline.save_pretrained(folder)
    return str(folder)


def _tokenizer(folder: Path):
    """A CLIP tokenizer of single characters and a few whole words: any word typed still tokenises."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    characters = sorted(ByteLevel.alphabet())
    symbols = [*characters, *(character + "</w>" for character in characters)]
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        pieces = [*word[:-1], word[-1] + "</w>"]
        while len(pieces) > 1:
            pair = (pieces[0], pieces[1])
            if pair not in merges:
                merges.append(pair)
            pieces = ["".join(pair), *pieces[2:]]
    symbols += dict.fromkeys("".join(pair) for pair in merges if "".join(pair) not in symbols)
    vocab = {symbol: i for i, symbol in enumerate(symbols)}
    vocab |= {"<|startoftext|>": VOCABULARY - 2, "<|endoftext|>": VOCABULARY - 1}
    folder.mkdir(parents=True, exist_ok=True)
    return CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=LENGTH)


def _text_encoder(activation: str):
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=VOCABULARY,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=LENGTH,
            hidden_act=activation,
            bos_token_id=VOCABULARY - 2,
            eos_token_id=VOCABULARY - 1,
            pad_token_id=VOCABULARY - 1,
        )
    )


def _scheduler(like: str, prediction_type: str):
    from diffusers import DDIMScheduler, PNDMScheduler

    options = {
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "num_train_timesteps": 1000,
        "set_alpha_to_one": False,
        "steps_offset": 1,
    }
    if like == "sd2" or prediction_type == "sample":
        return DDIMScheduler(**options, clip_sample=False, prediction_type=prediction_type)
    return PNDMScheduler(**options, skip_prk_steps=True, prediction_type=prediction_type)


def _safety_checker():
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
    from transformers import CLIPConfig

    tower = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = CLIPConfig(text_config=tower, vision_config=tower | {"image_size": 8, "patch_size": 4}, projection_dim=8)
    return StableDiffusionSafetyChecker(config)


def _feature_extractor():
    from transformers import CLIPImageProcessor

    return CLIPImageProcessor(size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8})


def edit_json(path: str | Path, **values: object) -> None:
    """Change keys of a json file: how a test makes a folder say something it should not."""
    path = Path(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
