"""Exports of small models, and what old and new libraries make of them. Old ones are skipped where nobody made them."""

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from balign.models.catalogue import MODELS
from balign.models.diffusers_model import DiffusersModel
from balign.models.dit import DiT
from balign.models.lora import adapter
from balign.models.sampling import initial_latents
from balign.models.stable_diffusion import StableDiffusion
from balign.models.trainable import TRAINABLE, select
from balign.models.weight_file import save_changed
from balign.runs.outcome.model_card import TRIED
from tests.models.tiny_dit import tiny_dit
from tests.readers import read_exports

RANKS = (4, 8, 64, 400)
SEEDS = [5, 6]
PROMPTS = {"dit": ["ankle boot", "golden retriever"], "sd": ["a red cat, in ink", "Pizza & a guitar: 2 dogs"]}
STEPS = 3


@dataclass(frozen=True)
class Exports:
    """A folder with everything that was written, and what balign's own model draws."""

    work: Path
    images: Mapping[str, Tensor]
    """By the name of the export."""
    words: Mapping[str, Mapping[str, Tensor]]
    """The tensors of the text encoder, by the name of the export."""


def noisy(name: str, weight: Tensor, amount: float) -> Tensor:
    """The weight moved at random, the same for the same name."""
    random = torch.Generator().manual_seed(sum(name.encode()))
    return weight + amount * weight.std(correction=0) * torch.randn(weight.shape, generator=random)


class Writer:
    """Writes the exports of one model after the other, with a job for the reader."""

    def __init__(self, work: Path) -> None:
        self.work, self.jobs = work, list[dict[str, Any]]()
        self.images: dict[str, Tensor] = {}
        self.words: dict[str, Mapping[str, Tensor]] = {}

    def job(self, model: DiffusersModel, name: str, folder: Path, **more: Any) -> None:
        family = "dit" if isinstance(model, DiT) else "sd"
        facts = {"family": family, "prompts": PROMPTS[family], "seeds": SEEDS, "steps": STEPS, "guidance": 3.0}
        self.jobs.append(facts | {"name": name, "folder": str(folder)} | more)
        latents = initial_latents(model.latent_shape, SEEDS)
        save_changed(self.work / f"{name}-latents.safetensors", {"latents": latents})
        if isinstance(model, StableDiffusion):
            state = model._text_encoder.state_dict()
            self.words[name] = {key.removeprefix("text_model."): tensor for key, tensor in state.items()}

    def draw(self, model: DiffusersModel, name: str) -> None:
        prompts = PROMPTS["dit" if isinstance(model, DiT) else "sd"]
        self.images[name] = model.decode(model.generate(prompts, SEEDS, steps=STEPS, guidance=3.0))

    @torch.no_grad()
    def whole(self, model: DiffusersModel, name: str) -> None:
        """The model with moved weights, as a folder and as one file."""
        for key, weight in select(model.denoiser, "all").items():
            weight.copy_(noisy(key, weight, 0.1))
        folder = self.work / name
        model.save(str(folder))
        self.draw(model, name)
        self.job(model, name, folder)
        if isinstance(model, StableDiffusion):
            tensors, metadata, _ = model.single_file()
            save_changed(self.work / f"{name}.safetensors", tensors, metadata)
            self.job(model, f"{name}-file", folder, file=str(self.work / f"{name}.safetensors"))
            self.images[f"{name}-file"] = self.images[name]

    @torch.no_grad()
    def loras(self, source: str, name: str, choices: list[tuple[str, int]]) -> None:
        """LoRAs of a change of the trained weights; balign's pictures are of what the file holds, added."""
        model, folder = StableDiffusion.load(source), self.work / f"{name}-base"
        model.save(str(folder))
        base = {key: weight.clone() for key, weight in model.denoiser.named_parameters()}
        for train, rank in choices:
            changed = {key: noisy(key, base[key], 0.3) for key in select(model.denoiser, train)}
            tensors, _ = adapter(base, changed, rank)
            save_changed(self.work / f"{name}-{train}-{rank}.safetensors", tensors)
            for key, weight in model.denoiser.named_parameters():
                part = f"lora_unet_{key.removesuffix('.weight').replace('.', '_')}"
                weight.copy_(base[key])
                if f"{part}.alpha" in tensors and key.endswith(".weight"):
                    up, down = (tensors[f"{part}.lora_{side}.weight"] for side in ("up", "down"))
                    weight.add_((up.flatten(1) @ down.flatten(1)).view(weight.shape))
            self.draw(model, f"{name}-{train}-{rank}")
        self.job(model, name, folder, loras=[f"{name}-{train}-{rank}" for train, rank in choices])


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory, tiny_model: Callable[..., str]) -> Exports:
    writer = Writer(tmp_path_factory.mktemp("exports"))
    second = tiny_model("v_prediction", like="sd2")
    emoji = str(MODELS / "emoji")
    for name, source in (("sd1", tiny_model()), ("sd2", second), ("emoji", emoji)):
        writer.whole(StableDiffusion.load(source), name)
    writer.whole(DiT.load(tiny_dit(tmp_path_factory.mktemp("dit"))), "dit")
    writer.loras(tiny_model(), "lora1", [(train, rank) for train in TRAINABLE for rank in RANKS])
    writer.loras(second, "lora2", [("cross_attention", 4), ("all", 8)])
    writer.loras(emoji, "bundled", [("cross_attention", 64)])
    (writer.work / "jobs.json").write_text(json.dumps(writer.jobs))
    return Exports(writer.work, writer.images, writer.words)


def old_libraries() -> Path:
    """The folder of the old libraries. It fails where they were promised."""
    folder = os.environ.get("BALIGN_OLD_LIBRARIES")
    if not folder:
        message = "There are no old libraries; `python -m tests.readers.old_libraries FOLDER` and BALIGN_OLD_LIBRARIES."
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)
    assert (Path(folder) / "transformers").is_dir(), f"{folder} is not what tests.readers.old_libraries makes"
    return Path(folder)


@pytest.fixture(scope="session", params=["old", "today"])
def read(request: pytest.FixtureRequest, exports: Exports) -> tuple[Exports, dict[str, Tensor]]:
    """The exports, and by `export/what` what these libraries found in them."""
    out = exports.work / request.param
    if request.param == "old":
        environment = os.environ | {"PYTHONPATH": str(old_libraries()), "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, read_exports.__file__, str(exports.work), str(out)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-4000:]
        assert "newly initialized" not in done.stderr
        versions = [version.rpartition(".")[0] for version in done.stdout.split()[-3:]]
        assert versions == ["4.57", "0.35", "0.17"]
        assert all(version in TRIED for version in versions)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read_exports.main(exports.work, out)
    files = out.glob("*.safetensors")
    return exports, {f"{file.stem}/{name}": tensor for file in files for name, tensor in load_file(file).items()}
