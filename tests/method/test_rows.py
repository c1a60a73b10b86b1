"""Every row against a literal re-computation of its paper's equation, on a tiny model in fp64, over several steps."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from balign.data.latents import TrainingData
from balign.method import masks
from balign.method.batches import draw, others
from balign.method.method_table import METHODS
from balign.method.objectives import settle
from balign.method.training import Unlearner
from tests.method.tiny import TinyModel, tiny_data

SIZE, STEPS, RATE = 4, 4, 1e-2
DOUBLE = torch.float64


class Literal:
    """One training the long way: gradients as one flat vector, the base as a second model."""

    def __init__(self, method: str) -> None:
        self.row, self.data = METHODS[method], tiny_data(dtype=DOUBLE)
        self.model, self.base = TinyModel(DOUBLE), TinyModel(DOUBLE)
        self.weights = list(self.model.denoiser.parameters())
        self.step = 0

    def sample(self, side: str, kept: bool = False) -> tuple[Any, Tensor, Tensor]:
        """The batch, its twins with the replacement, and prompts of the retain set for it."""
        batch, places = draw(self.model, self.data, side, SIZE, 0, self.step, kept)
        anchor = self.data.anchor_conditions[places] if side == "forget" else batch.conditions
        return batch, anchor, others(self.data, SIZE, 0, self.step)

    def gradient(self, loss: Tensor) -> Tensor:
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, self.weights, materialize_grads=True)])

    def predicted(self, batch: Any, conditions: Tensor | None = None) -> Tensor:
        return self.model.predict(batch.noisy, batch.timesteps, batch.conditions if conditions is None else conditions)

    def by_base(self, batch: Any, conditions: Tensor) -> Tensor:
        with torch.no_grad():
            return self.base.predict(batch.noisy, batch.timesteps, conditions)

    def retained(self) -> Tensor:
        batch, _, _ = self.sample("retain")
        target = self.by_base(batch, batch.conditions) if self.row.retain_target == "base" else batch.target
        return self.gradient((self.predicted(batch) - target).square().mean())

    def each(self, prediction: Tensor, target: Tensor) -> Tensor:
        return torch.stack([(p - t).square().mean() for p, t in zip(prediction, target, strict=True)])

    def forgotten(self) -> Tensor:
        """The gradient of the row's forget loss."""
        batch, anchor, other = self.sample("forget", kept=self.row.forget == "relabel")
        prediction = self.predicted(batch)
        to_anchor, own = self.by_base(batch, anchor), self.by_base(batch, batch.conditions)
        losses: dict[str, Callable[[], Tensor]] = {
            "ascent": lambda: -(prediction - batch.target).square().mean(),
            "random_label": lambda: (prediction - self.by_base(batch, other)).square().mean(),
            "relabel": lambda: (prediction - batch.target).square().mean(),
            "hellinger": lambda: sum(1 - math.e ** (-m) for m in self.each(prediction, to_anchor)) / SIZE,
            "chi_squared": lambda: sum(math.e**m - 1 for m in self.each(prediction, to_anchor)) / SIZE,
            "hinge": lambda: self.hinge(prediction, to_anchor, own),
            "weighted_ascent": lambda: self.weighted(self.each(prediction, batch.target)),
            "attention": lambda: self.attention(batch, anchor),
            "negative_guidance": lambda: (
                (prediction - self.by_base(batch, self.data.empty_condition.expand(SIZE, -1, -1))).square().mean()
            ),
        }
        return self.gradient(losses[self.row.forget]())

    def hinge(self, prediction: Tensor, anchor: Tensor, own: Tensor) -> Tensor:
        total = torch.zeros((), dtype=DOUBLE)
        for p, a, c in zip(prediction, anchor, own, strict=True):
            to_own = (p - c).square().sum()
            total = total + torch.relu((p - a).square().sum().sqrt() - (to_own.sqrt() if to_own > 0 else 0.0))
        return total / SIZE

    def weighted(self, errors: Tensor) -> Tensor:
        w = [1 / (math.sqrt(error.item()) + 1e-8) for error in errors]
        return -sum(a * error for a, error in zip(w, errors, strict=True)) / sum(w)

    def attention(self, batch: Any, anchor: Tensor) -> Tensor:
        layer, net = self.model.unet.block["attn2"], self.model.unet
        x = net.conv_in(batch.noisy) + batch.timesteps.to(batch.noisy)[:, None, None, None] / 1000
        total = torch.zeros((), dtype=DOUBLE)
        for picture, condition, twin in zip(x.flatten(2).transpose(1, 2), batch.conditions, anchor, strict=True):
            apart = [float((condition[k] - twin[k]).norm()) for k in range(len(twin))]
            token = next(k for k in range(len(twin)) if apart[k] >= max(apart) / 2)
            maps = torch.softmax(layer.to_q(picture) @ layer.to_k(condition).T, dim=-1)
            total = total + maps[:, token].square().mean()
        return total / SIZE


def sgd(weights: list[Any], rate: float) -> torch.optim.Optimizer:
    return torch.optim.SGD(weights, lr=rate)


def trained(method: str, **options: Any) -> tuple[Unlearner, TinyModel]:
    model = TinyModel(DOUBLE)
    settings = settle(
        method=method, steps=STEPS, learning_rate=RATE, batch_forget=SIZE, batch_retain=SIZE, train="all",
        truncation=1e9, measure_every=0, **options,
    )  # fmt: skip
    data: TrainingData = tiny_data(dtype=DOUBLE)
    run = Unlearner(model, data, settings, optimizer=sgd)
    list(run)
    return run, model


def assert_same(
    method: str, direction: Callable[[Literal, Tensor, Tensor], Tensor], within: float = 1e-10, **options: Any
) -> None:
    """The row's weights after some steps are those of descending `direction` of the two literal gradients."""
    literal = Literal(method)
    for literal.step in range(STEPS):
        update = direction(literal, literal.forgotten(), literal.retained())
        with torch.no_grad():
            torch.nn.utils.vector_to_parameters(
                torch.nn.utils.parameters_to_vector(literal.weights) - RATE * update, literal.weights
            )
    _, model = trained(method, **options)
    for mine, theirs in zip(model.denoiser.parameters(), literal.weights, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=within)


PLAIN = ("random_label", "dimum", "f_dmu", "gem", "resteer", "esd_u", "grad_diff")


@pytest.mark.parametrize("method", PLAIN)
def test_rows_that_add_both_gradients_up(method: str) -> None:
    weight = METHODS[method].retain_weight
    assert_same(method, lambda _, f, r: f + weight * r)


def test_chi_squared_is_the_strong_side_of_f_dmu(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    monkeypatch.setitem(METHODS, "strong", replace(METHODS["f_dmu"], forget="chi_squared"))
    assert_same("strong", lambda _, f, r: f + r)


@pytest.mark.parametrize("options", [{}, {"micro_batch": 1}])
def test_uno_descends_the_squared_cosine_of_both_gradients(options: dict[str, Any]) -> None:
    """The literal rule differentiates through both gradients."""

    def direction(literal: Literal, f: Tensor, _: Tensor) -> Tensor:
        batch, kept = literal.sample("forget", kept=True)[0], literal.sample("retain")[0]
        sides = []
        for each in (batch, kept):
            loss = (literal.predicted(each) - each.target).square().mean()
            gradients = torch.autograd.grad(loss, literal.weights, create_graph=True)
            sides.append(torch.cat([gradient.flatten() for gradient in gradients]))
        one, other = sides
        return f + literal.gradient((one @ other) ** 2 / (one @ one) / (other @ other))

    assert_same("uno", direction, within=1e-7, **options)
    with pytest.raises(AssertionError):  # which sees the term
        assert_same("uno", lambda _, f, r: f, within=1e-7)


def test_finetune_follows_the_retain_gradient_alone() -> None:
    assert_same("finetune", lambda _, f, r: r)


def test_erase_diff_is_the_first_order_bilevel_rule_with_its_inner_steps() -> None:
    """The literal rule takes inner steps on the forget loss first; only their value enters, so the gradient is ours."""

    def direction(literal: Literal, f: Tensor, r: Tensor) -> Tensor:
        start = [weight.detach().clone() for weight in literal.weights]
        for _ in range(2):  # K inner steps, then back: q = L_f(theta) - L_f(theta_K), the latter a constant
            inner = literal.forgotten()
            with torch.no_grad():
                moved = torch.nn.utils.parameters_to_vector(literal.weights) - RATE * inner
                torch.nn.utils.vector_to_parameters(moved, literal.weights)
        with torch.no_grad():
            for weight, was in zip(literal.weights, start, strict=True):
                weight.copy_(was)
        q = literal.forgotten()
        return r + max(0.0, float((1.0 * q @ q - q @ r) / (q @ q))) * q

    assert_same("erase_diff", direction)


def test_hamu_is_the_best_point_of_its_set() -> None:
    """Against a search over the plane of the two gradients: no feasible update has a larger g_r.u."""
    generator = torch.Generator().manual_seed(0)
    from balign.method.combiners import Gram, forgetting_costs, hamu

    for _ in range(60):
        f, r = torch.randn(2, 5, generator=generator, dtype=DOUBLE)
        quota = float(torch.rand((), generator=generator)) * 0.98 + 0.01
        a, b = hamu(float(f @ f), float(f @ r), float(r @ r), quota)
        u = a * f + b * r
        assert u.norm() <= r.norm() * (1 + 1e-9)
        assert f @ u >= quota * f.norm() * r.norm() * (1 - 1e-9)
        angles = torch.linspace(0, 2 * math.pi, 20001, dtype=DOUBLE)
        across = r - (r @ f) / (f @ f) * f
        plane = torch.outer(angles.cos(), f / f.norm()) + torch.outer(angles.sin(), across / across.norm())
        plane = plane * r.norm()
        feasible = plane[plane @ f >= quota * f.norm() * r.norm()]
        assert float((feasible @ r).max()) <= float(r @ u) + 1e-9
        cosine = Gram(float(f @ f), float(f @ r), float(r @ r)).cosine
        assert forgetting_costs(cosine, quota) == (float(r @ u) < 0)


def test_hamu_trains_by_its_rule() -> None:
    from balign.method.combiners import hamu

    assert_same("hamu", lambda _, f, r: sum(
        x * y for x, y in zip(hamu(float(f @ f), float(f @ r), float(r @ r), 0.5), (f, r), strict=True)
    ))  # fmt: skip


@pytest.mark.parametrize("method", ["rgd_by_layer"])
def test_by_layer_is_the_rule_in_each_weight(method: str) -> None:
    def direction(literal: Literal, f: Tensor, r: Tensor) -> Tensor:
        sizes = [weight.numel() for weight in literal.weights]
        parts = []
        for x, y in zip(f.split(sizes), r.split(sizes), strict=True):
            s = float(x @ y)
            if s < 0:
                x, y = x - s / (y @ y) * y, y - s / (x @ x) * x
            parts.append(x + METHODS[method].retain_weight * y)
        return torch.cat(parts)

    assert_same(method, direction)


def saliency(literal: Literal) -> Tensor:
    """SalUn's mask, of a model that is still the base: the upper half of the summed forget gradient."""
    total = torch.zeros(sum(weight.numel() for weight in literal.weights), dtype=DOUBLE)
    for step in range(4):
        batch, _ = draw(literal.base, literal.data, "forget", SIZE, 0, step)
        loss = (literal.base.predict(*batch[:3]) - batch.target).square().mean()
        gradients = torch.autograd.grad(loss, list(literal.base.denoiser.parameters()), materialize_grads=True)
        total = total + torch.cat([g.flatten() for g in gradients])
    ordered = total.abs().sort(descending=True).values
    return (total.abs() >= ordered[math.ceil(len(ordered) / 2) - 1]).to(DOUBLE)


def test_salun_moves_the_salient_half_towards_random_labels() -> None:
    assert_same("salun", lambda literal, f, r: saliency(literal) * (f + 0.5 * r))
    run, model = trained("salun")
    still = sum(
        int((a == b).sum())
        for a, b in zip(model.denoiser.parameters(), TinyModel(DOUBLE).denoiser.parameters(), strict=True)
    )
    assert still >= sum(weight.numel() for weight in run.weights) // 2 - 1


def test_sfr_on_alternates_masked_ascent_and_keeping() -> None:
    literal = Literal("sfr_on")
    squares = {side: 0.0 for side in ("forget", "retain")}
    for side in squares:
        for step in range(4):
            batch, _ = draw(literal.base, literal.data, side, SIZE, 0, step)
            loss = (literal.base.predict(*batch[:3]) - batch.target).square().mean()
            gradients = torch.autograd.grad(loss, list(literal.base.denoiser.parameters()), materialize_grads=True)
            squares[side] = squares[side] + torch.cat([g.flatten() for g in gradients]).square()
    mask = (squares["forget"] >= squares["retain"]).to(DOUBLE)
    for literal.step in range(STEPS):
        for which in (mask, 1.0):  # only the step of ascent is masked
            update = which * (literal.forgotten() if which is mask else literal.retained())
            with torch.no_grad():
                moved = torch.nn.utils.parameters_to_vector(literal.weights) - RATE * update
                torch.nn.utils.vector_to_parameters(moved, literal.weights)
    _, model = trained("sfr_on")
    for mine, theirs in zip(model.denoiser.parameters(), literal.weights, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-10)


def test_the_salient_half_leaves_out_what_has_no_gradient() -> None:
    gradient = torch.cat([torch.arange(1.0, 21.0), torch.zeros(80)])
    assert torch.equal(masks.salient([gradient], 0.5)[0], gradient != 0)


def test_a_buffered_step_opposes_none_of_the_last_retain_gradients() -> None:
    run, _ = trained("remove_buffered", buffer=3)
    assert len(run.stepper.earlier) == 3
    before = run.stepper.before
    assert before is not None
    step = torch.cat([(w.detach() - b).flatten() for w, b in zip(run.weights, before, strict=True)])
    assert step.norm() > 0
    for gradient in run.stepper.earlier:
        flat = torch.cat([g.flatten() for g in gradient])
        assert float(flat @ step) <= 1e-12


def test_a_buffered_training_resumes_to_the_same_bits() -> None:
    settings = settle(method="remove_buffered", steps=6, buffer=2, batch_forget=4, batch_retain=4, train="all")
    whole, halves = TinyModel(), TinyModel()
    list(Unlearner(whole, tiny_data(), settings))
    first = Unlearner(halves, tiny_data(), settings)
    for _ in range(3):
        next(first)
    state, fresh = first.state(), TinyModel()
    second = Unlearner(fresh, tiny_data(), settings)
    second.load_state(state)
    list(second)
    for a, b in zip(whole.denoiser.parameters(), fresh.denoiser.parameters(), strict=True):
        assert torch.equal(a, b)
