"""What a pipeline is read from: its configurations, weights and tokenizer. Raises Refusal if they cannot be read.

No file is trusted: only json and safetensors are opened, and weights that do not fit their configuration are refused
(the libraries themselves would fill a gap with random numbers and a warning).
"""

import hashlib
import importlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from balign.models import pipeline_files, tensor_file
from balign.models.weight_choice import WeightChoice, choose
from balign.refusal import Refusal

KINDS = {
    "unet": ("diffusers", "UNet2DConditionModel"),
    "transformer": ("diffusers", "DiTTransformer2DModel"),
    "vae": ("diffusers", "AutoencoderKL"),
    "text_encoder": ("transformers", "CLIPTextModel"),
}
"""The library and class of each part."""


class Source(ABC):
    """A pipeline on the disk."""

    def __init__(self, where: Path) -> None:
        self.where = where

    @property
    def name(self) -> str:
        """What people call it: the name of its file or folder, or of its repository on the hub."""
        if self.where.parent.name == "snapshots":  # of the hub's cache: models--owner--name/snapshots/commit
            return self.where.parents[1].name.split("--")[-1]
        return self.where.resolve().name

    @property
    @abstractmethod
    def tokenizer_folder(self) -> Path:
        """Where the files of its tokenizer are."""

    @abstractmethod
    def config(self, part: str) -> dict[str, Any]:
        """The configuration of a part, or the pipeline's own, ``model_index``."""

    @abstractmethod
    def check(self, parts: Sequence[str]) -> None:
        """Refuse weights and a tokenizer that are not there or not whole, without reading them."""

    @abstractmethod
    def weights(self, part: str) -> Any:
        """The part as a module of its class in KINDS, in fp32, frozen, in eval mode."""

    @abstractmethod
    def digests(self) -> Iterator[tuple[str, str]]:
        """Everything that is read, by name, and its sha256."""

    def tokenizer(self) -> Any:
        """The tokenizer, from its vocabulary."""
        from transformers import CLIPTokenizer

        self._check_tokenizer()
        try:
            return CLIPTokenizer.from_pretrained(self.tokenizer_folder)
        except Exception as error:  # the tokenizers library raises bare exceptions
            raise Refusal(
                f"The tokenizer in {self.tokenizer_folder} cannot be read ({error}); get the folder again."
            ) from error

    def _check_tokenizer(self) -> None:
        names = {file.name for file in self.tokenizer_folder.glob("*")}
        if not (names >= {"vocab.json", "merges.txt"} or "tokenizer.json" in names):
            raise Refusal(
                f"{self.tokenizer_folder} has no vocabulary; vocab.json with merges.txt, or tokenizer.json, is "
                "accepted."
            )


class PipelineFolder(Source):
    """A folder as diffusers writes it."""

    @property
    def tokenizer_folder(self) -> Path:
        return self.where / "tokenizer"

    def config(self, part: str) -> dict[str, Any]:
        if part == "model_index":
            pipeline_files.refuse_neighbours(self.where)
        return read_json(self.where / pipeline_files.CONFIGS.get(part, f"{part}/config.json"))

    def check(self, parts: Sequence[str]) -> None:
        for part in parts:
            if part == "tokenizer":
                self._check_tokenizer()
                continue
            if packed := self.config(part).get("quantization_config"):
                method = packed.get("quant_method", packed) if isinstance(packed, dict) else packed
                raise Refusal(
                    f"The weights in {self.where / part} are quantized ({str(method)[:60]}), which cannot be trained; "
                    "the model's own, in fp32, fp16 or bf16, are accepted."
                )
            for name in self._choice(part).files:
                if name.endswith(".safetensors"):
                    tensor_file.read(self.where / part / name)

    def weights(self, part: str) -> Any:
        self.check([part])
        folder = self.where / part
        try:
            with quiet():
                model, info = kind(part).from_pretrained(
                    folder,
                    variant=self._choice(part).variant,
                    use_safetensors=True,
                    torch_dtype=torch.float32,
                    output_loading_info=True,
                )
        except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
            raise Refusal(f"The weights in {folder} do not fit the config.json beside them: {error}") from error
        missing = sorted(info["missing_keys"])
        if missing:
            raise Refusal(
                f"The weights in {folder} lack {missing[0]} and {len(missing) - 1} more that the config.json beside "
                "them needs; get the folder again."
            )
        return model.eval().requires_grad_(False)

    def digests(self) -> Iterator[tuple[str, str]]:
        for file in pipeline_files.read_files(self.where):
            yield file.relative_to(self.where).as_posix(), sha256(file)

    def _choice(self, part: str) -> WeightChoice:
        names = [file.name for file in (self.where / part).glob("*")]
        return choose(names, part, str(self.where), str(self.config("model_index").get("_class_name")))


def check_index(source: Source, pipeline: str, family: str, classes: Mapping[str, str]) -> None:
    """Refuse another pipeline than this, or one of whose parts is of another class."""
    index = source.config("model_index")
    found = index.get("_class_name")
    if found != pipeline:
        raise Refusal(f"{source.where} holds a {found}; accepted is a {pipeline} ({family}).")
    for part, wanted in classes.items():
        found = (index.get(part) or [None])[-1]
        if found != wanted:
            raise Refusal(f"The {part} of {source.where} is {found}; accepted is {wanted}.")


def kind(part: str) -> Any:
    """The class of a part."""
    library, name = KINDS[part]
    return getattr(importlib.import_module(library), name)


def read_json(path: Path) -> dict[str, Any]:
    """The json object in this file."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Refusal(f"There is no {path}; a whole diffusers pipeline folder is accepted.") from error
    except (OSError, ValueError) as error:
        raise Refusal(f"The configuration {path} cannot be read ({error}); a json object is accepted.") from error
    if not isinstance(values, dict):
        raise Refusal(f"The configuration {path} is a json {type(values).__name__}; a json object is accepted.")
    return values


def sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@contextmanager
def quiet() -> Iterator[None]:
    """Without the libraries' progress bars, which would run through the caller's own display."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    shown = [logging for logging in (of_diffusers, of_transformers) if logging.is_progress_bar_enabled()]
    for logging in shown:
        logging.disable_progress_bar()
    try:
        yield
    finally:
        for logging in shown:
            logging.enable_progress_bar()
