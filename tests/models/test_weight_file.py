"""Changed weights on disk: whole or not at all, and only into the model they came from."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from torch import nn

from balign.models.weight_file import load_changed, read_changed, save_changed


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 2)).to(memory_format=torch.channels_last)


def state(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in net.named_parameters()}


def test_round_trip_is_exact_and_touches_nothing_else(net: nn.Module, tmp_path: Path) -> None:
    before, path = state(net), tmp_path / "deep" / "changed.safetensors"
    save_changed(path, {"0.weight": before["0.weight"] * 2}, {"method": "rgd"})
    assert load_changed(path, net) == {"method": "rgd"}
    after = state(net)
    assert torch.equal(after["0.weight"], before["0.weight"] * 2)
    assert net[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert all(torch.equal(after[name], before[name]) for name in before if name != "0.weight")
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0, 1.5])
@pytest.mark.parametrize("given", [True, False])
def test_strength_scales_the_change(net: nn.Module, tmp_path: Path, strength: float, given: bool) -> None:
    base = state(net)
    save_changed(tmp_path / "c", {name: weight + 1 for name, weight in base.items()})
    if given:
        net.requires_grad_(False)
        for weight in net.parameters():
            weight.zero_()
    load_changed(tmp_path / "c", net, strength, base if given else None)
    for name, weight in state(net).items():
        torch.testing.assert_close(weight, base[name] + strength)


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        ({"2.weight": torch.zeros(1)}, "2.weight of shape (1,) is not there"),
        ({"1.bias": torch.zeros(3)}, "1.bias of shape (3,) has shape (2,) there"),
    ],
)
def test_weights_of_another_model_move_nothing(net: nn.Module, tmp_path: Path, tensors: dict, words: str) -> None:
    before = state(net)
    save_changed(tmp_path / "c", {"0.bias": torch.ones(4)} | tensors)
    with pytest.raises(ValueError, match="belongs to another model") as caught:
        load_changed(tmp_path / "c", net)
    assert words in str(caught.value)
    assert all(torch.equal(weight, before[name]) for name, weight in state(net).items())


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff" * 100])
def test_an_unreadable_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "spoiled.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"The weights file .*spoiled\.safetensors cannot be read as safetensors"):
        read_changed(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"There is no weights file .*none\.safetensors"):
        read_changed(tmp_path / "none.safetensors")


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow beyond 4 kB: only for as long as it must be, since pytest's own log may be a file too."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    save_changed(path, {"a": torch.ones(2)})
    with full_disk(), pytest.raises(OSError, match=r"The weights file .*c\.safetensors cannot be written"):
        save_changed(path, {"a": torch.zeros(10_000)})
    assert torch.equal(read_changed(path)[0]["a"], torch.ones(2))
    assert [file.name for file in tmp_path.iterdir()] == ["c.safetensors"]
