"""What all families of diffusers pipelines share: the folder, its scheduler and autoencoder, drawing and decoding.

A model reads safetensors only and runs no code that comes with it. The precision is that of the denoiser's arithmetic
while it draws. Weights, predictions to train on, the text and the pictures' codes are fp32 whatever it is.
"""

import copy
import gc
import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from balign.atomic import atomic
from balign.models import hub, loading, sampling
from balign.models.base import BaseModel, Progress
from balign.refusal import Refusal

DECODED = 2**18
"""The most pixels that are decoded at once, as far as one picture has not more: 0.8 GB."""
DRAWN = 2**21
"""The same of pixels that are drawn at once: eight pictures of 512 pixels."""
PREDICTIONS = ("epsilon", "v_prediction")


class DiffusersModel(BaseModel):
    """A pipeline's folder whose part ``PART`` is trained; a family says how it is conditioned, called and saved."""

    PIPELINE: ClassVar[str]
    """The class of the stock pipeline."""
    FAMILY: ClassVar[str]
    """What it is called in a sentence."""
    PART: ClassVar[str]
    """The subfolder of the denoiser."""
    FROZEN: ClassVar[tuple[str, ...]] = ("_vae",)
    """The parts that are loaded when they are needed."""

    _denoiser: nn.Module
    _learned: Mapping[str, Tensor] = {}

    def __init__(self, folder: Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> None:
        self.folder = folder
        self.drawn_in = dtype
        self._check()
        self._denoiser = self._load_denoiser(device)

    @classmethod
    def load(cls, source: str | Path, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32) -> Self:
        """The model in this folder, or else the hub's model of this id."""
        folder = Path(source).expanduser()
        return cls(folder if folder.is_dir() else hub.fetch(str(source)), device, dtype)

    @abstractmethod
    def _load_denoiser(self, device: str | torch.device) -> Any:
        """The denoiser, frozen, on this device."""

    @abstractmethod
    def _sampler(self) -> Any:
        """A new scheduler to draw one batch with."""

    @abstractmethod
    def _pipeline(self) -> Any:
        """The stock pipeline of these parts."""

    # ---- facts

    @property
    def denoiser(self) -> nn.Module:
        return self._denoiser

    @property
    def num_train_timesteps(self) -> int:
        return int(self._scheduler.config.num_train_timesteps)

    @property
    def size(self) -> int:
        levels = len(loading.config(self.folder / "vae" / "config.json")["block_out_channels"])
        return self.latent_shape[1] * 2 ** (levels - 1)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        config: Any = self._denoiser.config
        side = int(config.sample_size)
        return int(config.in_channels), side, side

    @cached_property
    def fingerprint(self) -> str:
        """Over the files that are read and the precision, since both decide what is drawn."""
        whole = hashlib.sha256(str(self.drawn_in).encode())
        for file in hub.files(self.folder):
            with file.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
            whole.update(f"{file.relative_to(self.folder).as_posix()} {digest}\n".encode())
        return whole.hexdigest()

    # ---- verbs

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

    def hollow(self) -> Self:
        denoiser: Any = self._denoiser
        other = copy.copy(self)
        with torch.device("meta"):
            other._denoiser = type(denoiser).from_config(denoiser.config).eval().requires_grad_(False)
        return other

    def checkpoint_gradients(self, on: bool) -> None:
        denoiser: Any = self._denoiser
        denoiser.enable_gradient_checkpointing() if on else denoiser.disable_gradient_checkpointing()

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
        if len(prompts) != len(seeds):
            raise ValueError(f"{len(prompts)} prompts came with {len(seeds)} seeds; give each prompt one seed.")
        batch = min(batch, max(1, DRAWN // self.size**2))
        place = {prompt: i for i, prompt in enumerate(dict.fromkeys(prompts))}
        latents = sampling.initial_latents(self.latent_shape, seeds)
        conditions = self.encode_text(list(place))
        empty = self.encode_text([""]).to(self.device) if guidance > 1 else None
        half = torch.autocast(self.device.type, self.drawn_in, enabled=self.drawn_in != torch.float32)
        with torch.inference_mode(), half:
            for start in range(0, len(prompts), batch):
                rows = slice(start, start + batch)
                latents[rows] = sampling.denoise(
                    self.predict,
                    self._sampler(),
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
        vae, batch = self._vae, min(batch, max(1, DECODED // self.size**2))
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
        for part in self.FROZEN:
            self.__dict__.pop(part, None)
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def save(self, folder: str) -> None:
        """A stock pipeline's folder. Raises OSError if a folder with files in it is there already."""
        target = Path(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            target.rmdir()  # an empty folder gives way, a full one is not overwritten
        with atomic(target) as draft, loading.quiet():
            self._pipeline().save_pretrained(draft)

    # ---- the parts of the pipeline, loaded when they are first needed

    @cached_property
    def _vae(self) -> Any:
        from diffusers import AutoencoderKL

        return loading.weights(AutoencoderKL, self.folder, "vae").to(self.device)

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

    def _check(self) -> None:
        """Refuse what is no pipeline of this family, before any weight is read."""
        import diffusers

        folder = self.folder
        kind = loading.config(folder / "model_index.json").get("_class_name")
        if kind != self.PIPELINE:
            raise Refusal(f"{folder} holds a {kind}; accepted is a {self.PIPELINE} ({self.FAMILY}).")
        scheduler = loading.config(folder / "scheduler" / "scheduler_config.json")
        name = str(scheduler.get("_class_name"))
        if not (name.endswith("Scheduler") and hasattr(diffusers, name)):
            raise Refusal(f"The scheduler of {folder} is {name!r}; the schedulers of diffusers are accepted.")
        prediction = scheduler.get("prediction_type", "epsilon")
        if prediction not in PREDICTIONS:
            raise Refusal(f"The model in {folder} predicts {prediction!r}; accepted are {' and '.join(PREDICTIONS)}.")
        denoiser, vae = (loading.config(folder / part / "config.json") for part in (self.PART, "vae"))
        if denoiser.get("in_channels") != vae.get("latent_channels"):
            raise Refusal(
                f"The denoiser in {folder} takes {denoiser.get('in_channels')} channels and its autoencoder gives "
                f"{vae.get('latent_channels')}; accepted are models that take the latent alone (no inpainting)."
            )
