"""What balign asks of a family of base models: five verbs, and a few facts.

Everything above this floor sees only this class. It does not know what is erased, or how: a family says how its text,
images, noise, denoiser and sampler work, and nothing else. Tensors that are kept (conditions, latents, images) are
returned on the CPU; what goes into the denoiser is moved to the model's device by the model.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""The number formats a model may compute in. Weights always stay in fp32: small steps would vanish in the others."""

Progress = Callable[[int, int], None]
"""Called after each batch with how many are done and how many there are; what it raises ends the work."""


class BaseModel(ABC):
    """A text-to-image diffusion model whose denoiser can be trained."""

    @property
    @abstractmethod
    def denoiser(self) -> nn.Module:
        """The network that is trained; the only part whose weights ever change."""

    @property
    @abstractmethod
    def num_train_timesteps(self) -> int:
        """Timesteps are integers from 0 to one less than this."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Width and height of an image, in pixels."""

    @property
    @abstractmethod
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one latent."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of the configuration and weights as loaded. Training the denoiser afterwards does not change it."""

    @property
    def device(self) -> torch.device:
        """Where the denoiser is."""
        return next(self.denoiser.parameters()).device

    @abstractmethod
    def encode_text(self, prompts: Sequence[str]) -> Tensor:
        """The conditions (N, L, D) that the denoiser is given for these prompts; "" gives the empty condition."""

    @abstractmethod
    def encode_images(self, images: Tensor) -> Tensor:
        """The latents (N, C, h, w) of uint8 images (N, H, W, 3), scaled as the denoiser expects them."""

    @abstractmethod
    def add_noise(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """The noisy latents at these timesteps, and what ``predict`` should say of them."""

    @abstractmethod
    def predict(self, noisy: Tensor, timesteps: Tensor, conditions: Tensor) -> Tensor:
        """The denoiser's prediction, in fp32, with gradients for the weights that require them."""

    @abstractmethod
    def generate(
        self,
        prompts: Sequence[str],
        seeds: Sequence[int],
        *,
        steps: int,
        guidance: float,
        batch: int = 8,
        on_batch: Progress | None = None,
    ) -> Tensor:
        """One latent (C, h, w) for each prompt and its own seed. The batch size changes speed, never the picture."""

    @abstractmethod
    def decode(self, latents: Tensor, batch: int = 8, on_batch: Progress | None = None) -> Tensor:
        """The uint8 images (N, H, W, 3) of these latents."""

    @abstractmethod
    def release(self) -> None:
        """Give back the memory of all parts but the denoiser. They are loaded again if they are asked for."""

    @abstractmethod
    def save(self, folder: str) -> None:
        """Write the whole model, as its denoiser now is, in the form its own library loads."""
