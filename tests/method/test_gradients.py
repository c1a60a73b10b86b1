import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, nnls
from torch import Tensor
from torchjd.aggregation import PCGradWeighting, UPGradWeighting
from torchjd.linalg import QuadprogProjector

from balign.method import gradients
from balign.method.combiners import COMBINERS, Gram, multipliers
from balign.method.gradients import blend, gram, project_step

SAFE = ("restricted", "bisector", "mgda", "dual_cone")
SHAPES = ((3, 4), (5,), (2, 1, 3), ())


def random_lists(seed: int, count: int = 2, dtype: torch.dtype = torch.float64) -> list[list[Tensor]]:
    g = torch.Generator().manual_seed(seed)
    return [[torch.randn(shape, generator=g, dtype=torch.float64).to(dtype) for shape in SHAPES] for _ in range(count)]


def flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def explicit(f: Tensor, r: Tensor, weight: float) -> Tensor:
    """The reference's way: each whole vector projected away from the other where they conflict."""
    s = f @ r
    f_out = f - s / (r @ r) * r if s < 0 and r @ r > 0 else f
    r_out = r - s / (f @ f) * f if s < 0 and f @ f > 0 else r
    return f_out + weight * r_out


def pairs() -> st.SearchStrategy[tuple[Tensor, Tensor]]:
    """Random and adversarial pairs: zero, parallel, anti-parallel, orthogonal, of very different lengths."""
    numbers = st.lists(st.floats(-10, 10, allow_subnormal=False), min_size=4, max_size=4)
    scale = st.sampled_from([1.0, 1e-20, 1e20, 1e-3, 1e3])

    def build(f: list[float], r: list[float], kind: str, scale_f: float, scale_r: float) -> tuple[Tensor, Tensor]:
        x, y = torch.tensor(f, dtype=torch.float64), torch.tensor(r, dtype=torch.float64)
        x, y = x.where(x.abs() > 1e-6, 0.0), y.where(y.abs() > 1e-6, 0.0)
        y = {"zero": 0 * y, "parallel": 3 * x, "anti": -3 * x, "near_anti": -x + 1e-6 * y}.get(kind, y)
        return x * scale_f, y * scale_r

    kinds = st.sampled_from(["any", "any", "any", "zero", "parallel", "anti", "near_anti"])
    return st.builds(build, numbers, numbers, kinds, scale, scale)


@settings(max_examples=50, deadline=None)
@given(pairs(), st.sampled_from(SAFE), st.floats(0.1, 5))
def test_safe_combiners_never_oppose_either_gradient(pair: tuple[Tensor, Tensor], name: str, weight: float) -> None:
    f, r = pair
    a, b = COMBINERS[name](*gram([f], [r]), 1.0 if name == "bisector" else weight)
    update = a * f + b * r
    assert torch.isfinite(update).all()
    size = abs(a) * f.norm() + abs(b) * r.norm()  # what rounding is measured against
    assert float(f @ update) >= -1e-12 * float(f.norm() * size)
    assert float(r @ update) >= -1e-12 * float(r.norm() * size)


@settings(max_examples=50, deadline=None)
@given(pairs(), st.floats(0.1, 5))
def test_restricted_equals_the_explicit_projection_and_pcgrad(pair: tuple[Tensor, Tensor], weight: float) -> None:
    f, r = pair
    ours = COMBINERS["restricted"](*gram([f], [r]), 1.0)
    theirs = PCGradWeighting()(torch.stack([f, r]) @ torch.stack([f, r]).T)
    size = abs(ours[0]) * f.norm() + abs(ours[1]) * r.norm()
    assert float((ours[0] * f + ours[1] * r - theirs[0] * f - theirs[1] * r).norm()) <= 1e-10 * float(size)
    a, b = COMBINERS["restricted"](*gram([f], [r]), weight)
    size = abs(a) * f.norm() + abs(b) * r.norm()
    assert float((a * f + b * r - explicit(f, r, weight)).norm()) <= 1e-10 * float(size)


def adversarial_pairs() -> list[tuple[Tensor, Tensor]]:
    g = torch.Generator().manual_seed(7)
    found = [tuple(torch.randn(2, 3, generator=g, dtype=torch.float64)) for _ in range(60)]
    f = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    r = torch.tensor([-1.0, 0.3, 0.7], dtype=torch.float64)
    return [*found, (f, 2 * f), (f, 0 * f), (0 * f, f), (1e20 * f, 1e20 * r), (1e-20 * f, 1e-20 * r)]


@pytest.mark.parametrize("weight", [1.0, 1.6, 0.3])
def test_restricted_equals_upgrad_with_the_weight_as_preference(weight: float) -> None:
    projector = QuadprogProjector(norm_eps=0.0, reg_eps=1e-13)
    upgrad = UPGradWeighting(torch.tensor([1.0, weight], dtype=torch.float64), projector=projector)
    for f, r in adversarial_pairs():
        g = gram([f], [r])
        theirs = upgrad(torch.tensor([[g.ff, g.fr], [g.fr, g.rr]], dtype=torch.float64))
        ours = torch.tensor(COMBINERS["restricted"](*g, weight), dtype=torch.float64)
        difference = (ours - theirs)[0] * f + (ours - theirs)[1] * r
        assert float(difference.norm()) <= 1e-9 * float(f.norm() + r.norm())


def test_anti_parallel_gradients_leave_nothing() -> None:
    f = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    for name in SAFE:
        a, b = COMBINERS[name](*gram([f], [-3 * f]), 1.0)
        assert float((a * f + b * -3 * f).norm()) < 1e-12


@pytest.mark.parametrize("seed", range(10))
def test_mgda_is_the_shortest_vector_between_the_two(seed: int) -> None:
    f, r = (flat(side) for side in random_lists(seed))
    f = f * 10 ** (seed % 3 - 1)
    a, b = COMBINERS["mgda"](*gram([f], [r]), 1.0)
    assert a >= 0
    assert b >= 0
    assert a + b == pytest.approx(1)
    grid = [float((t * f + (1 - t) * r).norm()) for t in np.linspace(0, 1, 1001)]
    assert float((a * f + b * r).norm()) == pytest.approx(min(grid), rel=1e-4)
    assert float((a * f + b * r).norm()) <= min(grid) * (1 + 1e-12)


def test_without_conflict_the_restricted_gradient_is_the_weighted_sum() -> None:
    assert COMBINERS["restricted"](2.0, 0.5, 3.0, 1.6) == (1.0, 1.6)
    assert COMBINERS["unilateral"](2.0, 0.5, 3.0, 1.6) == (1.0, 1.6)
    assert COMBINERS["plain_sum"](2.0, -0.5, 3.0, 1.6) == (1.0, 1.6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 10))
def test_weight_and_projection_commute(seed: int, weight: float) -> None:
    (f,), (r,) = ([flat(side)] for side in random_lists(seed))
    a, b = COMBINERS["restricted"](*gram([f], [r]), weight)
    c, d = COMBINERS["restricted"](*gram([f], [weight * r]), 1.0)
    torch.testing.assert_close(a * f + b * r, c * f + d * weight * r, rtol=1e-12, atol=1e-12)
    c, d = COMBINERS["restricted"](*gram([r], [f]), 1 / weight)  # exchanging the sides
    torch.testing.assert_close(a * f + b * r, weight * (d * f + c * r), rtol=1e-12, atol=1e-12)


def test_how_weights_are_cut_into_tensors_does_not_matter() -> None:
    f, r = random_lists(3)
    whole, cut = gram([flat(f)], [flat(r)]), gram(f, r)
    turned = gram([x.reshape(-1)[..., None] for x in reversed(f)], [x.reshape(-1)[..., None] for x in reversed(r)])
    np.testing.assert_allclose(cut, whole, rtol=1e-13)
    np.testing.assert_allclose(turned, whole, rtol=1e-13)


def test_pieces_cover_long_tensors_in_any_memory_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gradients.PIECE, "cpu", 7)
    f, r = random_lists(4)
    f.append(torch.arange(48.0, dtype=torch.float64).view(4, 3, 2, 2).to(memory_format=torch.channels_last))
    r.append(torch.ones(4, 3, 2, 2, dtype=torch.float64))
    np.testing.assert_allclose(gram(f, r)[1], float(flat(f) @ flat(r)), rtol=1e-13)
    expected = flat(f) - 0.5 * flat(r)
    kept, _ = blend(f, r, 1.0, -0.5, gram(f, r))
    torch.testing.assert_close(flat(list(kept)), expected, rtol=1e-13, atol=1e-13)


def test_fp32_gradients_are_summed_exactly_enough() -> None:
    f = [torch.full((1000,), 1e20), torch.full((1000,), 1e-20)]
    g = gram(f, [-x for x in f])
    assert math.isclose(g.ff, 1e43, rel_tol=1e-6)
    assert g.cosine == pytest.approx(-1, abs=1e-15)
    assert Gram(0.0, 0.0, 1.0).cosine == 0.0


@pytest.mark.parametrize(("scale", "a", "b"), [(1.0, 1.3, 0.7), (1e6, 1.0, 1.6), (1e-6, 1.0, 1.6), (1.0, 0.0, 1.0)])
def test_blend_holds_no_third_gradient_and_gives_both_back(scale: float, a: float, b: float) -> None:
    f, r = random_lists(5, dtype=torch.float32)
    r = [scale * x for x in r]
    was_f, was_r = flat(f).clone(), flat(r).clone()
    kept, undo = blend(f, r, a, b, gram(f, r))
    assert any(kept is side for side in (f, r))
    torch.testing.assert_close(flat(list(kept)), a * was_f + b * was_r, rtol=1e-5, atol=1e-6 * max(1.0, scale))
    undo()
    torch.testing.assert_close(flat(f), was_f, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(flat(r), was_r, rtol=1e-5, atol=1e-6 * scale)


# ----------------------------------------------------------------------------------------------------------------------
# The projection of a step


@settings(max_examples=60, deadline=None)
@given(pairs(), st.lists(st.floats(-5, 5, allow_subnormal=False), min_size=4, max_size=4))
def test_projected_steps_raise_neither_loss(pair: tuple[Tensor, Tensor], numbers: list[float]) -> None:
    f, r = pair
    proposed = torch.tensor(numbers, dtype=torch.float64)
    step = proposed.clone()
    found = project_step([step], [f], [r])
    tolerance = 1e-14 * float(proposed.norm())
    assert float(f @ step) <= tolerance * float(f.norm())
    assert float(r @ step) <= tolerance * float(r.norm())
    assert 0 <= found.kept_fraction <= 1 + 1e-12
    if f @ proposed <= 0 and r @ proposed <= 0:
        assert torch.equal(step, proposed)
        assert not found.fired


def quadratic_program(walls: np.ndarray, proposed: np.ndarray) -> np.ndarray:
    return minimize(
        lambda x: ((x - proposed) ** 2).sum() / 2,
        np.zeros(len(proposed)),
        jac=lambda x: x - proposed,
        constraints={"type": "ineq", "fun": lambda x: -walls @ x, "jac": lambda x: -walls},
        method="SLSQP",
        options={"ftol": 1e-14},
    ).x


def test_the_projection_is_the_closest_safe_step() -> None:
    """Against two solvers: the residual of non-negative least squares (Moreau), and a quadratic program."""
    for seed in range(60):
        f, r, d = (flat(side) for side in random_lists(seed, 3))
        r = r if seed % 2 else -f + 0.3 * r
        step = d.clone()
        project_step([step], [f], [r])
        walls = torch.stack([f, r]).numpy()
        weights, _ = nnls(walls.T, d.numpy())
        np.testing.assert_allclose(step.numpy(), d.numpy() - walls.T @ weights, atol=1e-10)
        if seed < 5:
            np.testing.assert_allclose(step.numpy(), quadratic_program(walls, d.numpy()), atol=1e-5)


def test_anti_parallel_walls_leave_what_runs_along_them() -> None:
    f = torch.tensor([1.0, 0.0])
    step = torch.tensor([2.0, 1.0])
    project_step([step], [f], [-3 * f])
    assert step.tolist() == [0.0, 1.0]


def test_projecting_twice_changes_nothing() -> None:
    f, r, step = random_lists(11, 3)
    project_step(step, f, r)
    once = flat(step).clone()
    project_step(step, f, r)
    torch.testing.assert_close(flat(step), once, rtol=0, atol=1e-14)


def test_the_scale_of_a_gradient_does_not_matter() -> None:
    f, r, d = (flat(side) for side in random_lists(12, 3))
    steps = []
    for scale in (1.0, 1e20, 1e-20):
        step = d.clone()
        project_step([step], [scale * f], [r / scale])
        steps.append(step)
    torch.testing.assert_close(steps[0], steps[1], rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(steps[0], steps[2], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("length", [1e-2, 1e-4, 1e-6, 1e-8])
def test_the_promise_holds_for_weights_as_they_are_stored(length: float) -> None:
    """fp32 weights round the projected step; down to steps of the size of the rounding no loss may be raised."""
    g = torch.Generator().manual_seed(1)
    for _ in range(20):
        before = [torch.randn(40, 50, generator=g)]
        f, r = [torch.randn(40, 50, generator=g)], [torch.randn(40, 50, generator=g)]
        r[0] -= 0.8 * f[0]
        after = [before[0] + length * torch.randn(40, 50, generator=g)]
        found = project_step(after, f, r, before)
        taken = after[0].double() - before[0].double()
        assert float((f[0].double() * taken).sum()) <= 0
        assert float((r[0].double() * taken).sum()) <= 0
        assert found.forget_change <= 0
        assert found.retain_change <= 0
        if length >= 1e-4:
            assert found.kept_fraction > 0.9


def test_a_step_that_is_not_finite_is_reported_as_it_is() -> None:
    found = project_step([torch.tensor([math.nan, 1.0])], [torch.ones(2)], [torch.ones(2)])
    assert math.isnan(found.forget_change)


def test_margins_move_the_walls() -> None:
    g = Gram(1.0, 0.0, 4.0)
    assert multipliers(0.5, 0.0, g, 0.1) == pytest.approx((0.6, 0.05))


@pytest.mark.parametrize("cosine", [0.5, 0.0, -0.9, -0.995, -0.99995])
def test_losses_that_are_to_fall_never_lengthen_the_step(cosine: float) -> None:
    """However nearly the two gradients are opposed, and whatever is asked."""
    sine = math.sqrt(1 - cosine**2)
    f, r = [torch.tensor([1.0, 0.0, 0.0])], [torch.tensor([cosine, sine, 0.0])]
    origin = [torch.zeros(3)]
    step = [torch.tensor([-1.0, 0.3, 0.5])]
    proposed = float(step[0].norm())
    done = project_step(step, f, r, origin, falls=(1e3, 1e3))
    assert float(step[0].norm()) <= proposed * (1 + 1e-6)
    assert done.forget_change <= 0
    assert done.retain_change <= 0
    assert done.forget_change < 0 or cosine < -0.99
