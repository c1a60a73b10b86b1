"""Groups of weights by name alone, each with the cosine of its own part of the two gradients."""

import pytest
import torch

from balign.method.conflict import cosines, groups, places, quarter
from balign.method.gradients import gram
from tests.method.test_training import unlearner

ATTENTION = "attentions.0.transformer_blocks.0"


def test_keys_and_values_are_told_apart_where_nothing_else_trains() -> None:
    names = [f"{b}.{ATTENTION}.attn2.to_{x}.weight" for b in ("down_blocks.0", "mid_block") for x in "kv"]
    assert groups(names) == {
        "down_blocks.0 to_k": [0],
        "down_blocks.0 to_v": [1],
        "mid_block to_k": [2],
        "mid_block to_v": [3],
    }


def test_modules_are_told_apart_where_more_trains() -> None:
    names = [
        "conv_in.weight",
        "conv_in.bias",
        f"up_blocks.1.{ATTENTION}.attn1.to_out.0.bias",
        f"up_blocks.1.{ATTENTION}.attn2.to_q.weight",
        f"up_blocks.1.{ATTENTION}.attn2.to_k.weight",
        "up_blocks.1.resnets.0.conv1.weight",
        "scale",
    ]
    assert groups(names) == {
        "conv_in": [0, 1],
        "up_blocks.1 attn1": [2],
        "up_blocks.1 attn2": [3, 4],
        "up_blocks.1 resnets": [5],
        "scale": [6],
    }


@pytest.mark.parametrize("name", ["", ".", "weight", "a b.weight", "1.2.3", "a..b.weight"])
def test_any_name_has_a_group(name: str) -> None:
    assert [*groups([name]).values()] == [[0]]


def test_a_cosine_is_that_of_the_flattened_parts() -> None:
    g = torch.Generator().manual_seed(0)
    names = ["a.one.weight", "a.one.bias", "b.one.weight"]
    f, r = ([torch.randn(3, 4, generator=g) for _ in names] for _ in range(2))
    found = cosines(groups(names), f, r)
    for group, members in groups(names).items():
        flat = [torch.cat([side[i].flatten() for i in members]) for side in (f, r)]
        assert found[group] == pytest.approx(torch.cosine_similarity(*flat, dim=0).item(), abs=1e-6)
    assert cosines({"a": [0], "b": [1]}, [f[0], f[0] * 0], [-f[0], r[0]]) == {"a": pytest.approx(-1), "b": 0.0}


def test_one_group_of_everything_is_the_cosine_of_the_step() -> None:
    g = torch.Generator().manual_seed(1)
    f, r = ([torch.randn(5, generator=g) for _ in range(3)] for _ in range(2))
    assert cosines(groups(["a.w", "a.w", "a.w"]), f, r) == {"a": pytest.approx(gram(f, r).cosine)}


def test_quarters_are_the_batch_in_the_order_of_its_noise() -> None:
    timesteps = torch.tensor([900, 10, 500, 20, 20, 999])
    quarters = [quarter(timesteps, k) for k in range(4)]
    assert quarters == [[1], [3, 4], [2], [0, 5]]


@pytest.mark.parametrize("method", ["balign", "rgd"])
def test_looking_changes_nothing(method: str) -> None:
    looked, plain = unlearner(method=method, steps=4, measure_every=2), unlearner(method=method, steps=4)
    told = [(record.step, list(looked.conflicts)) for record in looked]
    quiet = [record.forget_loss for record in plain if not plain.conflicts]
    assert [step for step, found in told if found] == [2, 4]
    assert [(c.step, c.quarter) for c in told[3][1]] == [(4, 0), (4, 1), (4, 2), (4, 3), (4, 4)]
    assert all(-1 <= value <= 1 for _, found in told for c in found for value in c.cosines.values())
    assert set(told[1][1][0].cosines) == {"conv_in", "block attn2", "conv_out"}
    assert set(told[1][1][1].cosines) == set(places(list(looked.parameters))) == {"conv_in", "block", "conv_out"}
    assert len(quiet) == 4
    assert all(torch.equal(weight, plain.changed()[name]) for name, weight in looked.changed().items())


@pytest.mark.parametrize("method", ["balign", "rgd"])
def test_a_quarter_is_the_cosine_of_its_own_images(method: str) -> None:
    run = unlearner(method=method, steps=1, measure_every=1, batch_forget=8, batch_retain=8)
    next(run)
    run.step -= 1  # its batch once more, at the weights the step led to
    for which in range(4):
        sides = []
        for side in ("forget", "retain"):
            batch = next(run.losses.parts(side, run.step))
            some = batch.timesteps.argsort(stable=True)[2 * which : 2 * which + 2]
            error = (run.model.predict(*(part[some] for part in batch[:3])) - batch.target[some]).square().mean()
            grads = torch.autograd.grad(error, run.weights)
            sign = -1 if side == "forget" and method == "rgd" else 1
            sides.append([sign * grad for grad in grads])
        expected = cosines(places(list(run.parameters)), *sides)
        assert run.conflicts[which + 1].cosines == pytest.approx(expected, abs=1e-4)


def test_a_batch_too_small_for_quarters_is_not_taken_apart() -> None:
    run = unlearner(steps=1, measure_every=1, batch_forget=3, batch_retain=8)
    next(run)
    assert [c.quarter for c in run.conflicts] == [0]
