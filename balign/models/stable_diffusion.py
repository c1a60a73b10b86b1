"""Stable Diffusion 1 and 2, from a diffusers folder or hub id.

It draws what the stock ``StableDiffusionPipeline`` draws with the same scheduler and initial noise. It reads
safetensors only, runs no code that comes with a model, and leaves the safety checker out. Weights are fp32 whatever the
precision, which applies to the denoiser's arithmetic; text and images are always coded in fp32.
"""

import gc
import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from balign.atomic import atomic
from balign.models import hub, learned_words, loading, sampling
from balign.models.base import BaseModel, Progress
from balign.refusal import Refusal

PIPELINE = "StableDiffusionPipeline"
PREDICTIONS = ("epsilon", "v_prediction")
TEXT_BATCH = 32

log = logging.getLogger(__name__)


class StableDiffusion(BaseModel):
    """A text-to-image model of Stable Diffusion's first two generations."""

    def __init__(self, folder: Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> None:
        from diffusers import UNet2DConditionModel

        self.folder = folder
        self._dtype = dtype
        self._learned: Mapping[str, Tensor] = {}
        _check(folder)
        # Channels last draws a tenth faster on a CPU (measured: 96 and 192 channels, latents 16x8x8).
        unet = loading.weights(UNet2DConditionModel, folder, "unet")
        self._unet = unet.to(device=device, memory_format=torch.channels_last)

    @classmethod
    def load(cls, source: str | Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> Self:
        """The model in this folder, or else the hub's model of this id."""
        folder = Path(source).expanduser()
        return cls(folder if folder.is_dir() else hub.fetch(str(source)), device, dtype)

    # ---- facts

    @property
    def denoiser(self) -> nn.Module:
        return self._unet

    @property
    def num_train_timesteps(self) -> int:
        return int(self._scheduler.config.num_train_timesteps)

    @property
    def size(self) -> int:
        levels = len(loading.config(self.folder / "vae" / "config.json")["block_out_channels"])
        return int(self._unet.config.sample_size) * 2 ** (levels - 1)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        side = int(self._unet.config.sample_size)
        return int(self._unet.config.in_channels), side, side

    @cached_property
    def fingerprint(self) -> str:
        """Over the files that are read and the precision, since both decide what is drawn."""
        whole = hashlib.sha256(str(self._dtype).encode())
        for file in hub.files(self.folder):
            with file.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
            whole.update(f"{file.relative_to(self.folder).as_posix()} {digest}\n".encode())
        return whole.hexdigest()

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

    @contextmanager
    def learned(self, vectors: Mapping[str, Tensor]) -> Iterator[None]:
        before, self._learned = self._learned, vectors
        try:
            yield
        finally:
            self._learned = before

    def add_noise(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        latents, noise, timesteps = (tensor.to(self.device) for tensor in (latents, noise, timesteps))
        noisy = self._noising.add_noise(latents, noise, timesteps)
        if self._scheduler.config.prediction_type == "epsilon":
            return noisy, noise
        return noisy, self._noising.get_velocity(latents, noise, timesteps)

    def predict(self, noisy: Tensor, timesteps: Tensor, conditions: Tensor) -> Tensor:
        noisy, timesteps, conditions = (tensor.to(self.device) for tensor in (noisy, timesteps, conditions))
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, self._dtype, enabled=self._dtype != torch.float32):
            return self._unet(noisy, timesteps, conditions, return_dict=False)[0].float()

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
        from diffusers import DPMSolverMultistepScheduler

        if len(prompts) != len(seeds):
            raise ValueError(f"{len(prompts)} prompts came with {len(seeds)} seeds; give each prompt one seed.")
        place = {prompt: i for i, prompt in enumerate(dict.fromkeys(prompts))}
        latents = sampling.initial_latents(self.latent_shape, seeds)
        conditions = self.encode_text(list(place))
        empty = self.encode_text([""]).to(self.device) if guidance > 1 else None
        with torch.inference_mode():
            for start in range(0, len(prompts), batch):
                rows = slice(start, start + batch)
                latents[rows] = sampling.denoise(
                    self.predict,
                    DPMSolverMultistepScheduler.from_config(self._scheduler.config),
                    latents[rows].to(self.device),
                    conditions[[place[prompt] for prompt in prompts[rows]]].to(self.device),
                    empty,
                    guidance,
                    steps=steps,
                )
                if on_batch:
                    on_batch(min(start + batch, len(prompts)), len(prompts))
        return latents

    def decode(self, latents: Tensor, batch: int = 8, on_batch: Progress | None = None) -> Tensor:
        vae = self._vae
        images = torch.empty(len(latents), self.size, self.size, 3, dtype=torch.uint8)
        with torch.inference_mode():
            for start in range(0, len(latents), batch):
                part = latents[start : start + batch].to(self.device) / vae.config.scaling_factor
                pixels = (vae.decode(part, return_dict=False)[0] / 2 + 0.5).clamp(0, 1)
                images[start : start + batch] = (pixels * 255).round().permute(0, 2, 3, 1).to("cpu", torch.uint8)
                if on_batch:
                    on_batch(min(start + batch, len(latents)), len(latents))
        return images

    def release(self) -> None:
        for part in ("_vae", "_text_encoder"):
            self.__dict__.pop(part, None)
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def save(self, folder: str) -> None:
        """A ``StableDiffusionPipeline`` folder. Raises OSError if a folder with files in it is there already."""
        from diffusers import StableDiffusionPipeline

        target = Path(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            target.rmdir()  # an empty folder gives way, a full one is not overwritten
        pipeline = StableDiffusionPipeline(
            vae=self._vae,
            text_encoder=self._text_encoder,
            tokenizer=self._tokenizer,
            unet=self._unet.to(memory_format=torch.contiguous_format),  # safetensors writes no other
            scheduler=self._scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        try:
            with atomic(target) as draft, loading.quiet():
                pipeline.save_pretrained(draft)
        finally:
            self._unet.to(memory_format=torch.channels_last)

    # ---- the parts of the pipeline, loaded when they are first needed

    @cached_property
    def _text_encoder(self) -> Any:
        from transformers import CLIPTextModel

        return loading.weights(CLIPTextModel, self.folder, "text_encoder").to(self.device)

    @cached_property
    def _vae(self) -> Any:
        from diffusers import AutoencoderKL

        return loading.weights(AutoencoderKL, self.folder, "vae").to(self.device)

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import CLIPTokenizer

        return loading.tokenizer(CLIPTokenizer, self.folder)

    @cached_property
    def _scheduler(self) -> Any:
        """The scheduler that comes with the pipeline: which noise it was trained on, and what it predicts."""
        import diffusers

        path = self.folder / "scheduler"
        return getattr(diffusers, loading.config(path / "scheduler_config.json")["_class_name"]).from_pretrained(path)

    @cached_property
    def _noising(self) -> Any:
        from diffusers import DDPMScheduler

        return DDPMScheduler.from_config(self._scheduler.config)

    def _tokens(self, prompts: list[str]) -> Tensor:
        """Token ids (N, L), padded to the encoder's length; a prompt that is longer is cut, and a warning logged."""
        length = self._tokenizer.model_max_length
        for prompt, ids in zip(prompts, self._tokenizer(prompts).input_ids, strict=True):
            if len(ids) > length:
                log.warning("Only the first %d of %d tokens of this prompt are read: %s", length, len(ids), prompt)
        return self._tokenizer(
            prompts, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        ).input_ids


def _check(folder: Path) -> None:
    """Refuse what is no Stable Diffusion 1 or 2, before any weight is read."""
    import diffusers

    kind = loading.config(folder / "model_index.json").get("_class_name")
    if kind != PIPELINE:
        raise Refusal(f"{folder} holds a {kind}; accepted is a {PIPELINE} (Stable Diffusion 1 or 2).")
    scheduler = loading.config(folder / "scheduler" / "scheduler_config.json")
    name = str(scheduler.get("_class_name"))
    if not (name.endswith("Scheduler") and hasattr(diffusers, name)):
        raise Refusal(f"The scheduler of {folder} is {name!r}; the schedulers of diffusers are accepted.")
    prediction = scheduler.get("prediction_type", "epsilon")
    if prediction not in PREDICTIONS:
        raise Refusal(f"The model in {folder} predicts {prediction!r}; accepted are {' and '.join(PREDICTIONS)}.")
    unet, vae = (loading.config(folder / part / "config.json") for part in ("unet", "vae"))
    if unet.get("in_channels") != vae.get("latent_channels"):
        raise Refusal(
            f"The denoiser in {folder} takes {unet.get('in_channels')} channels and its autoencoder gives "
            f"{vae.get('latent_channels')}; accepted are models that take the latent alone (no inpainting)."
        )
