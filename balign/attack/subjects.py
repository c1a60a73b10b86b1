"""The models under attack: the erased one, the base it came from, and a control that never knew the concept."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from balign import models
from balign.method.attacks.rounding import distance
from balign.models import catalogue, weight_file
from balign.models.base import BaseModel
from balign.refusal import Refusal
from balign.runs.engine.job import Job
from balign.runs.tryout.attack_store import SubjectName


@dataclass(frozen=True)
class Subject:
    """A model under attack. ``restore`` puts its weights back to what they are without an attack."""

    name: SubjectName
    model: BaseModel
    weights: str
    """A hash of them."""
    trained: tuple[str, ...]
    """The weights that the run trained, by name."""
    restore: Callable[[], None]

    @property
    def folder(self) -> str:
        """Where its curves are; every control has a folder of its own."""
        return f"control-{self.weights[:8]}" if self.name == "control" else self.name


def distance_of(job: Job) -> tuple[float, float]:
    """How far the run moved its trained weights, absolutely and in parts of their norm; the model holds the base."""
    changed, _ = weight_file.read_changed(job.run.path / "erased.safetensors")
    return distance({name: weight.detach().cpu() for name, weight in job.model.denoiser.named_parameters()}, changed)


def check_control(folder: str | None) -> None:
    """Refuse a control that is no model, before anything large is loaded."""
    if folder is not None:
        catalogue.find(folder)


def subjects(job: Job, control: BaseModel | None) -> Iterator[Subject]:
    """The erased model, the base, and the control if there is one; one after another, each ready to be attacked."""
    path = job.run.path / "erased.safetensors"
    names = tuple(weight_file.read_changed(path)[0])
    back = _keep(job.model)

    def erase() -> None:
        back()
        weight_file.load_changed(path, job.model.denoiser)

    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    for name, restore, weights in (("erased", erase, digest), ("base", back, job.model.fingerprint)):
        restore()
        yield Subject(name, job.model, weights, names, restore)  # type: ignore[arg-type]
    if control is not None:
        yield Subject("control", control, control.fingerprint, names, _keep(control))


def load_control(job: Job, folder: str) -> BaseModel:
    """The control. Raises Refusal for one whose latents are not the base's: it could not be attacked the same way."""
    config = job.run.config
    other = models.load(catalogue.find(folder), str(job.model.device), job.model.drawn_in, config.size, config.sampler)
    if other.fingerprint == job.model.fingerprint:
        raise Refusal(
            f"The control {Path(folder).name} is the run's own base model; name one that never knew the concept."
        )
    probe = torch.zeros(1, *job.model.latent_shape)
    if other.latent_shape != job.model.latent_shape or not torch.equal(other.decode(probe), job.model.decode(probe)):
        raise Refusal(
            f"The control {Path(folder).name} reads other latents than the run's base model; a model with the same "
            "autoencoder is accepted."
        )
    return other


def _keep(model: BaseModel) -> Callable[[], None]:
    """Copy the denoiser's weights as they are; what puts them back."""
    kept: dict[str, Tensor] = {name: weight.detach().clone() for name, weight in model.denoiser.named_parameters()}

    @torch.no_grad()
    def restore() -> None:
        for name, weight in model.denoiser.named_parameters():
            weight.copy_(kept[name])

    return restore
