"""The latent space: an AutoencoderKL that turns 64 x 64 pictures into 16 x 16 latents of 8 channels, and back.

Measured on two cores: latents of 8 x 8 x 16 make the U-Net cheaper but took five times as long to learn to reconstruct.
"""

import argparse

import torch
from common import WORK, Pictures, train
from diffusers import AutoencoderKL

BATCH = 12


def built() -> AutoencoderKL:
    torch.manual_seed(1)
    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 64),
        layers_per_block=1,
        latent_channels=8,
        norm_num_groups=8,
        sample_size=64,
    )
    # The posterior starts narrow (std 0.05): at std 1 the noise drowns the latents and nothing is learned for long.
    with torch.no_grad():
        vae.quant_conv.weight[8:].zero_()
        vae.quant_conv.bias[8:].fill_(-6.0)
    return vae.to(memory_format=torch.channels_last)


def picture_loss(drawn: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """L1 and squared error on the pixels, L1 on their differences to the right and below, figures before backgrounds.

    Outlines are what a figure is known by; a plain background, which is most of the picture, is soon learned. Hue has a
    term of its own, the error of red - green and of green - blue: without it, reds were still drawn orange after 1,500
    steps.
    """
    figure = (real - real[:, :, :1, :1]).abs().sum(dim=1, keepdim=True) > 0.02  # (N, 1, H, W): not the corner's colour
    weight = 1 + 3 * figure.float()
    across = (drawn.diff(dim=3) - real.diff(dim=3)).abs().mean()
    down = (drawn.diff(dim=2) - real.diff(dim=2)).abs().mean()
    off = drawn - real
    hue = off[:, :2] - off[:, 1:]
    pixels = (weight * (off.abs() + off.square())).mean() + (weight * hue.abs()).mean()
    return pixels / weight.mean() + across + down


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--steps", type=int, default=4000)
    options.add_argument("--minutes", type=float, default=1e9)
    options.add_argument("--warm", action="store_true", help="start from the work folder's vae-average.pt")
    options = options.parse_args()
    torch.set_num_threads(2)
    pictures, vae = Pictures(), built()
    if options.warm:
        vae.load_state_dict(torch.load(WORK / "vae-average.pt", weights_only=True))

    def loss_of(step: int, generator: torch.Generator):
        real, _ = pictures.random(BATCH, generator)
        posterior = vae.encode(real).latent_dist
        latents = posterior.mean + posterior.std * torch.randn(posterior.mean.shape, generator=generator)
        drawn = vae.decode(latents).sample
        # KL per latent number, averaged: weak, so that the latents stay of order one without losing detail.
        kl = posterior.kl().mean() / latents[0].numel()
        loss = picture_loss(drawn, real) + 2e-3 * kl
        return loss, {"loss": loss.item(), "l1": (drawn - real).abs().mean().item() / 2, "kl": kl.item()}

    average = train(
        "vae",
        vae,
        loss_of,
        options.steps,
        rate=2e-3,
        minutes=options.minutes,
        ema=0.995,
        every=25,
        weight_decay=0.0,
        muon_but=("conv_in", "conv_out", "quant_conv"),
    )
    torch.save(average, WORK / "vae-average.pt")


if __name__ == "__main__":
    main()
