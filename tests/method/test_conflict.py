"""Groups of weights by name alone, each with the cosine of its own part of the two gradients."""

import pytest
import torch

from balign.method.conflict import by_group, groups
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
    found = by_group(names, f, r)
    for group, places in groups(names).items():
        flat = [torch.cat([side[i].flatten() for i in places]) for side in (f, r)]
        assert found[group] == pytest.approx(torch.cosine_similarity(*flat, dim=0).item(), abs=1e-6)
    assert by_group(["a.weight", "b.weight"], [f[0], f[0] * 0], [-f[0], r[0]]) == {"a": pytest.approx(-1), "b": 0.0}


def test_one_group_of_everything_is_the_cosine_of_the_step() -> None:
    g = torch.Generator().manual_seed(1)
    f, r = ([torch.randn(5, generator=g) for _ in range(3)] for _ in range(2))
    assert by_group(["a.w", "a.w", "a.w"], f, r) == {"a": pytest.approx(gram(f, r).cosine)}


@pytest.mark.parametrize("method", ["balign", "rgd"])
def test_looking_changes_nothing(method: str) -> None:
    looked, plain = unlearner(method=method, steps=4, measure_every=2), unlearner(method=method, steps=4)
    told = [(record.step, dict(looked.conflict)) for record in looked]
    quiet = [record.forget_loss for record in plain if not plain.conflict]
    assert [step for step, conflict in told if conflict] == [2, 4]
    assert all(-1 <= value <= 1 for _, conflict in told for value in conflict.values())
    assert set(told[1][1]) == {"conv_in", "block attn2", "conv_out"}
    assert len(quiet) == 4
    assert all(torch.equal(weight, plain.changed()[name]) for name, weight in looked.changed().items())
