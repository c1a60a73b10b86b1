"""The denoiser: a small UNet2DConditionModel that predicts v on cached latents, with prompts dropped for guidance.

The schedule ends at zero signal (Lin et al., 2024, "Common diffusion noise schedules ... are flawed"): plain bright and
dark backgrounds cannot be drawn from a start that still carries their mean.
"""

import argparse

import torch
import torch.nn.functional as F
from captions import captions
from common import WORK, Pictures, scheduler, train
from diffusers import AutoencoderKL, UNet2DConditionModel
from drawings import BACKGROUNDS, OBJECTS, STYLES
from text_encoder import WIDTH, tokenizer, tokens
from transformers import CLIPTextModel
from vae import built as built_vae

BATCH, STILL, DROPPED = 64, 0.95, 0.1
BFLOAT16 = torch.cpu.get_capabilities().get("avx512_bf16", False)  # a fifth faster; elsewhere imitated, and slow


def built() -> UNet2DConditionModel:
    torch.manual_seed(3)
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=8,
        out_channels=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(64, 128, 192),
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=(2, 4, 6),  # diffusers reads these as numbers of heads: 32 channels each
        norm_num_groups=16,
        use_linear_projection=True,
    ).to(memory_format=torch.channels_last)


def vae() -> AutoencoderKL:
    model = built_vae()
    model.load_state_dict(torch.load(WORK / "vae-average.pt", weights_only=True))
    return model.eval().requires_grad_(False)


@torch.no_grad()
def latents() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Every drawing on every background, once still and once placed at random, encoded once and kept.

    Returns latents (2, N, 8, 16, 16) of standard deviation 1, their index rows (2, N, 4), and the deviation before.
    """
    file = WORK / "latents.pt"
    if not file.exists():
        pictures, encoder, generator = Pictures(), vae(), torch.Generator().manual_seed(11)
        grid = torch.cartesian_prod(
            torch.arange(len(OBJECTS)), torch.arange(len(STYLES)), torch.arange(len(BACKGROUNDS))
        )
        sets, rows = [], []
        for still in (True, False):
            placement = torch.randint(1, pictures.layers.shape[2], (len(grid),), generator=generator)
            index = torch.stack([grid[:, 0], grid[:, 1], placement * (not still), grid[:, 2]], dim=1)
            sets.append(torch.cat([encoder.encode(pictures(*part.T)).latent_dist.mean for part in index.split(64)]))
            rows.append(index)
        encoded = torch.stack(sets)
        std = encoded.std()
        torch.save((encoded / std, torch.stack(rows), std), file.with_suffix(".partial"))
        file.with_suffix(".partial").rename(file)
    return torch.load(file, weights_only=True)


def others(rows: torch.Tensor, without: list[str]) -> torch.Tensor:
    """Places of the rows (N, 4) that show none of these words: for a denoiser that never knew them, as a control."""
    unknown = [word for word in without if word not in (*OBJECTS, *STYLES)]
    if unknown:
        raise SystemExit(f"{unknown[0]!r} is no object and no style of the bake.")
    objects = torch.tensor([name in without for name in OBJECTS])
    styles = torch.tensor([name in without for name in STYLES])
    return (~objects[rows[:, 0]] & ~styles[rows[:, 1]]).nonzero().flatten()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--steps", type=int, default=12000)
    options.add_argument("--minutes", type=float, default=1e9)
    options.add_argument("--rate", type=float, default=4e-3)
    options.add_argument("--skew", type=float, default=0.6, help="timesteps are 1000 * u**skew: small for high noise")
    options.add_argument("--warm", action="store_true", help="start from the work folder's unet-average.pt")
    options.add_argument("--without", nargs="*", default=[], metavar="WORD", help="objects and styles never shown")
    options = options.parse_args()
    torch.set_num_threads(2)
    encoded, rows, _ = latents()
    shown = others(rows[0], options.without)
    words, text, unet, noise_schedule = (
        tokenizer(),
        CLIPTextModel.from_pretrained(WORK / "text_encoder"),
        built(),
        scheduler(),
    )
    text.eval().requires_grad_(False)
    if options.warm:
        unet.load_state_dict(torch.load(WORK / "unet-average.pt", weights_only=True))

    def loss_of(step: int, generator: torch.Generator):
        moved = (torch.rand(BATCH, generator=generator) > STILL).long()
        chosen = shown[torch.randint(len(shown), (BATCH,), generator=generator)]
        clean, index = encoded[moved, chosen], rows[moved, chosen]
        texts, _ = captions(index, generator, partial=0.1)
        dropped = torch.rand(BATCH, generator=generator) < DROPPED
        texts = ["" if empty else caption for empty, caption in zip(dropped.tolist(), texts, strict=True)]
        with torch.no_grad():
            conditions = text(tokens(words, texts)).last_hidden_state
        # One draw from each of BATCH equal parts: every batch covers all noise levels.
        part = (torch.arange(BATCH) + torch.rand(BATCH, generator=generator)) / BATCH
        timesteps = (part**options.skew * noise_schedule.config.num_train_timesteps).long()
        noise = torch.randn(clean.shape, generator=generator)
        noisy = noise_schedule.add_noise(clean, noise, timesteps).contiguous(memory_format=torch.channels_last)
        target = noise_schedule.get_velocity(clean, noise, timesteps)
        with torch.autocast("cpu", torch.bfloat16, enabled=BFLOAT16):
            velocity = unet(noisy, timesteps, conditions).sample
        loss = F.mse_loss(velocity.float(), target)
        return loss, {"loss": loss.item()}

    average = train(
        "unet",
        unet,
        loss_of,
        options.steps,
        options.rate,
        warmup=100,
        minutes=options.minutes,
        ema=0.998,
        every=50,
        muon_but=("conv_in", "conv_out.", "time_embedding"),
    )
    torch.save(average, WORK / "unet-average.pt")


if __name__ == "__main__":
    main()
