"""The denoiser of clothes: a DiTTransformer2DModel that predicts v on pixels, with classes dropped for guidance.

It is trained with a label table of ten classes and one for none; `fashion_assemble.py` widens it to the thousand that
the stock pipeline counts on. Timesteps are logit-normal (Esser et al., 2024): most of them in the middle, where the
picture is decided.
"""

import argparse

import torch
import torch.nn.functional as F
from common import WORK, scheduler, train
from diffusers import DiTTransformer2DModel
from fashion_data import CLASSES, SIZE, floats, pictures
from torch.nn.attention import SDPBackend, sdpa_kernel

BATCH, DROPPED, UNIFORM = 128, 0.1, 0.2
BFLOAT16 = torch.cpu.get_capabilities().get("avx512_bf16", False)


def built(classes: int = len(CLASSES)) -> DiTTransformer2DModel:
    """Blocks start as the identity (adaLN-Zero, Peebles and Xie, 2023), which diffusers leaves to whoever trains.

    In eval mode, because each block would otherwise drop the class by a coin of its own.
    """
    torch.manual_seed(3)
    model = DiTTransformer2DModel(
        sample_size=SIZE,
        in_channels=1,
        out_channels=1,  # the stock pipeline asks for it by name
        patch_size=4,
        num_layers=6,
        num_attention_heads=6,
        attention_head_dim=32,
        num_embeds_ada_norm=classes,
    )
    for layer in (*(block.norm1.linear for block in model.transformer_blocks), model.proj_out_1, model.proj_out_2):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    for block in model.transformer_blocks:
        torch.nn.init.normal_(block.norm1.emb.class_embedder.embedding_table.weight, std=0.02)
    return model.eval()


def logit_normal(generator: torch.Generator) -> torch.Tensor:
    """Times in (0, 1), one from each of BATCH equal parts of the distribution; a fifth of them are uniform instead."""
    part = (torch.arange(BATCH) + torch.rand(BATCH, generator=generator)) / BATCH
    spread = torch.sigmoid(torch.special.ndtri(part))
    return torch.where(torch.rand(BATCH, generator=generator) < UNIFORM, part, spread)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--steps", type=int, default=20000)
    options.add_argument("--minutes", type=float, default=1e9)
    options.add_argument("--rate", type=float, default=1.5e-3)
    options.add_argument("--name", default="dit", help="of the files in the work folder")
    options.add_argument("--without", nargs="*", default=[], metavar="CLASS", help="classes never shown, for a control")
    options = options.parse_args()
    images, labels = pictures("train")
    unknown = [name for name in options.without if name not in CLASSES]
    if unknown:
        raise SystemExit(f"{unknown[0]!r} is no class; there are {', '.join(CLASSES)}.")
    hidden = torch.tensor([CLASSES.index(name) for name in options.without], dtype=torch.long)
    shown = (~torch.isin(labels, hidden)).nonzero().flatten()
    model, schedule = built(), scheduler()

    def loss_of(step: int, generator: torch.Generator):
        chosen = shown[torch.randint(len(shown), (BATCH,), generator=generator)]
        clean = floats(images[chosen])
        dropped = torch.rand(BATCH, generator=generator) < DROPPED
        classes = torch.where(dropped, len(CLASSES), labels[chosen])
        timesteps = (logit_normal(generator) * schedule.config.num_train_timesteps).long()
        noise = torch.randn(clean.shape, generator=generator)
        noisy = schedule.add_noise(clean, noise, timesteps)
        # Plain attention: of 64 tokens, a processor's fused one takes half of the step for its gradient.
        with torch.autocast("cpu", torch.bfloat16, enabled=BFLOAT16), sdpa_kernel(SDPBackend.MATH):
            velocity = model(noisy, timesteps, classes).sample
        loss = F.mse_loss(velocity.float(), schedule.get_velocity(clean, noise, timesteps))
        return loss, {"loss": loss.item()}

    average = train(
        options.name,
        model,
        loss_of,
        options.steps,
        options.rate,
        warmup=200,
        minutes=options.minutes,
        ema=0.9995,
        every=50,
        muon_but=("pos_embed", "norm1", "proj_out"),
    )
    torch.save(average, WORK / f"{options.name}-average.pt")


if __name__ == "__main__":
    main()
