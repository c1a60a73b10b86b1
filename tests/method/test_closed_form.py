import pytest
import torch
from torch import Tensor, nn

from balign.method import closed_form, null_space
from balign.method.closed_form import EDITS, Embeddings, edited
from balign.refusal import Refusal
from tests.method.tiny import TinyModel

WIDTH = 6


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def embeddings(n: int = 4, m: int = 9, length: int = 5, seed: int = 0, rank: int = WIDTH) -> Embeddings:
    """Prompts that are the same up to the concept, at position 1 or 2; what follows it differs too, but less.

    rank: how many of the WIDTH directions the retain prompts use; the empty prompt lies in them too.
    """
    anchor = random(n, length, WIDTH, seed=seed)
    forget = anchor.clone()
    for i in range(n):
        forget[i, 1 + i % 2 :] = random(length - 1 - i % 2, WIDTH, seed=seed + 100 + i)
        forget[i, 1 + i % 2] += 3
    retain, empty = random(m, length, rank, seed=seed + 1), random(1, length, rank, seed=seed + 2)
    retain, empty = (torch.nn.functional.pad(side, (0, WIDTH - rank)) for side in (retain, empty))
    return Embeddings(forget, anchor, retain, empty)


def weights(*outs: int) -> list[Tensor]:
    return [random(out, WIDTH, seed=50 + k) for k, out in enumerate(outs)]


def words(e: Embeddings) -> tuple[list[Tensor], list[Tensor]]:
    """The concept's embeddings and the replacement's, one by one: at position 1 or 2."""
    return [side[1 + i % 2] for i, side in enumerate(e.forget)], [side[1 + i % 2] for i, side in enumerate(e.anchor)]


def least_squares(pairs: list[tuple[Tensor, Tensor, float]], weight: Tensor, ridge: float) -> Tensor:
    """The W' that minimises Σ s |W' c - v|² + ridge |W' - W|² over triples (c, v, s), as one stacked problem."""
    rows = [c * s**0.5 for c, _, s in pairs] + list(torch.eye(WIDTH, dtype=torch.float64) * ridge**0.5)
    goals = [v * s**0.5 for _, v, s in pairs] + list(weight.T * ridge**0.5)
    return torch.linalg.lstsq(torch.stack(rows), torch.stack(goals)).solution.T


def retained(e: Embeddings, weight: Tensor, scale: float) -> list[tuple[Tensor, Tensor, float]]:
    return [(c, weight @ c, scale) for c in e.retain.flatten(0, 1)]


def literal_uce(e: Embeddings, weight: Tensor, ridge: float, concepts: list[Tensor] | None = None) -> Tensor:
    forget, anchor = words(e)
    concepts = concepts or forget
    goals = anchor * (len(concepts) // len(anchor))
    mapped = [(c, weight @ a, 1.0) for c, a in zip(concepts, goals, strict=True)]
    return least_squares(mapped + retained(e, weight, 1 / e.retain.shape[1]), weight, ridge)


def test_redirect_solves_its_least_squares_problem() -> None:
    e = embeddings()
    for weight in weights(3, 8):
        forget, anchor = e.forget.flatten(0, 1), e.anchor.flatten(0, 1)
        mapped = [(c, weight @ a, 1 / len(forget)) for c, a in zip(forget, anchor, strict=True)]
        kept = retained(e, weight, closed_form.KEEP / (e.retain.shape[0] * e.retain.shape[1]))
        wanted = least_squares(mapped + kept, weight, closed_form.RIDGE)
        torch.testing.assert_close(closed_form.redirect(e, [weight])[0], wanted, rtol=1e-8, atol=1e-8)


def test_uce_solves_equation_7() -> None:
    e = embeddings()
    for weight, new in zip(weights(3, 8), closed_form.uce(e, weights(3, 8)), strict=True):
        torch.testing.assert_close(new, literal_uce(e, weight, 0.5), rtol=1e-8, atol=1e-8)


def test_rece_erases_the_embeddings_that_revive_the_concept() -> None:
    e, old = embeddings(), weights(3, 8)
    new = [literal_uce(e, weight, 0.1) for weight in old]
    found = words(e)[0]
    for _ in range(3):
        for c in words(e)[0]:  # min Σ |W c' - W₀ c|² + 0.1 |c'|²
            rows = torch.cat([*new, torch.eye(WIDTH, dtype=torch.float64) * 0.1**0.5])
            goal = torch.cat([*(weight @ c for weight in old), torch.zeros(WIDTH, dtype=torch.float64)])
            found.append(torch.linalg.lstsq(rows, goal[:, None]).solution[:, 0])
        new = [literal_uce(e, weight, 0.1, found) for weight in old]
    for got, wanted in zip(closed_form.rece(e, old), new, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-7, atol=1e-7)


def projector(columns: Tensor) -> Tensor:
    """By Gram-Schmidt, as the paper has it, on the strongest directions of the columns."""
    values, vectors = torch.linalg.eigh(columns @ columns.T)
    total, held = values.sum(), 0.0
    basis: list[Tensor] = []
    for k in reversed(range(len(values))):
        if held >= 0.95 * total:
            break
        direction = vectors[:, k] - sum((b * (b @ vectors[:, k]) for b in basis), torch.zeros(len(values)).double())
        basis.append(direction / direction.norm())
        held += float(values[k])
    return sum((torch.outer(b, b) for b in basis), torch.zeros(len(values), len(values)).double())


@pytest.mark.parametrize("out", [4, 6, 9])
def test_oce_solves_its_procrustes_problem(out: int) -> None:
    e, (weight,) = embeddings(), weights(out)
    forget, anchor = (
        [c for i, prompt in enumerate(side) for c in prompt[1 + i % 2 :]] for side in (e.forget, e.anchor)
    )
    g, other = (projector(torch.stack([weight @ c for c in side], 1)) for side in (forget, anchor))
    second = sum(torch.outer(c, c) for c in e.retain.flatten(0, 1)) / (e.retain.shape[0] * e.retain.shape[1])
    m = -200 * (torch.eye(out).double() - other) @ g + weight @ (10 * second + 10 * torch.eye(WIDTH)) @ weight.T
    # the polar factor by Newton's iteration, on the space in which the layer's outputs lie
    basis = torch.linalg.qr(weight).Q
    polar = basis.T @ m @ basis
    for _ in range(200):
        polar = (polar + torch.linalg.inv(polar).T) / 2
    torch.testing.assert_close(closed_form.oce(e, [weight])[0], basis @ polar @ basis.T @ weight, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("out", [4, 6, 9])
def test_oce_keeps_lengths_and_angles(out: int) -> None:
    (weight,) = weights(out)
    (new,) = closed_form.oce(embeddings(), [weight])
    torch.testing.assert_close(new.T @ new, weight.T @ weight, rtol=1e-9, atol=1e-9)
    assert not torch.allclose(new, weight, atol=0.1)


def test_speed_solves_the_problem_with_equality_constraints() -> None:
    """The conditions for a minimum of |(W+ΔP)C - WC*|² + |ΔP|², (ΔP)K = 0, in the coordinates of the free space."""
    (weight,) = weights(5)
    forget, anchor, fixed = random(3, WIDTH, seed=1), random(3, WIDTH, seed=2), random(WIDTH, 2, seed=3)
    basis = torch.linalg.qr(random(WIDTH, 4, seed=4)).Q  # the update is X B'
    c, k = (basis.T @ forget.T), (basis.T @ fixed)
    top = torch.cat([c @ c.T + torch.eye(4).double(), k], 1)
    bottom = torch.cat([k.T, torch.zeros(2, 2).double()], 1)
    right = torch.cat([c @ (weight @ (anchor - forget).T).T, torch.zeros(2, 5).double()])
    wanted = torch.linalg.solve(torch.cat([top, bottom]), right)[:4].T @ basis.T
    got = null_space.update(weight, forget, anchor, basis @ basis.T, fixed)
    torch.testing.assert_close(got, wanted, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(got @ fixed, torch.zeros(5, 2).double(), rtol=0, atol=1e-10)


def test_speed_keeps_the_retain_prompts_the_first_token_and_the_empty_prompt() -> None:
    e = embeddings(rank=3)
    old = weights(7, 6)
    for weight in old:  # what a layer sees least is one of the three directions, so copies along it use no other
        weight[:, 2] = 0
    for weight, new in zip(old, closed_form.speed(e, old), strict=True):
        for kept in (e.retain.flatten(0, 1), e.empty[0]):
            torch.testing.assert_close(kept @ new.T, kept @ weight.T, rtol=0, atol=1e-8)
        before, after = ((e.concepts()[0] @ w.T - e.concepts()[1] @ weight.T).norm() for w in (weight, new))
        assert after < 0.9 * before


def test_speed_is_refused_where_the_retain_prompts_leave_nothing_free() -> None:
    with pytest.raises(Refusal, match="none of the 6 directions"):
        closed_form.speed(embeddings(m=60), weights(7))


def test_speed_gives_the_same_twice() -> None:
    e = embeddings(rank=3)
    assert torch.equal(closed_form.speed(e, weights(7))[0], closed_form.speed(e, weights(7))[0])


@pytest.mark.parametrize("edit", ["redirect", "uce", "rece"])
def test_a_replacement_that_is_the_concept_itself_changes_nothing(edit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closed_form, "RECE_SHRINK", 1e-12)  # what RECE erases is then the concept itself
    e = embeddings()
    e = e._replace(anchor=e.forget)
    for old, new in zip(weights(3, 8), EDITS[edit].solve(e, weights(3, 8)), strict=True):
        torch.testing.assert_close(new, old, rtol=0, atol=1e-9)


@pytest.mark.parametrize("edit", ["redirect", "uce", "rece", "speed"])
def test_the_concept_gives_what_the_replacement_gave(edit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a weak ridge and a retain side that leaves the concept's direction free."""
    for ridge in ("RIDGE", "UCE_RIDGE", "RECE_RIDGE", "RECE_SHRINK"):
        monkeypatch.setattr(closed_form, ridge, 1e-9)
    monkeypatch.setattr(closed_form, "RECE_ROUNDS", 0)
    axes = torch.eye(WIDTH, dtype=torch.float64)
    forget, anchor = (torch.stack([axes[0], axes[i]])[None] * 1000 for i in (5, 1))
    e = Embeddings(forget, anchor, axes[None, :5] * 3, axes[None, :2])
    layers = weights(6)
    layers[0][:, 4] = 0
    for old, new in zip(layers, EDITS[edit].solve(e, layers), strict=True):
        torch.testing.assert_close(new[:, 5], old[:, 1], rtol=0, atol=1e-4)
        torch.testing.assert_close(new[:, :5], old[:, :5], rtol=0, atol=1e-4)


@pytest.mark.parametrize("edit", EDITS)
def test_edited_gives_new_weights_and_leaves_the_model(edit: str) -> None:
    model, e = TinyModel(torch.float32), embeddings(rank=3)
    before = {name: weight.clone() for name, weight in model.unet.named_parameters()}
    new = edited(model.unet, edit, Embeddings(*(side.float() for side in (e.forget, e.anchor, e.retain, e.empty))))
    keys = ["block.attn2.to_k.weight"] if edit in ("redirect", "uce", "rece") else []
    assert sorted(new) == [*keys, "block.attn2.to_v.weight"]
    for name, weight in model.unet.named_parameters():
        assert torch.equal(weight, before[name])
        assert name not in new or (new[name].dtype == torch.float32 and not torch.equal(new[name], weight))


def test_a_model_without_cross_attention_is_refused() -> None:
    with pytest.raises(Refusal, match="no cross-attention"):
        edited(nn.Linear(WIDTH, WIDTH), "redirect", embeddings())


def test_the_last_tokens_count_where_they_are_given() -> None:
    e = embeddings()._replace(forget_at=torch.tensor([2, 3, 4, 0]), anchor_at=torch.tensor([1, 1, 2, 3]))
    forget, anchor = e.concepts()
    for i, (here, there) in enumerate([(2, 1), (3, 1), (4, 2), (0, 3)]):
        assert torch.equal(forget[i], e.forget[i, here])
        assert torch.equal(anchor[i], e.anchor[i, there])
    forget, anchor = e.concepts(onwards=True)
    assert torch.equal(forget, torch.cat([e.forget[0, 2:], e.forget[1, 3:], e.forget[2, 4:], e.forget[3, :2]]))
    assert torch.equal(anchor, torch.cat([e.anchor[0, 1:4], e.anchor[1, 1:3], e.anchor[2, 2:3], e.anchor[3, 3:]]))


@pytest.mark.parametrize("side", Embeddings._fields[:4])
def test_embeddings_that_are_not_finite_are_a_bug(side: str) -> None:
    e = embeddings()
    with pytest.raises(ValueError, match="finite"):
        edited(TinyModel().unet, "redirect", e._replace(**{side: getattr(e, side) * torch.inf}))
