"""Stable Diffusion 1 and 2, from a diffusers folder or hub id.

It draws what the stock ``StableDiffusionPipeline`` draws with the same scheduler and initial noise. The safety checker
is left out. Text is always coded in fp32.
"""

import logging
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from balign.models import learned_words, loading
from balign.models.diffusers_model import DiffusersModel

TEXT_BATCH = 32

log = logging.getLogger(__name__)


class StableDiffusion(DiffusersModel):
    """A text-to-image model of Stable Diffusion's first two generations."""

    PIPELINE = "StableDiffusionPipeline"
    FAMILY = "Stable Diffusion 1 or 2"
    PART = "unet"
    FROZEN = ("_vae", "_text_encoder")

    def _load_denoiser(self, device: str | torch.device) -> Any:
        from diffusers import UNet2DConditionModel

        # Channels last draws a tenth faster on a CPU (measured: 96 and 192 channels, latents 16x8x8).
        unet = loading.weights(UNet2DConditionModel, self.folder, self.PART)
        return unet.to(device=device, memory_format=torch.channels_last)

    # ---- verbs

    def encode_text(self, prompts: Sequence[str]) -> Tensor:
        if self._learned:
            parts = [prompts[start : start + TEXT_BATCH] for start in range(0, len(prompts), TEXT_BATCH)]
            read = (learned_words.encode(self._tokenizer, self._text_encoder, x, self._learned) for x in parts)
            return torch.cat([part.cpu() for part in read])
        encoded = torch.empty(len(prompts), self._tokenizer.model_max_length, self._text_encoder.config.hidden_size)
        for start in range(0, len(prompts), TEXT_BATCH):
            tokens = self._tokens(list(prompts[start : start + TEXT_BATCH])).to(self.device)
            with torch.no_grad():
                encoded[start : start + TEXT_BATCH] = self._text_encoder(tokens)[0]
        return encoded

    def word_vectors(self, text: str) -> Tensor:
        ids = self._tokenizer(text, add_special_tokens=False).input_ids
        return self._text_encoder.get_input_embeddings().weight[ids].detach().cpu().clone()

    def predict(self, noisy: Tensor, timesteps: Tensor, conditions: Tensor) -> Tensor:
        noisy, timesteps, conditions = (tensor.to(self.device) for tensor in (noisy, timesteps, conditions))
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        prediction: Tensor = self._denoiser(noisy, timesteps, conditions, return_dict=False)[0]
        return prediction.float()

    def save(self, folder: str) -> None:
        """A ``StableDiffusionPipeline`` folder. Raises OSError if a folder with files in it is there already."""
        self._denoiser.to(memory_format=torch.contiguous_format)  # safetensors writes no other
        try:
            super().save(folder)
        finally:
            self._denoiser.to(memory_format=torch.channels_last)

    # ---- the parts of the pipeline

    def _sampler(self) -> Any:
        from diffusers import DPMSolverMultistepScheduler

        return DPMSolverMultistepScheduler.from_config(self._scheduler.config)

    def _pipeline(self) -> Any:
        from diffusers import StableDiffusionPipeline

        return StableDiffusionPipeline(
            vae=self._vae,
            text_encoder=self._text_encoder,
            tokenizer=self._tokenizer,
            unet=self._denoiser,
            scheduler=self._scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )

    @cached_property
    def _text_encoder(self) -> Any:
        from transformers import CLIPTextModel

        return loading.weights(CLIPTextModel, self.folder, "text_encoder").to(self.device)

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import CLIPTokenizer

        return loading.tokenizer(CLIPTokenizer, self.folder)

    def _tokens(self, prompts: list[str]) -> Tensor:
        """Token ids (N, L), padded to the encoder's length; a prompt that is longer is cut, and a warning logged."""
        length = self._tokenizer.model_max_length
        for prompt, ids in zip(prompts, self._tokenizer(prompts).input_ids, strict=True):
            if len(ids) > length:
                log.warning("Only the first %d of %d tokens of this prompt are read: %s", length, len(ids), prompt)
        tokens: Tensor = self._tokenizer(
            prompts, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        ).input_ids
        return tokens
