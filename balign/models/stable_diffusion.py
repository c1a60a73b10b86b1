"""Stable Diffusion 1 and 2, from a diffusers folder, a single checkpoint file or a hub id.

It draws what the stock ``StableDiffusionPipeline`` draws with DPM-Solver++ and the same initial noise. The safety
checker is left out. Text is always coded in fp32.
"""

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from balign.models import distilled, learned_words, original_keys, original_names, portable, solver
from balign.models.base import CheckpointTensors
from balign.models.diffusers_model import DiffusersModel
from balign.models.loading import Source
from balign.refusal import Refusal

TEXT_BATCH = 32
INPUTS = {
    "time_cond_proj_dim": "the guidance",
    "class_embed_type": "a class or an image",
    "num_class_embeds": "a class or a noise level",
    "addition_embed_type": "a second text or a size",
    "encoder_hid_dim_type": "an image",
}
"""What the denoisers of other models take, by the field of the configuration that says so."""
ONLY_DIFFUSERS = (
    "A1111, Forge and ComfyUI know the sizes of Stable Diffusion 1 and 2 alone; this model's are others, so only "
    "diffusers' from_single_file opens the file, with a folder of the model as config."
)

log = logging.getLogger(__name__)


class StableDiffusion(DiffusersModel):
    """A text-to-image model of Stable Diffusion's first two generations."""

    PIPELINE = "StableDiffusionPipeline"
    FAMILY = "Stable Diffusion 1 or 2"
    PART = "unet"
    FROZEN = ("_vae", "_text_encoder")
    READ = ("vae", "text_encoder", "tokenizer")
    CLASSES = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "text_encoder": "CLIPTextModel"}  # noqa: RUF012

    def _load_denoiser(self, device: str | torch.device) -> Any:
        # Channels last draws a tenth faster on a CPU (measured: 96 and 192 channels, latents 16x8x8).
        unet = self.source.weights(self.PART)
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

    def token_ids(self, prompts: Sequence[str]) -> list[list[int]]:
        length = self._tokenizer.model_max_length
        ids: list[list[int]] = self._tokenizer(list(prompts), max_length=length, truncation=True).input_ids
        return ids

    def word_vectors(self, text: str) -> Tensor:
        ids = self._tokenizer(text, add_special_tokens=False).input_ids
        return self._text_encoder.get_input_embeddings().weight[ids].detach().cpu().clone()

    def predict(self, noisy: Tensor, timesteps: Tensor, conditions: Tensor) -> Tensor:
        noisy, timesteps, conditions = (tensor.to(self.device) for tensor in (noisy, timesteps, conditions))
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        prediction: Tensor = self._denoiser(noisy, timesteps, conditions, return_dict=False)[0]
        return prediction.float()

    def _write(self, folder: Path) -> None:
        self._denoiser.to(memory_format=torch.contiguous_format)  # safetensors writes no other
        try:
            super()._write(folder)
        finally:
            self._denoiser.to(memory_format=torch.channels_last)
        portable.tokenizer(self.source.tokenizer_folder, folder / "tokenizer")
        portable.text_encoder(folder / "text_encoder")

    def single_file(self) -> CheckpointTensors:
        pipeline = self._pipeline()
        known = tuple(pipeline.unet.config.block_out_channels) == original_names.WIDTHS
        remark = "" if known else ONLY_DIFFUSERS
        return CheckpointTensors(original_keys.tensors_of(pipeline), original_keys.metadata(pipeline), remark)

    def lora_metadata(self) -> dict[str, str]:
        spec = original_keys.metadata(self._pipeline())
        architecture = spec["modelspec.architecture"]
        return {
            "modelspec.architecture": f"{architecture}/lora",
            "ss_network_module": "networks.lora",
            "ss_v2": str("-v2" in architecture),
        }

    # ---- the parts of the pipeline

    def _sampler(self) -> Any:
        few = distilled.pace(self.source.name, self._noise)  # few steps must begin at the noisiest
        return solver.make(self._noise, "trailing" if few else None)

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
        return self.source.weights("text_encoder").to(self.device)

    @cached_property
    def _tokenizer(self) -> Any:
        tokenizer = self.source.tokenizer()
        longest = int(self.source.config("text_encoder").get("max_position_embeddings", 77))
        said = tokenizer.model_max_length  # without its config it has no end
        tokenizer.model_max_length = min(said, longest) if isinstance(said, int) and said > 2 else longest
        return tokenizer

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

    @classmethod
    def _check(cls, source: Source) -> None:
        super()._check(source)
        unet = source.config("unet")
        for field, what in INPUTS.items():
            if unet.get(field) is not None:
                raise Refusal(
                    f"The denoiser of {source.where} takes {what} too ({field} is {unet[field]!r}); accepted are "
                    "models that take a latent, a timestep and a text."
                )
