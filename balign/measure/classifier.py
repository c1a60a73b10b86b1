"""A classifier of images as the scorer, for models that draw classes: a folder of transformers, in safetensors.

What it recognises is the class that it finds the likeliest of all it knows, "noise" among them if it knows that, so
that what is left of an erased class is not called by the name of another (the paper, section 5). Alignment is the
probability of the class that the prompt names. KID and FID are on what goes into its last layer.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from balign.data.spelling import names
from balign.measure.clip import Scorer
from balign.models.loading import quiet
from balign.refusal import Refusal


class ClassScorer(Scorer):
    """Images are uint8 (N, H, W, 3), or features of `embed_images` (N, D), on the CPU."""

    def __init__(self, name: str, model: Any, preprocess: Any, device: str = "cpu") -> None:
        super().__init__(name, model, preprocess, None, device)
        labels = model.config.id2label
        self.labels = [str(labels[k]) for k in range(len(labels))]
        self.told = f"by the classifier {name}, over its {len(self.labels)} classes"
        self._words = [(word.strip(), k) for k, words in enumerate(self.labels) for word in words.split(",")]
        self._seen: list[Tensor] = []
        model.classifier.register_forward_pre_hook(lambda _, given: self._seen.append(given[0]))

    @classmethod
    def read(cls, name: str, folder: Path, device: str = "cpu") -> "ClassScorer":
        """The classifier in the folder, in fp32; its code is transformers' own. Raises RuntimeError if that fails."""
        from safetensors import SafetensorError
        from transformers import AutoImageProcessor, AutoModelForImageClassification

        try:
            with quiet():
                model = AutoModelForImageClassification.from_pretrained(
                    folder, use_safetensors=True, local_files_only=True
                )
            preprocess = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
            return cls(name, model.float().to(device), preprocess, device)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:300]
            raise RuntimeError(f"The scorer {name!r} cannot be loaded: {reason}") from error

    @torch.no_grad()
    def embed_images(self, images: Tensor, batch: int = 64) -> Tensor:
        """What goes into the last layer (N, D), of uint8 images (N, H, W, 3); features are returned unchanged."""
        if images.ndim == 2 and images.is_floating_point():
            return images
        if not len(images):
            return torch.zeros(0, 1)
        parts = []
        for chunk in self._checked(images).cpu().split(batch):
            pixels = self._preprocess(list(chunk.numpy()), return_tensors="pt")["pixel_values"]
            self._seen.clear()
            self._model(pixels.to(self.device))
            parts.append(self._seen.pop().flatten(1).float().cpu())
        return torch.cat(parts)

    def embed_texts(self, texts: Sequence[str], batch: int = 256) -> Tensor:
        """The class (N, C) that each text names, as ones and zeros; "" names none.

        Raises Refusal for a text that names no class.
        """
        for text in texts:
            if text.strip() and self._class_of(text) is None:
                shown = ", ".join(self.labels[:10])
                raise Refusal(f"The scorer {self.name!r} has no class for {text[:80]!r}; it tells apart {shown}.")
        return self._classes(texts)

    def alignment(self, images: Tensor, prompts: Sequence[str]) -> Tensor:
        """The probability (N,) of the class that each image's own prompt names; 0 where that names none."""
        if len(images) != len(prompts):
            raise ValueError(f"{len(images)} images and {len(prompts)} prompts; one for each image is accepted.")
        if not prompts:
            return torch.zeros(0)
        return (self._logits(images).softmax(dim=-1) * self._classes(prompts)).sum(dim=-1)

    def classify(self, images: Tensor, labels: Mapping[str, Sequence[str]]) -> list[str]:
        """For each image (N) the label of the likeliest of all classes; the class's own name if it is none of these."""
        if not labels:
            raise ValueError("No labels to classify; at least one is needed.")
        if not len(images):
            return []
        named = {self._class_of(label): label for label in labels}
        return [named.get(k, self.labels[k]) for k in self._logits(images).argmax(dim=-1).tolist()]

    def features(self, images: Tensor) -> Tensor:
        """What KID and FID compare (N, D)."""
        return self.embed_images(images)

    @torch.no_grad()
    def _logits(self, images: Tensor) -> Tensor:
        found: Tensor = self._model.classifier(self.embed_images(images).to(self.device))
        self._seen.clear()
        return found.cpu()

    def _classes(self, texts: Sequence[str]) -> Tensor:
        """Ones and zeros (N, C)."""
        rows = torch.zeros(len(texts), len(self.labels))
        for row, text in zip(rows, texts, strict=True):
            number = self._class_of(text)
            if number is not None:
                row += one_hot(torch.tensor(number), len(self.labels))
        return rows

    def _class_of(self, text: str) -> int | None:
        """The class of a text: by one of its words to the letter, its number, or the longest word that is in it."""
        said = " ".join(text.casefold().split())
        for word, number in self._words:
            if word.casefold() == said:
                return number
        if said.isdecimal():
            return int(said) if int(said) < len(self.labels) else None
        inside = [(len(word), number) for word, number in self._words if word and names(said, [word])]
        return max(inside)[1] if inside else None
