"""A random classifier of images small enough for a test, saved as the folder of transformers that it is."""

from collections.abc import Sequence
from pathlib import Path


def tiny_classifier(folder: Path, labels: Sequence[str]) -> Path:
    import torch
    from transformers import RegNetConfig, RegNetForImageClassification, ViTImageProcessor

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = RegNetConfig(
            embedding_size=8,
            hidden_sizes=[8, 16],
            depths=[1, 1],
            groups_width=8,
            id2label=dict(enumerate(labels)),
            label2id={label: k for k, label in enumerate(labels)},
        )
        RegNetForImageClassification(config).half().save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder
