"""Closed forms on the two kinds of conditions: embeddings, and labels of a class-conditional transformer."""

import pytest
import torch

from balign import models
from balign.data.latents import TrainingData
from balign.method import closed_form, editing
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


def test_of_a_name_of_several_tokens_the_last_one_is_edited() -> None:
    data = tiny_data()
    n, length = data.forget_conditions.shape[:2]
    first, last = torch.zeros(n, dtype=torch.int64), torch.full((n,), length - 1)
    spans = torch.stack([first, last], dim=1)
    model = TinyModel()
    editing.prepare("uce", model.denoiser, data._replace(forget_span=spans, anchor_span=spans)).apply()
    sides = (data.forget_conditions, data.anchor_conditions, data.retain_conditions, data.empty_condition)
    for name, weight in closed_form.edited(
        TinyModel().denoiser, "uce", closed_form.Embeddings(*sides, last, last)
    ).items():
        assert torch.equal(model.denoiser.get_parameter(name), weight)
    other = closed_form.edited(TinyModel().denoiser, "uce", closed_form.Embeddings(*sides, first, first))
    assert any(not torch.equal(model.denoiser.get_parameter(name), weight) for name, weight in other.items())
