"""The interface of a family of base models: ten verbs and six facts. Everything above this floor sees only this.

Tensors that are kept (conditions, latents, images) are returned on the CPU; what goes into the denoiser is moved to the
model's device by the model.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from balign.refusal import Refusal

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""The number formats a model may draw in. Weights and gradients always stay in fp32: what training changes at first is
smaller than the rounding of the others."""

Progress = Callable[[int, int], None]
"""Called after each batch with how many are done and how many there are; an exception it raises ends the work."""

NO_FILE = (
    "No program reads this family of models as a single file or with a LoRA; export the whole folder, or the changed "
    "weights alone."
)
NO_WORDS = "This model's conditions are not made of words, so no word can be learned by textual inversion."


class CheckpointTensors(NamedTuple):
    """A whole model in one file: its tensors by the names other programs know, and the file's metadata."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]
    remark: str
    """Which programs cannot open it; empty if all can."""


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

    size: tuple[int, int]
    """Height and width of an image, in pixels."""

    @property
    @abstractmethod
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of one latent."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of the configuration and weights as loaded. Training the denoiser afterwards does not change it."""

    drawn_in: torch.dtype = torch.float32
    """The number format that pictures are drawn in."""

    @property
    def device(self) -> torch.device:
        """Where the denoiser is."""
        return next(self.denoiser.parameters()).device

    @abstractmethod
    def encode_text(self, prompts: Sequence[str]) -> Tensor:
        """The denoiser's conditions (N, L, D) for these prompts; "" gives the empty condition."""

    def token_ids(self, prompts: Sequence[str]) -> list[list[int]] | None:
        """The tokens of each prompt that the conditions are of, without padding; None where prompts are no words."""
        return None

    def word_vectors(self, text: str) -> Tensor:
        """The vectors (K, E) of this text's tokens, as the text encoder first reads them.

        Raises Refusal, as does `learned`, for a family that reads no words.
        """
        raise Refusal(NO_WORDS)

    def learned(self, vectors: Mapping[str, Tensor]) -> AbstractContextManager[None]:
        """Within the block each of these words, wherever it stands in a prompt, is read as its vectors (K, E).

        `encode_text` then passes gradients on to those that require them.
        """
        raise Refusal(NO_WORDS)

    @abstractmethod
    def add_noise(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """The noisy latents (B, C, h, w) at these timesteps (B,), and the target of ``predict``, of the same shape."""

    @abstractmethod
    def predict(self, noisy: Tensor, timesteps: Tensor, conditions: Tensor) -> Tensor:
        """The denoiser's prediction (B, C, h, w), computed in fp32, with gradients for weights that require them."""

    def hollow(self) -> Self:
        """The same model with a denoiser without numbers on torch's meta device, to count what it holds."""
        raise NotImplementedError

    def checkpoint_gradients(self, on: bool) -> None:
        """Whether the denoiser computes activations again in the backward pass, and does not keep them for it.

        Raises Refusal for a model that cannot.
        """
        if on:
            raise Refusal("gradient_checkpointing is True; this model cannot, so False is accepted.")

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
        """Latents (N, C, h, w), one for each prompt and its seed. The batch size changes speed, never the picture."""

    @abstractmethod
    def decode(self, latents: Tensor, batch: int = 8, on_batch: Progress | None = None) -> Tensor:
        """The uint8 images (N, H, W, 3) of latents (N, C, h, w)."""

    @abstractmethod
    def encode(self, images: Tensor, batch: int = 8) -> Tensor:
        """The latents (N, C, h, w) of uint8 images (N, H, W, 3) of the model's size: the reverse of `decode`."""

    @abstractmethod
    def release(self) -> None:
        """Free the memory of all parts but the denoiser. They are loaded again when they are needed."""

    @abstractmethod
    def save(self, folder: str) -> None:
        """Write the whole model, with the denoiser's current weights, in the format that its library loads."""

    def single_file(self) -> CheckpointTensors:
        """The whole model as other programs read it. Raises Refusal for a family that no program reads so."""
        raise Refusal(NO_FILE)

    def lora_metadata(self) -> dict[str, str]:
        """What a LoRA file for this model says of it. Raises Refusal for a family to which no program adds LoRAs."""
        raise Refusal(NO_FILE)
