import pytest
import torch
from torch import nn

from balign.method import closed_form
from balign.refusal import Refusal
from tests.method.tiny import TinyModel


def embeddings(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def literally(forget, anchor, retain, weight, ridge):  # type: ignore[no-untyped-def]
    """Minimise the three terms by the normal equations of one stacked least squares problem."""
    f, a, r = (side.reshape(-1, side.shape[-1]) for side in (forget, anchor, retain))
    width = f.shape[1]
    rows = [f / len(f) ** 0.5, r * (weight / len(r)) ** 0.5, torch.eye(width, dtype=torch.float64) * ridge**0.5]
    goals = [a / len(f) ** 0.5, r * (weight / len(r)) ** 0.5, torch.eye(width, dtype=torch.float64) * ridge**0.5]
    return torch.linalg.lstsq(torch.cat(rows), torch.cat(goals)).solution


@pytest.mark.parametrize(("weight", "ridge"), [(1.0, 1e-3), (0.0, 0.1), (30.0, 1.0)])
def test_the_map_solves_the_least_squares_problem(weight: float, ridge: float) -> None:
    forget, anchor, retain = (embeddings(n, 5, 6, seed=k) for k, n in enumerate((7, 7, 11)))
    mapping = closed_form.redirection(forget, anchor, retain, weight, ridge)
    torch.testing.assert_close(mapping, literally(forget, anchor, retain, weight, ridge), rtol=1e-8, atol=1e-8)


def test_an_anchor_that_is_the_concept_itself_changes_nothing() -> None:
    forget, retain = embeddings(3, 4, 6, seed=0), embeddings(5, 4, 6, seed=1)
    torch.testing.assert_close(closed_form.redirection(forget, forget, retain), torch.eye(6, dtype=torch.float64))


def test_what_is_free_is_led_to_the_anchor_and_what_is_kept_stays() -> None:
    basis = torch.eye(6, dtype=torch.float64)
    mapping = closed_form.redirection(basis[None, :1], basis[None, 1:2], basis[None, 1:], weight=1.0, ridge=1e-9)
    torch.testing.assert_close(mapping[0], basis[1], atol=1e-6, rtol=0)
    torch.testing.assert_close(mapping[1:], basis[1:], atol=1e-6, rtol=0)


def test_an_edited_layer_gives_for_the_concept_what_it_gave_for_the_anchor() -> None:
    model = TinyModel(torch.float64)
    attention = model.unet.block["attn2"]
    forget, anchor, retain = (embeddings(1, 1, 6, seed=k) for k in range(3))
    wanted = [layer(anchor) for layer in (attention.to_k, attention.to_v)]
    kept = [layer(retain) for layer in (attention.to_k, attention.to_v)]
    before = {name: weight.clone() for name, weight in model.unet.named_parameters()}
    edited = closed_form.edit(model.unet, closed_form.redirection(forget, anchor, retain, ridge=1e-10))
    assert sorted(edited) == ["block.attn2.to_k.weight", "block.attn2.to_v.weight"]
    for layer, goal, same in zip((attention.to_k, attention.to_v), wanted, kept, strict=True):
        torch.testing.assert_close(layer(forget), goal, atol=1e-5, rtol=0)
        torch.testing.assert_close(layer(retain), same, atol=1e-5, rtol=0)
    untouched = {name for name, weight in model.unet.named_parameters() if torch.equal(weight, before[name])}
    assert untouched == before.keys() - edited.keys()


def test_a_model_without_cross_attention_is_refused() -> None:
    with pytest.raises(Refusal, match="no cross-attention"):
        closed_form.edit(nn.Linear(6, 6), torch.eye(6, dtype=torch.float64))


def test_embeddings_that_are_not_finite_are_a_bug() -> None:
    bad = embeddings(1, 1, 6, seed=0) * torch.inf
    with pytest.raises(ValueError, match="finite"):
        closed_form.redirection(bad, bad, bad)
