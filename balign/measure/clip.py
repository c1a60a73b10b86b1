"""Scores by a CLIP model: how well an image fits a text, and which of several words it shows.

A score is only comparable with scores of the same scorer, so its name goes with every number. What CLIP does not see
(counts, who does what to whom) is not scored.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from balign.measure.scorer_names import scorer_source


class ScorerAbsent(RuntimeError):
    """A scorer is not on this machine and cannot be fetched now. Its text can stand after "since"."""


class Scorer:
    """A CLIP model with its own preprocessing and tokenizer.

    Images are uint8 (N, H, W, 3), or embeddings of `embed_images`, so that they need encoding only once. Embeddings
    (N, D) have length 1 and are on the CPU. Every text is encoded once and cached.
    """

    told = ""
    """How it judges, in words, where that is no matter of the kind of a word."""

    def __init__(self, name: str, model: Any, preprocess: Any, tokenizer: Any, device: str = "cpu") -> None:
        self.name = name
        self.device = device
        self._model = model.eval().requires_grad_(False)
        self._preprocess = preprocess
        self._tokenizer = tokenizer
        self._texts: dict[str, Tensor] = {}

    @classmethod
    def load(cls, name: str, device: str = "cpu") -> "Scorer":
        """The scorer of this name, as `scorer_names` reads it.

        Raises Refusal for a name that means no scorer, ScorerAbsent for one that cannot be fetched, and RuntimeError if
        loading a folder fails.
        """
        import open_clip

        found = scorer_source(name)
        try:
            model, _, preprocess = open_clip.create_model_and_transforms(
                found.source, pretrained=found.weights, device=device, require_pretrained=True
            )
            return cls(found.name, model, preprocess, open_clip.get_tokenizer(found.source), device)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # open_clip and the libraries under it raise whatever they meet
            reason = " ".join(str(error).split())[:300]
            if found.folder is not None:
                raise RuntimeError(f"The scorer {name!r} cannot be loaded: {reason}") from error
            raise ScorerAbsent(
                f"the scorer {found.name!r} is not on this machine and could not be fetched from the hub ({reason})"
            ) from error

    @torch.no_grad()
    def embed_images(self, images: Tensor, batch: int = 64) -> Tensor:
        """Embeddings (N, D) of uint8 images (N, H, W, 3); embeddings are returned unchanged."""
        from PIL import Image

        if images.ndim == 2 and images.is_floating_point():
            return images
        parts = []
        for chunk in self._checked(images).cpu().split(batch) if len(images) else ():
            pixels = torch.stack([self._preprocess(Image.fromarray(image.numpy())) for image in chunk])
            parts.append(normalize(self._model.encode_image(pixels.to(self.device)).float(), dim=-1).cpu())
        return torch.cat(parts) if parts else torch.zeros(0, self.embed_texts([""]).shape[1])

    @torch.no_grad()
    def embed_texts(self, texts: Sequence[str], batch: int = 256) -> Tensor:
        """Embeddings (N, D) of the texts."""
        new = [text for text in dict.fromkeys(texts) if text not in self._texts]
        for start in range(0, len(new), batch):
            chunk = new[start : start + batch]
            encoded = self._model.encode_text(self._tokenizer(chunk).to(self.device))
            self._texts.update(zip(chunk, normalize(encoded.float(), dim=-1).cpu(), strict=True))
        return torch.stack([self._texts[text] for text in texts])

    def _checked(self, images: Tensor) -> Tensor:
        if images.ndim != 4 or images.shape[-1] != 3 or images.dtype != torch.uint8:
            raise ValueError(
                f"Images of shape {tuple(images.shape)} and type {images.dtype} were given; "
                "uint8 of shape (N, height, width, 3) is accepted."
            )
        return images

    def features(self, images: Tensor) -> Tensor:
        """What KID and FID compare (N, D): embeddings, so long that the square of a number in them is 1 on average."""
        embedded = self.embed_images(images)
        return embedded * embedded.shape[1] ** 0.5

    def alignment(self, images: Tensor, prompts: Sequence[str]) -> Tensor:
        """The cosine (N,) of each image with its own prompt: at most 1, about 0 if they have nothing in common."""
        if len(images) != len(prompts):
            raise ValueError(f"{len(images)} images and {len(prompts)} prompts; one for each image is accepted.")
        if not prompts:
            return torch.zeros(0)
        return (self.embed_images(images) * self.embed_texts(prompts)).sum(dim=-1)

    def classify(self, images: Tensor, labels: Mapping[str, Sequence[str]]) -> list[str]:
        """For each image (N) the label, of these with their captions, whose mean caption is nearest (zero-shot)."""
        if not labels:
            raise ValueError("No labels to classify; at least one is needed.")
        encoded = self.embed_texts([text for captions in labels.values() for text in captions])
        means = torch.stack([part.mean(dim=0) for part in encoded.split([len(each) for each in labels.values()])])
        nearest = (self.embed_images(images) @ normalize(means, dim=-1).T).argmax(dim=-1)
        return [list(labels)[k] for k in nearest.tolist()]
