"""Class-conditional diffusion transformers: every stock ``DiTPipeline``, from a diffusers folder or hub id.

A prompt is a label: one of the model's own words for a class, or its number. It draws what the stock pipeline draws
with the same initial noise, and with the folder's own scheduler if that adds no noise of its own. Of a model that also
predicts a variance only the noise or velocity is used, as by the stock pipeline.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from balign.models import solver
from balign.models.diffusers_model import DiffusersModel
from balign.models.loading import Source
from balign.refusal import Refusal


class DiT(DiffusersModel):
    """A diffusion transformer that draws one of a fixed set of classes."""

    PIPELINE = "DiTPipeline"
    FAMILY = "class-conditional DiT"
    PART = "transformer"

    def _load_denoiser(self, device: str | torch.device) -> Any:
        return self.source.weights(self.PART).to(device)

    # ---- facts

    @property
    def num_classes(self) -> int:
        """Classes are numbered from 0; the number after the last stands for none of them."""
        config: Any = self._denoiser.config
        return int(config.num_embeds_ada_norm)

    @cached_property
    def labels(self) -> Mapping[str, int]:
        """Every word for a class, and the class: where two classes share a word it is the later one's, as in stock."""
        named = self._id2label.items()
        return {word: int(number) for number, words in named for word in map(str.strip, words.split(",")) if word}

    # ---- verbs

    def encode_text(self, prompts: Sequence[str]) -> Tensor:
        """The classes (N, 1, 1) of these prompts, or vectors (N, 1, E) while labels are learned.

        Raises Refusal for a prompt that is no label.
        """
        if not self._learned:
            return torch.tensor([self._class_of(prompt) for prompt in prompts], dtype=torch.long).reshape(-1, 1, 1)
        rows = [self._learned.get(prompt.strip()) for prompt in prompts]
        vectors = [
            self.word_vectors(prompt) if row is None else row.cpu().mean(dim=0, keepdim=True)
            for prompt, row in zip(prompts, rows, strict=True)
        ]
        return torch.stack(vectors) if vectors else torch.empty(0, 1, self.word_vectors("").shape[1])

    def word_vectors(self, text: str) -> Tensor:
        """One vector (1, E) for a label: its rows in the tables of all blocks, one after the other."""
        number = self._class_of(text)
        return torch.cat([table.embedding_table.weight[number].detach().cpu() for table in self._tables])[None]

    def predict(self, noisy: Tensor, timesteps: Tensor, conditions: Tensor) -> Tensor:
        noisy, timesteps, conditions = (tensor.to(self.device) for tensor in (noisy, timesteps, conditions))
        vectors = conditions.is_floating_point()
        classes = torch.zeros_like(noisy[:, 0, 0, 0], dtype=torch.long) if vectors else conditions.reshape(-1)
        with self._labels_as(conditions.flatten(1)) if vectors else nullcontext():
            prediction: Tensor = self._denoiser(noisy, timesteps.expand(len(noisy)), classes, return_dict=False)[0]
        return prediction[:, : noisy.shape[1]].float()

    # ---- the parts of the pipeline

    def _sampler(self) -> Any:
        from diffusers import DDIMScheduler

        if self._noise["_class_name"] == solver.NAME and not solver.overridden(self._noise):
            return solver.make(self._noise)
        return DDIMScheduler.from_config(self._scheduler.config)

    def _pipeline(self) -> Any:
        from diffusers import DiTPipeline

        pipeline = DiTPipeline(self._denoiser, self._vae, self._scheduler, self._id2label)
        if self._id2label:
            pipeline.register_to_config(id2label=self._id2label)  # the stock class reads it and forgets to write it
        return pipeline

    @property
    def _tables(self) -> list[Any]:
        """What turns a label into a vector, in each block."""
        denoiser: Any = self._denoiser
        return [block.norm1.emb.class_embedder for block in denoiser.transformer_blocks]

    @contextmanager
    def _labels_as(self, vectors: Tensor) -> Iterator[None]:
        """Within the block the tables give these vectors (N, E), whatever class they are asked for."""
        parts = zip(self._tables, vectors.chunk(len(self._tables), dim=1), strict=True)
        handles = [table.register_forward_hook(lambda *of, part=part: part.to(of[2])) for table, part in parts]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    @cached_property
    def _id2label(self) -> dict[str, str]:
        """Number -> its words with commas between them, as the folder has it; empty if it names no class."""
        return {str(k): str(words) for k, words in (self._index.get("id2label") or {}).items()}

    @cached_property
    def _folded(self) -> Mapping[str, int]:
        """The words in small letters, for prompts that are no word to the letter."""
        return {_folded(word): number for word, number in self.labels.items()}

    @property
    def _index(self) -> dict[str, Any]:
        return self.source.config("model_index")

    def _class_of(self, prompt: str) -> int:
        text = prompt.strip()
        if not text:
            return self.num_classes
        found = self.labels.get(text, self._folded.get(_folded(text)))
        if found is None and text.isdecimal() and int(text) < self.num_classes:
            found = int(text)
        if found is None:
            shown = ", ".join(list(self.labels)[:10]) or "none by name"
            raise Refusal(
                f"The model has no class {prompt[:100]!r}; accepted are its labels ({shown}"
                f"{', …' if len(self.labels) > 10 else ''}) and the numbers 0 to {self.num_classes - 1}."
            )
        return found

    def _sized(self, size: int | None) -> tuple[int, int]:
        own = self._own_size()
        if size is not None and (size, size) != own:
            raise Refusal(f"The size is {size} px; this model knows where a patch is only at {own[1]} px.")
        return own

    @classmethod
    def _check(cls, source: Source) -> None:
        super()._check(source)
        where = source.where
        id2label = source.config("model_index").get("id2label")
        classes = source.config(cls.PART).get("num_embeds_ada_norm")
        if not isinstance(classes, int) or classes < 1:
            raise Refusal(f"The denoiser in {where} has {classes!r} classes; accepted is a whole number from 1.")
        if not isinstance(id2label, dict | None):
            raise Refusal(f"The id2label of {where} is no json object; accepted are numbers with their labels.")
        odd = [key for key in id2label or {} if not (key.isdecimal() and int(key) < classes)]
        if odd:
            raise Refusal(f"The id2label of {where} names the class {odd[0]!r}; accepted are 0 to {classes - 1}.")
        drawn = source.config("vae").get("out_channels", 3)
        if drawn != 3:
            raise Refusal(f"The autoencoder in {where} draws {drawn} channels; accepted are 3 (red, green, blue).")


def _folded(word: str) -> str:
    return " ".join(word.casefold().split())
