"""A pipeline in one file: a .safetensors checkpoint with the original names, of Stable Diffusion 1 or 2.

What is not in the file, its configurations and tokenizer, comes with this project, so that nothing is fetched.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from balign.models import original_names, tensor_file
from balign.models.checkpoint_kind import CheckpointKind, identify
from balign.models.checkpoint_shapes import STOCK, configs
from balign.models.loading import Source, kind, quiet, sha256
from balign.models.tensor_file import Header
from balign.refusal import Refusal


class SingleFile(Source):
    """A checkpoint of the original code."""

    @cached_property
    def _kind(self) -> CheckpointKind:
        return identify(self.where)

    @cached_property
    def _header(self) -> Header:
        """With all names as they usually are: some checkpoints leave a part of those of CLIP out."""
        header = tensor_file.read(self.where)
        return header._replace(tensors={_usual(name): tensor for name, tensor in header.tensors.items()})

    @cached_property
    def _configs(self) -> dict[str, dict[str, Any]]:
        try:
            return configs(self._header, self._kind)
        except (KeyError, ValueError, ZeroDivisionError, StopIteration) as error:
            raise Refusal(
                f"{self.where} lacks {error}, which every Stable Diffusion has; copy or download it again."
            ) from error

    @property
    def tokenizer_folder(self) -> Path:
        return STOCK / self._kind.generation / "tokenizer"

    def config(self, part: str) -> dict[str, Any]:
        return dict(self._configs[part])

    def check(self, parts: Sequence[str]) -> None:
        for part in parts:
            if part != "tokenizer":
                self._empty(part)

    def weights(self, part: str) -> Any:
        from safetensors import safe_open

        module = self._empty(part)
        with safe_open(self.where, framework="pt") as file:
            real = {_usual(name): name for name in file.keys()}  # noqa: SIM118
            tensors = {}
            for name, like in module.state_dict().items():
                original, third = self._original(part, name)
                tensor = file.get_tensor(real[original]).to(torch.float32)
                tensor = tensor if third is None else tensor.chunk(3)[third]
                tensors[name] = tensor.reshape(like.shape).clone(memory_format=torch.contiguous_format)
        module.load_state_dict(tensors, assign=True)
        return module.eval().requires_grad_(False)

    def digests(self) -> Iterator[tuple[str, str]]:
        yield "checkpoint.safetensors", sha256(self.where)
        yield "configs", hashlib.sha256(json.dumps(self._configs, sort_keys=True).encode()).hexdigest()

    def _empty(self, part: str) -> Any:
        """The part without numbers. Raises Refusal if the file lacks a tensor of it, or has one of another size."""
        from accelerate import init_empty_weights

        with init_empty_weights(), quiet():
            module = kind(part).from_config(self.config(part)) if part != "text_encoder" else self._empty_text_encoder()
        for name, like in module.state_dict().items():
            original, third = self._original(part, name)
            tensor = self._header.tensors.get(original)
            if tensor is None:
                raise Refusal(f"{self.where} lacks the tensor {original}; copy or download it again.")
            if math.prod(tensor.shape) != like.numel() * (1 if third is None else 3):
                raise Refusal(
                    f"The tensor {original} of {self.where} has the shape {list(tensor.shape)}; accepted is that of "
                    f"Stable Diffusion, {list(like.shape)}."
                )
        return module

    def _empty_text_encoder(self) -> Any:
        from transformers import CLIPTextConfig

        return kind("text_encoder")(CLIPTextConfig(**self.config("text_encoder")))

    def _original(self, part: str, name: str) -> tuple[str, int | None]:
        """The name of a part's tensor in the file, and which third of it is meant."""
        if part == "unet":
            return original_names.unet(name, self._configs[part]), None
        if part == "vae":
            return original_names.vae(name, self._configs[part]), None
        open_clip = original_names.OPEN_CLIP + "positional_embedding" in self._header.tensors
        return original_names.open_clip(name) if open_clip else (original_names.clip(name), None)


def _usual(name: str) -> str:
    return re.sub(r"^cond_stage_model\.transformer\.(?!text_model\.)", original_names.CLIP, name)
