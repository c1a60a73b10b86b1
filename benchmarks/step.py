"""How long one unlearning step takes, and how much memory it adds: plain sum, restricted, projected, the reference.

    python -m benchmarks.step --model assets/models/emoji --batch 16
    python -m benchmarks.step --width 1.0 --batch 1 --repeats 2      # Stable Diffusion 1.4's shape, random weights

All four take the same images, conditions, batch and precision (fp32), and train the same weights by Adam. Steps are
interleaved, so that a busy machine slows all of them alike; the median counts. Memory is what tensors hold (on a GPU,
what the allocator says), its peak in a step that is not the first.

The reference is the loop of the paper's code, written anew: images and text are encoded at every step, all weights of
the denoiser get gradients whichever of them train, each gradient is cloned, flattened, projected and taken apart again;
activations are recomputed in the backward pass, as its configuration says. Its sleep of 0.1 s a step is left out.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from balign.data.latents import TrainingData
from balign.method.batches import draw
from balign.method.objectives import METHODS, Objective, settle
from balign.method.training import Unlearner
from balign.models.stable_diffusion import StableDiffusion
from balign.models.trainable import TRAINABLE, select
from benchmarks.memory import peak_bytes
from benchmarks.shapes import sd14

RETAIN_WEIGHT, TRUNCATION, LEARNING_RATE = 1.6, 1.5, 1e-5
PROJECTED = Objective(
    title="restricted, then the step projected",
    forget="ascent",
    combine="restricted",
    project_step=True,
    retain_weight=RETAIN_WEIGHT,
    cite="balign",
    equation="",
    note="The default's step with the paper's forget loss, so that only the step differs.",
)


class Setup(NamedTuple):
    """A model with everything a step needs, and the parts that only the reference still asks for."""

    model: StableDiffusion
    vae: nn.Module
    text_encoder: nn.Module
    data: TrainingData
    images: dict[str, Tensor]
    tokens: dict[str, Tensor]
    train: str
    batch: int


def set_up(folder: Path, train: str, batch: int, device: str) -> Setup:
    from diffusers import AutoencoderKL
    from transformers import CLIPTextModel

    model = StableDiffusion.load(folder, device)
    vae = AutoencoderKL.from_pretrained(folder / "vae").to(device).requires_grad_(False)
    text_encoder = CLIPTextModel.from_pretrained(folder / "text_encoder").to(device).requires_grad_(False)
    g = torch.Generator().manual_seed(0)
    length, words = text_encoder.config.max_position_embeddings, text_encoder.config.vocab_size
    images, tokens, latents, conditions = {}, {}, {}, {}
    with torch.no_grad():
        for side in ("forget", "retain"):
            images[side] = torch.rand(batch, 3, *model.size, generator=g) * 2 - 1
            tokens[side] = torch.randint(words, (batch, length), generator=g)
            latents[side] = torch.randn(batch, *model.latent_shape, generator=g)
            conditions[side] = text_encoder(tokens[side].to(device))[0].cpu()
    data = TrainingData(
        forget_latents=latents["forget"],
        retain_latents=latents["retain"],
        forget_conditions=conditions["forget"],
        retain_conditions=conditions["retain"],
        anchor_conditions=conditions["retain"],
        empty_condition=conditions["retain"][:1],
    )
    return Setup(model, vae, text_encoder, data, images, tokens, train, batch)


def plain_sum(setup: Setup) -> Callable[[], object]:
    """The least that descending g_f + w g_r can be: two backward passes into one gradient, one step, no records."""
    weights = list(select(setup.model.denoiser, setup.train).values())
    optimizer = torch.optim.Adam(weights, lr=LEARNING_RATE)
    count = iter(range(10**9))

    def step() -> None:
        select(setup.model.denoiser, setup.train)
        number = next(count)
        for side, weight in (("forget", -1.0), ("retain", RETAIN_WEIGHT)):
            batch, _ = draw(setup.model, setup.data, side, setup.batch, 0, number)
            error = (setup.model.predict(*batch[:3]) - batch.target).square().mean()
            (weight * (error.clamp(max=TRUNCATION) if side == "forget" else error)).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def balign_step(setup: Setup, method: str) -> Callable[[], object]:
    """balign's own loop, its ledger included."""
    settings = settle(
        method=method,
        train=setup.train,
        steps=10**9,
        learning_rate=LEARNING_RATE,
        truncation=TRUNCATION,
        batch_forget=setup.batch,
        batch_retain=setup.batch,
        measure_every=0,
    )
    run = Unlearner(setup.model, setup.data, settings)

    def step() -> object:
        select(setup.model.denoiser, setup.train)
        return next(run)

    return step


def reference(setup: Setup, checkpointing: bool) -> Callable[[], object]:
    """The loop of the paper's code (see the top of this file)."""
    unet = setup.model.denoiser
    weights = list(unet.parameters())
    optimizer = torch.optim.Adam(select(unet, setup.train).values(), lr=LEARNING_RATE)
    random = torch.Generator().manual_seed(0)
    device = setup.model.device

    def gradient(side: str) -> list[Tensor]:
        optimizer.zero_grad()
        unet.zero_grad()
        with torch.no_grad():
            latents = setup.vae.encode(setup.images[side].to(device)).latent_dist.sample() * 0.18215
            conditions = setup.text_encoder(setup.tokens[side].to(device))[0]
        noise = torch.randn(latents.shape, generator=random)
        timesteps = torch.randint(setup.model.num_train_timesteps, (setup.batch,), generator=random)
        noisy, target = setup.model.add_noise(latents, noise, timesteps)
        loss = (setup.model.predict(noisy, timesteps, conditions) - target).square().mean()
        if side == "forget" and loss > TRUNCATION:
            loss = loss / loss.norm()
        loss.backward()
        sign = -1 if side == "forget" else 1
        return [sign * weight.grad.clone() for weight in weights if weight.grad is not None]

    def away(flat: Tensor, other: Tensor) -> Tensor:
        scalar = (flat @ other) / other.norm() ** 2
        return flat - scalar * other if scalar.item() < 0 else flat

    def step() -> None:
        unet.requires_grad_(True)
        unet.train(checkpointing)  # diffusers recomputes only in training mode; there is no dropout
        unet.enable_gradient_checkpointing() if checkpointing else unet.disable_gradient_checkpointing()
        ascent, descent = gradient("forget"), gradient("retain")
        flat_f, flat_r = (torch.cat([grad.flatten() for grad in grads]) for grads in (ascent, descent))
        combined = away(flat_f, flat_r) + RETAIN_WEIGHT * away(flat_r, flat_f)
        for weight, part in zip(weights, combined.split([weight.numel() for weight in weights]), strict=True):
            weight.grad = part.view_as(weight)
        optimizer.step()
        unet.zero_grad()
        unet.disable_gradient_checkpointing()
        unet.eval()

    return step


def seconds(step: Callable[[], object], device: torch.device) -> float:
    started = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def measure(setup: Setup, repeats: int) -> dict[str, dict[str, float]]:
    METHODS["projected"] = PROJECTED
    makers: dict[str, Callable[[], Callable[[], object]]] = {
        "plain sum": lambda: plain_sum(setup),
        "restricted": lambda: balign_step(setup, "rgd"),
        "projected": lambda: balign_step(setup, "projected"),
        "reference": lambda: reference(setup, checkpointing=True),
        "reference, nothing recomputed": lambda: reference(setup, checkpointing=False),
    }
    device = setup.model.device
    memory = {name: peak_bytes(make, device) for name, make in makers.items()}
    steps = {name: make() for name, make in makers.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in range(repeats + 1):
        for name, step in steps.items():
            taken = seconds(step, device)
            if repeat:  # the first one warms up
                times[name].append(taken)
    return {name: {"seconds": statistics.median(times[name]), "peak_bytes": memory[name]} for name in makers}


def show(setup: Setup, found: dict[str, dict[str, float]]) -> dict[str, float]:
    """Print the table; the three figures that the claims are about."""
    trained = list(select(setup.model.denoiser, setup.train).values())
    gradient = sum(weight.numel() * weight.element_size() for weight in trained)
    size = sum(weight.numel() for weight in setup.model.denoiser.parameters())
    print(f"denoiser {size / 1e6:.1f} M, trained {setup.train}: {gradient / 2**20:.1f} MiB a gradient,", end=" ")
    print(f"batch {setup.batch}+{setup.batch}, {torch.get_num_threads()} threads, {setup.model.device}")
    plain = found["plain sum"]
    print(f"{'step':<31}{'seconds':>9}{'x plain':>9}{'peak MiB':>10}{'extra, in gradients':>21}")
    for name, row in found.items():
        extra = (row["peak_bytes"] - plain["peak_bytes"]) / gradient
        ratio = row["seconds"] / plain["seconds"]
        print(f"{name:<31}{row['seconds']:>9.3f}{ratio:>9.3f}{row['peak_bytes'] / 2**20:>10.1f}{extra:>21.2f}")
    return {
        "restricted_to_plain": found["restricted"]["seconds"] / plain["seconds"],
        "projected_to_plain": found["projected"]["seconds"] / plain["seconds"],
        "reference_to_restricted": found["reference"]["seconds"] / found["restricted"]["seconds"],
        "extra_gradients": (found["projected"]["peak_bytes"] - plain["peak_bytes"]) / gradient,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a pipeline folder; left out, Stable Diffusion 1.4's shape")
    parser.add_argument("--width", type=float, default=1.0, help="times the channels of Stable Diffusion 1.4")
    parser.add_argument("--pixels", type=int, default=512, help="width and height of that model's images")
    parser.add_argument("--train", choices=TRAINABLE, default="cross_attention")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:  # the model reads parts of its folder when they are first needed
        folder = options.model or sd14(Path(temporary), options.width, options.pixels)
        setup = set_up(folder, options.train, options.batch, options.device)
        found = measure(setup, options.repeats)
    claims = show(setup, found)
    print("  ".join(f"{name} {value:.3f}" for name, value in claims.items()))
    if options.json:
        options.json.write_text(json.dumps({"steps": found, "claims": claims}, indent=2) + "\n")


if __name__ == "__main__":
    main()
