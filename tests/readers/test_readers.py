"""Whoever opens an export with the stock libraries, old or new, draws what balign draws."""

import torch
from torch import Tensor

from tests.readers.conftest import Exports

Read = tuple[Exports, dict[str, Tensor]]
WHOLE = ("sd1", "sd2", "emoji", "dit", "sd1-file", "sd2-file", "emoji-file")


def apart(ours: Tensor, theirs: Tensor) -> int:
    return int((ours.int() - theirs.int()).abs().max())


def test_folders_and_single_files_draw_the_same_images(read: Read) -> None:
    exports, found = read
    far = {name: apart(exports.images[name], found[f"{name}/images"]) for name in WHOLE}
    assert max(far.values()) <= 2, far
    assert min(float(exports.images[name].float().std()) for name in WHOLE) > 5  # not one grey


def test_loras_of_every_trained_choice_and_rank_draw_the_same_images(read: Read) -> None:
    exports, found = read
    drawn = {name: tensor for name, tensor in found.items() if name.split("/")[0] in ("lora1", "lora2", "bundled")}
    loras = {name: tensor for name, tensor in drawn.items() if "/text/" not in name}
    assert len(loras) == 16 + 2 + 1
    far = {name: apart(exports.images[name.split("/")[1]], image) for name, image in loras.items()}
    assert {name: value for name, value in far.items() if value > 2} == {}


def test_the_text_encoder_is_the_same_bit_for_bit(read: Read) -> None:
    exports, found = read
    for name, tensors in exports.words.items():
        for key, tensor in tensors.items():
            assert torch.equal(found[f"{name}/text/{key}"], tensor), (name, key)
