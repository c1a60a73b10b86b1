"""Closed forms on the two kinds of conditions: embeddings, and labels of a class-conditional transformer."""

import pytest
import torch

from balign import models
from balign.data.latents import TrainingData
from balign.method import editing
from balign.method.closed_form import EDITS
from balign.models import catalogue
from balign.models.base import BaseModel
from balign.refusal import Refusal
from tests.method.tiny import TinyModel, tiny_data
from tests.models.tiny_dit import tiny_dit


@pytest.fixture(scope="module")
def dit(tmp_path_factory: pytest.TempPathFactory) -> BaseModel:
    folder = tiny_dit(tmp_path_factory.mktemp("models") / "dit")
    return models.load(catalogue.find(str(folder)), "cpu", torch.float32)


def labels(dit: BaseModel, forget: list[str], anchor: list[str]) -> TrainingData:
    encoded = [dit.encode_text(prompts) for prompts in (forget, anchor, ["2", "3"], [""])]
    noise = torch.zeros(1, *dit.latent_shape)
    return TrainingData(noise, noise, encoded[0], encoded[2], encoded[1], encoded[3])


def test_a_label_is_redirected_to_its_replacement_and_no_other_moves(dit: BaseModel) -> None:
    before = {name: weight.detach().clone() for name, weight in dit.denoiser.named_parameters()}
    drawn = {label: dit.generate([label], [0], steps=2, guidance=1.0) for label in ("0", "1", "2")}
    edit = editing.prepare("redirect", dit.denoiser, labels(dit, ["0", "0"], ["1", "1"]))
    edit.apply()
    assert torch.equal(dit.generate(["0"], [0], steps=2, guidance=1.0), drawn["1"])
    assert not torch.equal(drawn["0"], drawn["1"])
    for label in ("1", "2"):
        assert torch.equal(dit.generate([label], [0], steps=2, guidance=1.0), drawn[label])
    moved = {name for name, weight in dit.denoiser.named_parameters() if not torch.equal(weight, before[name])}
    assert moved == set(edit.weights)
    with torch.no_grad():
        for name, weight in dit.denoiser.named_parameters():
            weight.copy_(before[name])


def test_what_edits_the_reading_of_words_is_refused_for_labels(dit: BaseModel) -> None:
    with pytest.raises(Refusal, match="edit is 'uce', which changes how words are read; this model reads labels"):
        editing.editable("uce", dit.denoiser, dit.encode_text([""]))


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_changes_exactly_the_weights_it_names(name: str) -> None:
    model, data = TinyModel(), tiny_data()
    if name == "speed":  # which needs directions that the retain side leaves free
        data = data._replace(retain_conditions=data.retain_conditions[:1, :1].expand(2, 3, -1) * 0.1)
    before = {key: weight.detach().clone() for key, weight in model.denoiser.named_parameters()}
    edit = editing.prepare(name, model.denoiser, data)
    edit.apply()
    moved = {key for key, weight in model.denoiser.named_parameters() if not torch.equal(weight, before[key])}
    assert moved == set(edit.weights)
