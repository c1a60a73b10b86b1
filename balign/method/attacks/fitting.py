"""Fit something to pictures by the denoising loss: the vectors of a new word, or the denoiser's weights again.

- Textual inversion: Gal et al., An Image is Worth One Word, ICLR 2023; as an attack on erased concepts Pham et al.,
  Circumventing Concept Erasure Methods For Text-to-Image Generative Models, ICLR 2024.
- Relearning: fine-tuning on data that needs not even hold the concept; George et al., The Illusion of Unlearning,
  CVPR 2025; Suriyakumar et al., Unstable Unlearning (concept resurgence), 2024.

The pictures, noise and timesteps of a step follow from the seed and the step's number, so that a fit which is saved,
loaded and continued is the undisturbed one, bit for bit on a CPU.
"""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from balign.method.batches import generator, order
from balign.models.base import BaseModel

BATCH = 8
RELEARNING_RATE = 1e-4
"""Adam's learning rate for the denoiser's weights."""
INVERSION_RATE = 0.1
"""Adam's learning rate for a word's vectors, in parts of their mean root square size at the start."""


class DenoisingFit:
    """Tensors that are trained to lower the denoising loss of these pictures; ``step`` steps are taken so far."""

    def __init__(
        self,
        model: BaseModel,
        latents: Tensor,
        conditions: Callable[[list[int]], Tensor],
        trained: Mapping[str, Tensor],
        learning_rate: float,
        seed: int,
    ) -> None:
        self.model, self.latents, self.conditions, self.seed = model, latents, conditions, seed
        self.trained = dict(trained)
        self.optimizer = torch.optim.Adam(self.trained.values(), lr=learning_rate)
        self.losses: list[float] = []

    @property
    def step(self) -> int:
        return len(self.losses)

    @property
    def mean_loss(self) -> float:
        """The mean loss of the last tenth of the steps so far."""
        last = self.losses[-max(1, self.step // 10) :]
        return sum(last) / len(last)

    def loss_at(self, step: int) -> Tensor:
        """The denoising loss on the batch of this step."""
        random = generator(self.seed, "attack", step)
        chosen = order(self.seed, len(self.latents), step * BATCH, BATCH)
        noise = torch.randn(BATCH, *self.latents.shape[1:], generator=random)
        timesteps = torch.randint(self.model.num_train_timesteps, (BATCH,), generator=random)
        noisy, target = self.model.add_noise(self.latents[chosen], noise, timesteps)
        prediction = self.model.predict(noisy, timesteps, self.conditions(chosen))
        return (prediction - target.to(prediction)).square().mean()

    def train(self, until: int, on_step: Callable[[], None] = lambda: None) -> float:
        """Take the steps up to this number, and return the ``mean_loss``.

        ``on_step`` is called before each; an exception it raises ends the work. Raises RuntimeError if the loss is nan.
        """
        weights = list(self.trained.values())
        for step in range(self.step, until):
            on_step()
            loss = self.loss_at(step)
            value = float(loss.detach())
            if not math.isfinite(value):
                raise RuntimeError(f"The loss of step {step + 1} of the attack is {value}, so it cannot go on.")
            for weight, grad in zip(weights, torch.autograd.grad(loss, weights, materialize_grads=True), strict=True):
                weight.grad = grad
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            self.losses.append(value)
        return self.mean_loss

    def state(self) -> dict[str, Any]:
        """Everything needed to continue, as plain containers of numbers and CPU tensors."""
        trained = {name: tensor.detach().to("cpu", copy=True) for name, tensor in self.trained.items()}
        return {
            "losses": list(self.losses),
            "trained": trained,
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),
        }

    @torch.no_grad()
    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from a ``state()``."""
        for name, tensor in self.trained.items():
            tensor.copy_(state["trained"][name])
        self.optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
        self.losses = list(state["losses"])


def inversion(
    model: BaseModel, latents: Tensor, prompts: Sequence[str], word: str, start: Tensor, seed: int
) -> DenoisingFit:
    """Learn vectors (K, E) for a word, from pictures (N, C, h, w) and prompts (N) that have it where the concept was.

    ``start``: the vectors to begin with. The model's own weights stay as they are. Raises Refusal for a model that
    reads no words.
    """
    model.denoiser.requires_grad_(False)
    vectors = start.clone().requires_grad_(True)

    def conditions(chosen: list[int]) -> Tensor:
        with model.learned({word: vectors}):
            return model.encode_text([prompts[k] for k in chosen])

    rate = INVERSION_RATE * float(start.square().mean().sqrt())
    return DenoisingFit(model, latents, conditions, {"vectors": vectors}, rate, seed)


def around(model: BaseModel, words: Sequence[str], count: int, seed: int) -> Tensor:
    """Vectors (count, E) to begin an inversion with: the mean of these words', each moved a little of its own."""
    known = torch.stack([model.word_vectors(word).mean(dim=0) for word in words])  # (W, E)
    noise = torch.randn(count, known.shape[1], generator=generator(seed, "start"))
    return known.mean(dim=0) + 0.5 * known.square().mean().sqrt() * noise


def relearning(model: BaseModel, latents: Tensor, conditions: Tensor, seed: int) -> DenoisingFit:
    """Train all of the denoiser's weights, in place, on pictures (N, C, h, w) with their conditions (N, L, D)."""
    model.denoiser.requires_grad_(True)
    weights = dict(model.denoiser.named_parameters())
    return DenoisingFit(model, latents, lambda chosen: conditions[chosen], weights, RELEARNING_RATE, seed)
