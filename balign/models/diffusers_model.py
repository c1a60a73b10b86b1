"""What all families of diffusers pipelines share: the folder, its scheduler and autoencoder, drawing and decoding.

A model reads safetensors only and runs no code that comes with it. The precision is that of the denoiser's arithmetic
while it draws. Weights, predictions to train on, the text and the pictures' codes are fp32 whatever it is.
"""

import copy
import gc
import hashlib
import json
import math
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from balign.atomic import atomic
from balign.models import hub, sampling, sizes, solver
from balign.models.base import BaseModel, Progress
from balign.models.loading import PipelineFolder, Source, check_index, quiet
from balign.models.single_file import SingleFile
from balign.refusal import Refusal

DECODED = 2**18
"""The most pixels that are decoded at once, as far as one picture has not more: 0.8 GB."""
DRAWN = 2**21
"""The same of pixels that are drawn at once: eight pictures of 512 pixels."""
SAME = {
    "9f769fe8cbe67152717f5cae3689b071988e73353550484c8c1519d3906adab6": (
        "e6314b71a525de32be75daca037cfa95f6bd088da82f8e9f4d69ad762279a20b"
    ),
    "6af54a32c990af06507f016bb27e19d4943f099f2decb34b7df0a100c8d2f97f": None,
    "7893a6867604e38e2be1178dc39e4bd803390d9f64e2e726dce39020b8c32482": None,
}
"""Files of the bundled model, by sha256, that got other names inside for older readers, or were added for them, and say
nothing new: what they count as, so that the latents and the half-done runs of earlier releases stay this model's."""


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
    READ: ClassVar[tuple[str, ...]] = ("vae",)
    """The subfolders that are read beside the denoiser's."""
    CLASSES: ClassVar[Mapping[str, str]] = {}
    """The classes that some parts must have."""

    size: tuple[int, int]
    _denoiser: nn.Module
    _learned: Mapping[str, Tensor] = {}

    def __init__(
        self,
        source: Source,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        size: int | None = None,
        sampler: str = solver.SAMPLERS[0],
    ) -> None:
        self.source = source
        self.drawn_in = dtype
        self.sampler = sampler
        self._check(source)
        if sampler == solver.PNDM:
            solver.check_pndm(source.config("scheduler"), str(source.where))
        source.check([self.PART, *self.READ])
        self.size = self._sized(size)
        self._denoiser = self._load_denoiser(device)

    @classmethod
    def load(
        cls,
        source: str | Path,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        size: int | None = None,
        sampler: str = solver.SAMPLERS[0],
    ) -> Self:
        """The model in this folder or file, or else the hub's model of this id.

        It draws ``size`` x ``size`` px, or what it was trained at if that is left out, with this sampler.
        """
        path = Path(source).expanduser()
        if not path.exists():
            path = hub.fetch(str(source), lambda folder: cls._check(PipelineFolder(folder)))
        return cls(SingleFile(path) if path.is_file() else PipelineFolder(path), device, dtype, size, sampler)

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
        return int(self._noise["num_train_timesteps"])

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        config: Any = self._denoiser.config
        height, width = (side // self._factor for side in self.size)
        return int(config.in_channels), height, width

    @cached_property
    def fingerprint(self) -> str:
        """Over all that is read, the precision, and another size or sampler than usual: they decide what is drawn."""
        whole = hashlib.sha256(str(self.drawn_in).encode())
        if self.sampler != solver.SAMPLERS[0]:
            whole.update(f"{self.sampler}\n".encode())
        if self.size != self._own_size():
            whole.update(f"{self.size}\n".encode())
        for name, digest in self.source.digests():
            if counted := SAME.get(digest, digest):
                whole.update(f"{name} {counted}\n".encode())
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
        if self._noise["prediction_type"] == "epsilon":
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
        batch = self._at_once(batch, DRAWN)
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
                    solver.pndm(self._noise) if self.sampler == solver.PNDM else self._sampler(),
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
        vae, batch = self._vae, self._at_once(batch, DECODED)
        images = torch.empty(len(latents), *self.size, 3, dtype=torch.uint8)
        with torch.inference_mode():
            for start in range(0, len(latents), batch):
                part = latents[start : start + batch].to(self.device) / vae.config.scaling_factor
                pixels = (vae.decode(part, return_dict=False)[0] / 2 + 0.5).clamp(0, 1)
                images[start : start + batch] = (pixels * 255).round().permute(0, 2, 3, 1).to("cpu", torch.uint8)
                if on_batch:
                    on_batch(min(start + batch, len(latents)), len(latents))
        return images

    def encode(self, images: Tensor, batch: int = 8) -> Tensor:
        vae, parts = self._vae, []
        with torch.inference_mode():
            for part in images.split(batch):
                pixels = part.permute(0, 3, 1, 2).to(self.device, torch.float32) / 127.5 - 1
                mean = vae.encode(pixels).latent_dist.mode()
                parts.append((mean * vae.config.scaling_factor).to("cpu", torch.float32))
        return torch.cat(parts).clone()

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
        with atomic(target) as draft, quiet():
            self._write(draft)

    def _write(self, folder: Path) -> None:
        """Save the stock pipeline into this folder."""
        self._pipeline().save_pretrained(folder)
        own = self.source.config("scheduler")
        if own["_class_name"] == type(self._scheduler).__name__:  # as it was, without what its class would add
            (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(own, indent=2) + "\n")

    # ---- the parts of the pipeline, loaded when they are first needed

    @cached_property
    def _vae(self) -> Any:
        return self.source.weights("vae").to(self.device)

    @cached_property
    def _noise(self) -> dict[str, Any]:
        """The scheduler's configuration: which noise the model was trained on, and what it predicts."""
        return solver.settings(self.source.config("scheduler"))

    @cached_property
    def _scheduler(self) -> Any:
        """The scheduler that the pipeline is saved with: its own, or ours where diffusers no longer makes it."""
        import diffusers

        config = self.source.config("scheduler")
        try:
            with warnings.catch_warnings(action="ignore", category=FutureWarning):
                return getattr(diffusers, config["_class_name"]).from_config(config)
        except (ImportError, NotImplementedError, TypeError, ValueError):
            return solver.make(self._noise)

    @cached_property
    def _noising(self) -> Any:
        return solver.noising(self._noise)

    def _at_once(self, batch: int, pixels: int) -> int:
        """So many pictures, or as many as have these pixels together; at least one."""
        return min(batch, max(1, pixels // math.prod(self.size)))

    # ---- what is accepted

    @classmethod
    def _check(cls, source: Source) -> None:
        """Refuse what is no pipeline of this family, by its configurations alone."""
        where = source.where
        check_index(source, cls.PIPELINE, cls.FAMILY, cls.CLASSES)
        solver.check(source.config("scheduler"), str(where))
        denoiser, vae = (source.config(part) for part in (cls.PART, "vae"))
        if denoiser.get("in_channels") != vae.get("latent_channels"):
            raise Refusal(
                f"The denoiser in {where} takes {denoiser.get('in_channels')} channels and its autoencoder gives "
                f"{vae.get('latent_channels')}; accepted are models that take the latent alone (no inpainting)."
            )
        scale = vae.get("scaling_factor", 1.0)
        if type(scale) not in (int, float) or not 0 < scale < float("inf"):
            raise Refusal(f"The scaling_factor of the autoencoder in {where} is {scale!r}; a number is accepted.")

    @property
    def _factor(self) -> int:
        """Pixels in a row for each of the latent's."""
        return sizes.factor(self.source.config("vae"))

    def _own_size(self) -> tuple[int, int]:
        return sizes.own(self.source.config(self.PART), self.source.config("vae"))

    def _sized(self, size: int | None) -> tuple[int, int]:
        """Height and width of an image, as asked for or the model's own."""
        if size is None:
            return self._own_size()
        if size % self._factor or size < 1:
            raise Refusal(f"The size is {size} px; a multiple of {self._factor} is accepted for this model.")
        return size, size
