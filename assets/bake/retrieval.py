"""How well the denoiser knows what a prompt looks like before any picture shows: retrieval at high noise.

For some full prompts, the picture that the denoiser predicts in one step is compared with all objects in the asked-for
style on the asked-for background; printed is how often the right one is nearest, and the loss. At timestep 999 there
is nothing but the prompt to go by.
"""

import torch
from captions import captions
from common import WORK, scheduler
from drawings import OBJECTS
from text_encoder import tokenizer, tokens
from torch import Tensor
from transformers import CLIPTextModel
from unet import built, latents

PROMPTS, TIMESTEPS = 160, (999, 850, 700)


def ranks(predicted: Tensor, index: Tensor, still: Tensor, rows: Tensor) -> Tensor:
    """How many of the other objects are nearer to each prediction than the right one: 0 is right."""
    places = {tuple(row): k for k, row in enumerate(rows[:, [0, 1, 3]].tolist())}
    found = []
    for picture, (name, style, _, background) in zip(predicted, index.tolist(), strict=True):
        rivals = torch.stack([still[places[other, style, background]] for other in range(len(OBJECTS))])
        distances = (rivals - picture).square().mean(dim=(1, 2, 3))
        found.append((distances < distances[name]).sum())
    return torch.stack(found)


@torch.inference_mode()
def main() -> None:
    torch.set_num_threads(2)
    encoded, index, _ = latents()
    still, rows = encoded[0], index[0]
    chosen = torch.randperm(len(still), generator=torch.Generator().manual_seed(3))[:PROMPTS]
    texts, _ = captions(rows[chosen], torch.Generator().manual_seed(4), partial=0.0, synonyms=0.0)
    text, unet, schedule = CLIPTextModel.from_pretrained(WORK / "text_encoder").eval(), built().eval(), scheduler()
    unet.load_state_dict(torch.load(WORK / "unet-average.pt", weights_only=True))
    conditions = text(tokens(tokenizer(), texts)).last_hidden_state
    noise = torch.randn(still[chosen].shape, generator=torch.Generator().manual_seed(1))
    for timestep in TIMESTEPS:
        times = torch.full((PROMPTS,), timestep)
        noisy = schedule.add_noise(still[chosen], noise, times).contiguous(memory_format=torch.channels_last)
        parts = zip(noisy.split(40), times.split(40), conditions.split(40), strict=True)
        velocity = torch.cat([unet(*part).sample for part in parts])
        loss = (velocity - schedule.get_velocity(still[chosen], noise, times)).square().mean()
        alpha = schedule.alphas_cumprod[timestep]
        rank = ranks(alpha.sqrt() * noisy - (1 - alpha).sqrt() * velocity, rows[chosen], still, rows)
        right, five = (rank == 0).float().mean(), (rank < 5).float().mean()
        print(f"timestep {timestep}: right {right:.1%}, among five {five:.1%}, loss {loss:.4f}")


if __name__ == "__main__":
    main()
