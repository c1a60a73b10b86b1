"""A change as an adapter: exact where its rank suffices, honest about the rest, read by diffusers itself."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from balign.models.lora import adapter, low_rank
from balign.models.trainable import select
from balign.models.weight_file import save_changed


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(6, 4), (5, 3, 3, 3), (4, 7, 1, 1)])
def test_the_full_rank_holds_all_and_a_lower_one_is_the_best_there_is(shape: tuple[int, ...]) -> None:
    change = random(*shape)
    down, up = low_rank(change, 99)
    torch.testing.assert_close((up.flatten(1) @ down.flatten(1)).view(shape), change, atol=1e-5, rtol=1e-5)
    down, up = low_rank(change, 2)
    lost = (change.flatten(1) - up.flatten(1) @ down.flatten(1)).square().sum()
    values = torch.linalg.svdvals(change.flatten(1))
    torch.testing.assert_close(lost, values[2:].square().sum(), atol=1e-4, rtol=1e-4)


def test_what_is_no_matrix_is_lost_and_told() -> None:
    base = {"a.weight": torch.zeros(4, 3), "a.bias": torch.zeros(4), "norm.weight": torch.zeros(4)}
    changed = {"a.weight": torch.eye(4, 3), "a.bias": torch.ones(4) / 2, "norm.weight": torch.zeros(4)}
    tensors, share = adapter(base, changed, 8)
    assert set(tensors) == {f"lora_unet_a.{part}" for part in ("lora_down.weight", "lora_up.weight", "alpha")}
    assert share == pytest.approx(3 / 4)
    assert adapter(base, changed, 1)[1] == pytest.approx(1 / 4)
    assert adapter(base, base, 4)[1] == 1.0


def test_all_layers_have_one_rank_which_is_the_alpha() -> None:
    base = {"a.weight": torch.zeros(4, 3), "b.weight": torch.zeros(6, 5, 3, 3), "c.weight": torch.zeros(8, 8)}
    changed = {name: random(*tensor.shape) for name, tensor in base.items()}
    for asked, rank in ((2, 2), (5, 5), (400, 8)):
        tensors, share = adapter(base, changed, asked)
        assert {float(tensors[f"lora_unet_{name}.alpha"]) for name in "abc"} == {rank}
        assert {len(tensors[f"lora_unet_{name}.lora_down.weight"]) for name in "abc"} == {rank}
    assert share == pytest.approx(1.0)


def test_layers_that_older_readers_find_by_one_name_only_have_both_names() -> None:
    base = {"conv_in.weight": torch.zeros(4, 3, 3, 3), "mid.weight": torch.zeros(4, 4)}
    changed = {name: random(*tensor.shape) for name, tensor in base.items()}
    tensors, _ = adapter(base, changed, 4)
    for name in ("conv_in", "mid"):
        kohya = tensors[f"lora_unet_{name}.lora_down.weight"], tensors[f"lora_unet_{name}.lora_up.weight"]
        own = tensors[f"unet.{name}.lora_A.weight"], tensors[f"unet.{name}.lora_B.weight"]
        assert all(torch.equal(a, b) for a, b in zip(kohya, own, strict=True))
    assert not any(name.startswith("unet.") for name in adapter(base, {"mid.weight": changed["mid.weight"]}, 4)[0])


@pytest.mark.parametrize("train", ["cross_attention_kv", "cross_attention"])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_diffusers_draws_with_it_as_with_the_changed_weights(
    tiny_model: Callable[..., str], tmp_path: Path, train: str, scale: float
) -> None:
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(tiny_model(), local_files_only=True)
    unet = pipeline.unet
    base = {name: weight.detach().clone() for name, weight in select(unet, train).items()}
    changed = {
        name: weight + 0.1 * random(*weight.shape) if weight.ndim > 1 else weight for name, weight in base.items()
    }
    tensors, share = adapter(base, changed, 999)
    assert share == pytest.approx(1.0, abs=1e-6)
    path = tmp_path / "lora.safetensors"
    save_changed(path, tensors)

    size, width = unet.config.sample_size, unet.config.cross_attention_dim
    inputs = random(2, 4, size, size), torch.tensor([10, 500]), random(2, 5, width, seed=1)
    with torch.no_grad():
        plain = unet(*inputs).sample
        for name, weight in base.items():
            unet.get_parameter(name).copy_(torch.lerp(weight, changed[name], scale))
        expected = unet(*inputs).sample
        for name, weight in base.items():
            unet.get_parameter(name).copy_(weight)
        pipeline.load_lora_weights(tmp_path, weight_name=path.name)
        pipeline.set_adapters(pipeline.get_active_adapters(), [scale])
        found = unet(*inputs).sample
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(found, plain, atol=1e-2)
